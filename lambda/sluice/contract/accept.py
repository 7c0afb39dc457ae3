"""The fast path: one regular expression that recognises lines which are certainly valid.

It accepts a run of whole lines at once, in one pass of a finite automaton (RE2), at hundreds of megabytes a second.
It may refuse a line that is valid after all: that line is then checked cell by cell (contract/check.py), which alone
decides. It never accepts an invalid one, so it changes how fast a file is checked and nothing else.
"""

import json
import re

import re2

from sluice.contract.dialect import Dialect
from sluice.contract.numerals import BOUNDS, numerals

# States of the automaton are built as they are met; this is far more than any contract of ours takes.
_MEMORY = 64 * 1024 * 1024
_REPEATS = 1000
# What JSON has a type of its own for.
_JSON_TYPES = ("integer", "number", "boolean")
# Of a field descriptor, what an expression knows of. Any other key or constraint leaves its dataset without one.
_KEYS = {"name", "title", "description", "type", "format", "constraints"}
# Characters that stand between cells and in none of the expressions for numbers, dates and the like.
_DELIMITERS = (",", ";", "\t", "|")
_IN_ADDRESSES = frozenset("!#$%&'*+/=?^_`{|}~.@-")
_HOUR = "(?:[01][0-9]|2[0-3])"
_TIME = rf"{_HOUR}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,6}})?"
# (days, months that have them); the 29th of February is left to the cell check, which knows leap years.
_DAYS = (
    ("0[1-9]|1[0-9]|2[0-8]", "0[1-9]|1[0-2]"),
    ("29|30", "0[13-9]|1[0-2]"),
    ("31", "0[13578]|1[02]"),
)


def compile_acceptor(fields: list[dict], dialect: Dialect, missing_values: frozenset[str]) -> re2._Regexp | None:
    """An expression whose match from a line's start covers as many whole lines as are certainly valid, ends included.

    `fields` are Table Schema field descriptors that are in order. None where the rules of a field or the dialect cannot
    be put into an expression. It is meant for what follows the header, and so for the lines after `header_row`.
    """
    if not _plain(dialect):
        return None
    cells = [_cell(field, dialect, missing_values) for field in fields]
    # A line without any cell text is blank, not valid: it is left to the reader of records.
    blank = len(cells) == 1 and missing_values and not _required(fields[0])
    return None if None in cells or blank else _lines(re.escape(dialect.delimiter).join(cells))


def compile_json_acceptor(fields: list[dict], missing_values: frozenset[str]) -> re2._Regexp | None:
    """The same for JSON lines: objects with all their members in the order of the fields, as programs write them."""
    members = [_member(field, missing_values) for field in fields]
    if None in members:
        return None
    names = [re.escape(json.dumps(field["name"], ensure_ascii=False)) for field in fields]
    pairs = ", ?".join(f"{name}: ?{member}" for name, member in zip(names, members, strict=True))
    return _lines(rf"\{{{pairs}\}}")


def _lines(line: str) -> re2._Regexp:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.never_capture = True
    options.log_errors = False
    return re2.compile(f"(?:{line}\\r?\\n)*", options)


def _required(field: dict) -> bool:
    return field.get("constraints", {}).get("required", False)


def _plain(dialect: Dialect) -> bool:
    """Whether every line without a quote in it is a row whose cells are what stands between the delimiters."""
    special = dialect.escape or dialect.skip_initial_space or dialect.comment or dialect.comment_rows
    return dialect.delimiter in _DELIMITERS and dialect.quote == '"' and dialect.double_quote and not special


def _cell(field: dict, dialect: Dialect, missing_values: frozenset[str]) -> str | None:
    """What certainly valid cells of a field look like, unquoted; an empty one is a missing one."""
    value = _value(field, dialect.delimiter + dialect.quote)
    if value is None or _may_be_missing(value, missing_values - {""}):
        return None
    return f"(?:{value})" if _required(field) or "" not in missing_values else f"(?:{value})?"


def _member(field: dict, missing_values: frozenset[str]) -> str | None:
    """What certainly valid values of a field look like in JSON."""
    value = _value(field, '"\\', json_=True)
    if value is None:
        return None
    if field.get("type") not in _JSON_TYPES:
        if _may_be_missing(value, missing_values):
            return None
        value = f'"(?:{value})"'
    return f"(?:{value})" if _required(field) else f"(?:{value}|null)"


