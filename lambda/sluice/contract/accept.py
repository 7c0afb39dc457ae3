"""The fast path: one regular expression that recognises lines which are certainly valid.

It accepts a run of whole lines at once, in one pass of a finite automaton (RE2), at hundreds of megabytes a second.
It may refuse a line that is valid after all: that line is then checked cell by cell (contract/check.py), which alone
decides. It never accepts an invalid one, so it changes how fast a file is checked and nothing else.
"""

import re

import re2

from sluice.contract.dialect import Dialect

# States of the automaton are built as they are met; this is far more than any contract of ours takes.
_MEMORY = 64 * 1024 * 1024
_DIGITS = 18
_REPEATS = 1000
# (days, months that have them); the 29th of February is left to the cell check, which knows leap years.
_DAYS = (
    ("0[1-9]|1[0-9]|2[0-8]", "0[1-9]|1[0-2]"),
    ("29|30", "0[13-9]|1[0-2]"),
    ("31", "0[13578]|1[02]"),
)


def compile_acceptor(fields: list[dict], dialect: Dialect, missing_values: frozenset[str]) -> re2._Regexp | None:
    """An expression whose match from a line's start covers as many whole lines as are certainly valid, ends included.

    `fields` are Table Schema field descriptors. None where a field's rules cannot be put into an expression.
    """
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


def _cell(field: dict, dialect: Dialect, missing_values: frozenset[str]) -> str | None:
    """What certainly valid cells of a field look like, unquoted."""
    constraints = dict(field.get("constraints", {}))
    required = constraints.pop("required", False)
    value = _value(field.get("type", "string"), field.get("format", "default"), constraints, dialect)
    # Which of a text field's values are missing ones cannot be said by an expression, the empty one apart.
    if value is None or (field.get("type", "string") == "string" and missing_values - {""}):
        return None
    return f"(?:{value})" if required or "" not in missing_values else f"(?:{value})?"


def _value(type_: str, format_: str, constraints: dict, dialect: Dialect) -> str | None:
    match type_, format_:
        case "string", "default":
            return _text(constraints, dialect)
        case "string", "email" if constraints.keys() <= {"maxLength"} and dialect.delimiter in ",;\t":
            # Lengths are left out of the expression, so only short enough ones are certain to fit.
            longest = constraints.get("maxLength", 254)
            return _email(longest)
        case "integer", "default":
            return _integer(constraints)
        case "number", "default":
            return _number(constraints)
        case "date", _ if not constraints:
            return _date("%Y-%m-%d" if format_ == "default" else format_)
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
    # Each part is bounded so that the whole is short enough: half for what is before the @, half for what follows.
    half = (longest - 1) // 2
    if half < 8 or half > _REPEATS:
        return None
    local = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.-]{{1,{half}}}"
    label = r"[A-Za-z0-9-]{1,30}"
    labels = half // 31 - 1
    if labels < 1:
        return None
    return rf"{local}@{label}(?:\.{label}){{1,{labels}}}"


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
    if constraints.keys() == {"minimum"} and float(constraints["minimum"]) <= 0:
        return f"[0-9]{{1,{_DIGITS}}}{fraction}"
    return None


def _date(pattern: str) -> str:
    parts = re.split("(%.)", pattern)
    shapes = []
    for days, months in _DAYS:
        # Years before 1000 are left to the cell check: there is a year 0000 among them.
        written = {"%d": f"(?:{days})", "%m": f"(?:{months})", "%Y": "[1-9][0-9]{3}"}
        shapes.append("".join(written.get(part) or re.escape(part) for part in parts))
    return "|".join(shapes)
