"""The fast path: one regular expression that recognises lines which are certainly valid.

It accepts a run of whole lines at once, in one pass of a finite automaton (RE2), at hundreds of megabytes a second.
It may refuse a line that is valid after all: that line is then checked cell by cell (contract/check.py), which alone
decides. It never accepts an invalid one, so it changes how fast a file is checked and nothing else.
"""

import re
from decimal import Decimal

import re2

from sluice.contract.dialect import Dialect

# States of the automaton are built as they are met; this is far more than any contract of ours takes.
_MEMORY = 64 * 1024 * 1024
_DIGITS = 18
_REPEATS = 1000
# Of a field descriptor, what an expression knows of. Any other key or constraint leaves its dataset without one.
_KEYS = {"name", "title", "description", "type", "format", "constraints"}
# Characters that stand between cells and in none of the expressions for numbers, dates and the like.
_DELIMITERS = (",", ";", "\t", "|")
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
    if None in cells:
        return None
    line = re.escape(dialect.delimiter).join(cells)
    options = re2.Options()
    options.max_mem = _MEMORY
    options.never_capture = True
    options.log_errors = False
    # A line without any cell text is blank, not valid: it is left to the reader of records.
    blank = len(cells) == 1 and missing_values and not fields[0].get("constraints", {}).get("required", False)
    return None if blank else re2.compile(f"(?:{line}\\r?\\n)*", options)


def _plain(dialect: Dialect) -> bool:
    """Whether every line without a quote in it is a row whose cells are what stands between the delimiters."""
    special = dialect.escape or dialect.skip_initial_space or dialect.comment or dialect.comment_rows
    return dialect.delimiter in _DELIMITERS and dialect.quote == '"' and dialect.double_quote and not special


def _cell(field: dict, dialect: Dialect, missing_values: frozenset[str]) -> str | None:
    """What certainly valid cells of a field look like, unquoted."""
    constraints = dict(field.get("constraints", {}))
    required = constraints.pop("required", False)
    if constraints.pop("unique", False) or not field.keys() <= _KEYS:
        return None
    value = _value(field.get("type", "string"), field.get("format", "default"), constraints, dialect)
    # Which values are missing ones cannot be said by an expression, the empty one apart. Where a missing value is valid
    # as well, it makes no difference whether the text is one; of text fields no value is compared, so none is let in.
    if value is None or missing_values - {""} and (required or field.get("type", "string") == "string"):
        return None
    return f"(?:{value})" if required or "" not in missing_values else f"(?:{value})?"


def _value(type_: str, format_: str, constraints: dict, dialect: Dialect) -> str | None:
    match type_, format_:
        case "string", "default":
            return _text(constraints, dialect)
        case "string", "email" if constraints.keys() <= {"maxLength"} and dialect.delimiter in ",;\t":
            return _email(constraints.get("maxLength", 254))
        case "integer", "default":
            return _integer(constraints)
        case "number", "default":
            return _number(constraints)
        case "date", "default" if not constraints:
            return _date("%Y-%m-%d")
        case "date", str(pattern) if not constraints:
            return _date(pattern)
    return None


def _text(constraints: dict, dialect: Dialect) -> str | None:
    if not constraints.keys() <= {"minLength", "maxLength"}:
        return None
    shortest, longest = max(constraints.get("minLength", 0), 1), constraints.get("maxLength")
    if shortest > _REPEATS or (longest is not None and not shortest <= longest <= _REPEATS):
        return None
    excluded = re.escape(dialect.delimiter + dialect.quote)
    # Surrogates are no text in UTF-8, though RE2 would take their bytes.
    character = rf"[^{excluded}\r\n\x00\x{{D800}}-\x{{DFFF}}]"
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


def _integer(constraints: dict) -> str | None:
    """Digits without a sign where there is a lower bound, and as many as make the value certain to be inside."""
    if not constraints.keys() <= {"minimum", "maximum"}:
        return None
    least, most = constraints.get("minimum"), constraints.get("maximum")
    longest = _DIGITS if most is None else len(str(int(most))) - 1
    if most is not None and int(most) <= 0 or longest < 1:
        return None
    if least is None:
        return f"[+-]?[0-9]{{1,{_DIGITS}}}" if most is None else f"[0-9]{{1,{longest}}}"
    if int(least) <= 0:
        return f"[0-9]{{1,{longest}}}"
    # More digits than the bound has, the first one no zero; the bound 1 leaves out nothing else.
    shortest = len(str(int(least)))
    if int(least) == 1:
        return f"[1-9][0-9]{{0,{longest - 1}}}"
    return f"[1-9][0-9]{{{shortest},{longest - 1}}}" if shortest < longest else None


def _number(constraints: dict) -> str | None:
    fraction = rf"(?:\.[0-9]{{0,{_DIGITS}}})?"
    if not constraints:
        return rf"[+-]?[0-9]{{1,{_DIGITS}}}{fraction}"
    if constraints.keys() == {"minimum"} and Decimal(str(constraints["minimum"])) <= 0:
        return f"[0-9]{{1,{_DIGITS}}}{fraction}"
    return None


def _date(pattern: str) -> str | None:
    parts = re.split("(%.)", pattern)
    # No other directives, and nothing beside them that could be a delimiter or a quote.
    if sorted(parts[1::2]) != ["%Y", "%d", "%m"] or not re.fullmatch("[A-Za-z0-9 ./:_-]*", "".join(parts[::2])):
        return None
    shapes = []
    for days, months in _DAYS:
        # Years before 1000 are left to the cell check: there is a year 0000 among them.
        written = {"%d": f"(?:{days})", "%m": f"(?:{months})", "%Y": "[1-9][0-9]{3}"}
        shapes.append("".join(written.get(part) or re.escape(part) for part in parts))
    return "|".join(shapes)