def _may_be_missing(value: str, missing_values: frozenset[str]) -> bool:
    """Whether a text that the expression accepts stands for no value: no expression could say which."""
    return any(re2.fullmatch(value, text) for text in missing_values)


def _value(field: dict, excluded: str, *, json_: bool = False) -> str | None:
    """What certainly valid texts of a field look like, without the excluded characters, or its values in JSON."""
    constraints = dict(field.get("constraints", {}))
    constraints.pop("required", False)
    if constraints.pop("unique", False) or not field.keys() <= _KEYS:
        return None
    match field.get("type", "string"), field.get("format", "default"):
        case "string", "default" if constraints.keys() == {"enum"}:
            return _one_of(constraints["enum"], excluded)
        case "string", "default":
            return _text(constraints, excluded)
        case "string", "email" if constraints.keys() <= {"maxLength"} and not _IN_ADDRESSES & set(excluded):
            return _email(constraints.get("maxLength", 254))
        case "integer" | "number" as type_, "default" if constraints.keys() <= BOUNDS:
            return numerals(constraints, fraction=type_ == "number", json=json_)
        case type_, format_ if not constraints:
            return _unbounded(type_, format_, json_)
    return None


def _unbounded(type_: str, format_: str, json_: bool) -> str | None:
    """What certainly valid texts of a type without constraints look like."""
    match type_, format_:
        case "string", "uuid":
            return "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
        case "boolean", "default":
            return "true|false" if json_ else "true|True|TRUE|1|false|False|FALSE|0"
        case "date", "default":
            return _date("%Y-%m-%d")
        case "date", str(pattern):
            return _date(pattern)
        case "time", "default":
            return _TIME
        case "datetime", "default":
            # With its zone, a time of the first or last millennium may be in another one, which columns do not have.
            return rf"(?:{_date('%Y-%m-%d', '(?:1[1-9]|[2-8][0-9])[0-9]{2}')})T{_TIME}(?:Z|[+-]{_HOUR}:[0-5][0-9])?"
        case "year", "default" if not json_:
            return "[0-9]{4}"
        case "yearmonth", "default":
            return "[0-9]{4}-(?:0[1-9]|1[0-2])"
    return None


def _one_of(texts: list[str], excluded: str) -> str | None:
    if any(not text or not text.isprintable() or set(text) & set(excluded) for text in texts):
        return None
    return "|".join(map(re.escape, texts))


def _text(constraints: dict, excluded: str) -> str | None:
    if not constraints.keys() <= {"minLength", "maxLength"}:
        return None
    shortest, longest = max(constraints.get("minLength", 0), 1), constraints.get("maxLength")
    if shortest > _REPEATS or (longest is not None and not shortest <= longest <= _REPEATS):
        return None
    # No control characters, which JSON has as escapes only; a tab is left to the cell check as well. Surrogates are no
    # text in UTF-8, though RE2 would take their bytes. A byte order mark in a cell is text, which readers may drop.
    character = rf"[^{re.escape(excluded)}\x00-\x1f\x{{D800}}-\x{{DFFF}}\x{{FEFF}}]"
    return f"{character}{{{shortest},{'' if longest is None else longest}}}"


def _email(longest: int) -> str | None:
    """Addresses in ASCII: 64 characters at most before the @, then labels of 31 at most, so that the whole fits."""
    labels = min((longest - 64 - 1 - 30) // 32, 4)
    if labels < 1:
        return None
    atom = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
    local = rf"{atom}{{1,64}}|{atom}{{1,31}}\.{atom}{{1,32}}|{atom}{{1,15}}(?:\.{atom}{{1,15}}){{2,3}}"
    label = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,29}[A-Za-z0-9])?"
    last = r"[A-Za-z][A-Za-z0-9-]{0,28}[A-Za-z0-9]"
    return rf"(?:{local})@(?:{label}\.){{1,{labels}}}{last}"


def _date(pattern: str, years: str = "[1-9][0-9]{3}") -> str | None:
    parts = re.split("(%.)", pattern)
    # No other directives, and nothing beside them that could be a delimiter or a quote.
    if sorted(parts[1::2]) != ["%Y", "%d", "%m"] or not re.fullmatch("[A-Za-z0-9 ./:_-]*", "".join(parts[::2])):
        return None
    shapes = []
    for days, months in _DAYS:
        # Years before 1000 are left to the cell check: there is a year 0000 among them.
        written = {"%d": f"(?:{days})", "%m": f"(?:{months})", "%Y": years}
        shapes.append("".join(written.get(part) or re.escape(part) for part in parts))
    return "|".join(shapes)
