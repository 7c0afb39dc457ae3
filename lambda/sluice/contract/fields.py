"""Cells against their field: Table Schema types and constraints (https://specs.frictionlessdata.io/table-schema/)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

Value = str | int | Decimal | date
Parser = Callable[[str], Value | None]
Writer = Callable[[Value], str]

# Deliberately ASCII: \d would take any script's digits, which no consumer of the results reads as a number.
_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,1000}(\.[0-9]{0,1000})?|\.[0-9]{1,1000})")
# What an address needs to be deliverable at all; RFC 5321 allows more than any mail provider does.
_EMAIL = re.compile(r"[^\s@\"(),:;<>\[\]\\]+@[^\s@.\"(),:;<>\[\]\\]+(\.[^\s@.\"(),:;<>\[\]\\]+)+")
_DIRECTIVES = {"%d": r"(?P<day>[0-9]{2})", "%m": r"(?P<month>[0-9]{2})", "%Y": r"(?P<year>[0-9]{4})"}
_BOUNDS: dict[str, tuple[Callable[[Value, Value], bool], str]] = {
    "minimum": (lambda value, bound: value >= bound, "at least"),
    "maximum": (lambda value, bound: value <= bound, "at most"),
}
_LENGTHS: dict[str, tuple[Callable[[int, int], bool], str]] = {
    "minLength": (lambda length, bound: length >= bound, "at least"),
    "maxLength": (lambda length, bound: length <= bound, "at most"),
}


def _parse_string(text: str) -> str:
    return text


def _parse_email(text: str) -> str | None:
    return text if _EMAIL.fullmatch(text) else None


def _parse_integer(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) else None


def _parse_number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _date_codec(pattern: str) -> tuple[Parser, Writer]:
    """Parses and writes exactly this pattern: unlike strptime, `%d` takes two digits and never one, and unlike
    strftime, `%Y` always writes four."""
    parts = re.split(r"(%.)", pattern)
    unknown = [part for part in parts if part.startswith("%") and part not in _DIRECTIVES]
    if unknown or any(parts.count(directive) != 1 for directive in _DIRECTIVES):
        raise ValueError(f"date format {pattern!r} must hold each of %d, %m and %Y once and no other directive")
    shape = re.compile("".join(_DIRECTIVES.get(part) or re.escape(part) for part in parts))

    def parse(text: str) -> date | None:
        match = shape.fullmatch(text)
        if not match:
            return None
        try:
            return date(int(match["year"]), int(match["month"]), int(match["day"]))
        except ValueError:
            return None

    def write(value: date) -> str:
        written = {"%d": f"{value.day:02}", "%m": f"{value.month:02}", "%Y": f"{value.year:04}"}
        return "".join(written.get(part, part) for part in parts)

    return parse, write


def _write_number(value: Decimal) -> str:
    return format(value, "f")


def _codec(type_: str, format_: str) -> tuple[Parser, Writer, str]:
    """How a type and format are parsed and written, and what messages call them."""
    match type_, format_:
        case "string", "default":
            return _parse_string, str, "text"
        case "string", "email":
            return _parse_email, str, "an e-mail address"
        case "integer", "default":
            return _parse_integer, str, "an integer"
        case "number", "default":
            return _parse_number, _write_number, "a number"
        case "date", "default":
            return *_date_codec("%Y-%m-%d"), "a date like 2026-12-31"
        case "date", pattern if "%" in pattern:
            parse, write = _date_codec(pattern)
            return parse, write, f"a date like {write(date(2026, 12, 31))}"
    raise ValueError(f"type {type_!r} with format {format_!r} is not supported")


@dataclass(frozen=True)
class Field:
    """One column: its name, its type, the check of a cell, and how a value is written in the field's own format."""

    name: str
    type: str
    check: Callable[[str], tuple[Value | None, tuple[str, str] | None]]
    write: Writer


def compile_field(descriptor: dict, missing_values: frozenset[str]) -> Field:
    """The field of a Table Schema field descriptor.

    `Field.check(text)` gives `(value, None)` for a valid cell, the value being None for a missing one, and
    `(None, (error, message))` otherwise: a Frictionless error code and the rule in words.

    Raises ValueError, with the reason, for a descriptor that makes no sense.
    """
    type_ = descriptor.get("type", "string")
    parse, write, expected = _codec(type_, descriptor.get("format", "default"))
    constraints = dict(descriptor.get("constraints", {}))
    required = constraints.pop("required", False)
    rules = [_rule(name, setting, type_, parse) for name, setting in constraints.items()]

    def check(text: str) -> tuple[Value | None, tuple[str, str] | None]:
        if text in missing_values:
            return None, ("constraint-error", "is required") if required else None
        value = parse(text)
        if value is None:
            return None, ("type-error", f"is not {expected}")
        for holds, message in rules:
            if not holds(text, value):
                return None, ("constraint-error", message)
        return value, None

    return Field(descriptor["name"], type_, check, write)


def _rule(name: str, setting: object, type_: str, parse: Parser) -> tuple[Callable[[str, Value], bool], str]:
    """One constraint as a predicate over (text, value), and its message."""
    if name in _BOUNDS:
        if type_ == "string":
            raise ValueError(f"constraint {name} does not apply to a string")
        bound = parse(str(setting))
        if bound is None:
            raise ValueError(f"constraint {name}: {setting!r} is not of the field's own type")
        compare, words = _BOUNDS[name]
        return lambda _, value: compare(value, bound), f"must be {words} {setting}"
    if name in _LENGTHS:
        if type_ != "string" or not isinstance(setting, int):
            raise ValueError(f"constraint {name} takes a whole number and applies to strings only")
        compare, words = _LENGTHS[name]
        return lambda text, _: compare(len(text), setting), f"must have {words} {setting} characters"
    if name == "pattern":
        pattern = re.compile(str(setting))
        return lambda text, _: bool(pattern.fullmatch(text)), f"must match the pattern {setting}"
    if name == "enum":
        allowed = {parse(str(item)) for item in setting}
        return lambda _, value: value in allowed, f"must be one of {', '.join(map(str, setting))}"
    raise ValueError(f"constraint {name!r} is not supported")
