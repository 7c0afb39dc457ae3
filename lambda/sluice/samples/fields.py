"""What may stand in a field, from its Table Schema descriptor."""

import string
from collections.abc import Iterator, Mapping
from typing import Any

from sluice.contract.fields import Cell, Field
from sluice.contract.numerals import BOUNDS
from sluice.contract.types import Type, Value, compile_type
from sluice.samples.domains import Domain, UnsupportedError, listed
from sluice.samples.patterns import by_length, pattern_domain, written
from sluice.samples.scales import scale

# What JSON and Parquet have a type of their own for.
TYPED = ("boolean", "integer", "number", "year")
_WORD = 8
# Of a long text, so many characters are drawn, the others are there to fill it up.
_DRAWN = 16
_ALPHABETS = (
    string.ascii_lowercase,
    string.ascii_lowercase + string.ascii_uppercase + string.digits,
    string.ascii_lowercase + string.ascii_uppercase + string.digits + string.punctuation,
)
# The first is what values usually look like, the last what does for lengths that are not usual. Nobody has an address
# at a domain of RFC 2606.
_SHAPES = {
    "email": [
        r"[a-z]{2,8}\.[a-z]{2,8}@example\.(com|net|org)",
        r"[a-z0-9]{1,16}@([a-z0-9]{1,16}\.){0,8}[a-z]{1,16}\.[a-z]{2,8}",
    ],
    "uri": [r"https://(www\.)?example\.(com|net|org)/[a-z]{1,8}(/[a-z0-9]{1,8})?", r"[a-z]:[a-z0-9]+"],
    "uuid": [r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"],
}


def domains(descriptor: Mapping[str, Any], field: Field, *, typed: bool, distinct: int) -> Iterator[Domain]:
    """Where cells of a field can be drawn from, what fits best first; not every cell need hold to the contract.

    `typed` says that cells have JSON's types where it has one, `distinct` how many different values are needed at
    least. Raises UnsupportedError where nothing can be drawn.
    """
    rest = {key: value for key, value in descriptor.items() if key not in ("name", "title", "description")}
    constraints = rest.pop("constraints", {})
    group, decimal = rest.get("groupChar", ""), rest.get("decimalChar", ".")
    truths = [*rest.get("trueValues", ["true"]), *rest.get("falseValues", ["false"])]
    type_ = compile_type(rest)
    if "enum" in constraints:
        yield listed([_written(setting, type_, typed) for setting in constraints["enum"]])
    elif field.type in ("string", "any"):
        yield from _texts(field.format, constraints, distinct)
    elif field.type == "boolean":
        yield listed([True, False] if typed else truths)
    else:
        bounds = {name: type_.read_setting(setting) for name, setting in constraints.items() if name in BOUNDS}
        size, value = scale(field.type, field.format).between(bounds, distinct)
        yield Domain([size], lambda number: _cell(value(number), type_, group, decimal, typed))


def _written(setting: object, type_: Type, typed: bool) -> Cell:
    """A value that the descriptor lists, as its cell."""
    if isinstance(setting, str) and not (typed and type_.name in TYPED):
        return setting
    return _cell(type_.read_setting(setting), type_, "", "", typed)


def _cell(value: Value, type_: Type, group: str, decimal: str, typed: bool) -> Cell:
    if typed and type_.name in TYPED:
        return value
    text = type_.write(value)
    return _grouped(text, group, decimal) if group else text


def _grouped(text: str, group: str, decimal: str) -> str:
    """A number with its digits in groups of three."""
    whole, point, fraction = text.partition(decimal)
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}".replace(",", group) + point + fraction


def _texts(format_: str, constraints: Mapping[str, Any], distinct: int) -> Iterator[Domain]:
    shortest, longest = constraints.get("minLength", 0), constraints.get("maxLength")
    shapes = _SHAPES.get(format_, [])
    reason = None
    for pattern in [constraints["pattern"], *shapes] if "pattern" in constraints else shapes:
        try:
            yield pattern_domain(pattern, shortest, longest, max(100, 2 * distinct))
        except UnsupportedError as error:
            reason = reason or error
    if reason:
        raise reason
    if format_ == "default" and "pattern" not in constraints:
        yield _plain(shortest, longest, distinct)


def _plain(shortest: int, longest: int | None, distinct: int) -> Domain:
    """Texts without a rule but their length: words, unless too few of them are short enough."""
    most = _WORD if longest is None else min(_WORD, longest)
    least = shortest or min(1, most)
    for alphabet in _ALPHABETS:
        counts = {length: len(alphabet) ** min(length, _DRAWN) for length in range(least, max(least, most) + 1)}
        if sum(counts.values()) >= 2 * distinct:
            break

    def text(length: int, number: int) -> str:
        return written(alphabet, min(length, _DRAWN), number).ljust(length, alphabet[0])

    return by_length(counts, text)
