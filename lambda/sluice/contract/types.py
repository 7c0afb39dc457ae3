"""The types of Table Schema as they are written in files (https://specs.frictionlessdata.io/table-schema/).

Each type reads text into a value or refuses it. Reading is strict: what a consumer of the results would have to guess
at is refused. `docs/contracts.md` says where that differs from Frictionless's own reading, and why.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from sluice.contract import temporal

Value = str | int | bool | Decimal | date | time | datetime | tuple[int, int]
Parser = Callable[[str], Value | None]
Writer = Callable[[Value], str]

# The most digits a number has before its point, and after it.
_DIGITS = 1000
_TRUE = ["true", "True", "TRUE", "1"]
_FALSE = ["false", "False", "FALSE", "0"]
# What an address needs to be deliverable at all; RFC 5321 allows more than any mail provider does. Dots separate, so
# no part begins or ends with one; host names have no underscore, and the last part of theirs starts with a letter.
_ATOM = r"[^\s@\".(),:;<>\[\]\\]+"
_LABEL = r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?"
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[^\W\d_](?:[^\W_]|-){{0,61}}[^\W_]")
# RFC 3986: a scheme, then only characters a URI is made of, percent signs with their two hexadecimal digits.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_STRINGS = {"email": (_EMAIL, "an e-mail address"), "uri": (_URI, "a URI"), "uuid": (_UUID, "a UUID")}


@dataclass(frozen=True)
class Type:
    """How a field's cells are parsed and its values written, and what messages call such a value.

    `native` are the types in which YAML may give a constraint's value, beside text as it stands in a file. `convert`
    gives the value of what JSON has a type of its own for (bool, int, Decimal), None where it is of another type.
    """

    name: str
    parse: Parser
    write: Writer
    expected: str
    native: tuple[type, ...] = ()
    convert: Callable[[object], Value | None] = lambda _: None

    def read_setting(self, setting: object) -> Value | None:
        """A constraint's value as the descriptor gives it: text in the field's own format, or YAML's own type."""
        if isinstance(setting, str):
            return self.parse(setting)
        if type(setting) not in self.native:
            return None
        if self.name != "number":
            return setting
        number = Decimal(str(setting))
        return number if number.is_finite() else None


def compile_type(descriptor: dict) -> Type:
    """The type a Table Schema field descriptor names, with its `format` and the properties of that type.

    Takes the keys it honours out of the descriptor. Raises ValueError, with the reason, for what makes no sense.
    """
    name, format_ = descriptor.pop("type", "string"), descriptor.pop("format", "default")
    match name, format_:
        case "string", "default":
            return Type(name, str, str, "text")
        case "any", "default":
            return Type(name, str, str, "text, a number or a boolean", convert=_plain_text)
        case "string", "email" | "uri" | "uuid":
            shape, expected = _STRINGS[format_]
            return Type(name, lambda text: text if shape.fullmatch(text) else None, str, expected)
        case "boolean", "default":
            return _boolean(descriptor)
        case "integer", "default":
            return Type(name, _number_parser(descriptor, int), str, "an integer", (int,), _whole)
        case "number", "default":
            return _number(descriptor)
        case "date", "default":
            parse, write, example = temporal.pattern_codec("date", "%Y-%m-%d")
            return Type(name, parse, write, f"a date like {example}", (date,))
        case "time", "default":
            return Type(name, temporal.parse_iso_time, temporal.write_iso, "a time like 23:59:58")
        case "datetime", "default":
            expected = "a date and time like 2026-12-31T23:59:58Z"
            return Type(name, temporal.parse_iso_datetime, temporal.write_iso, expected, (datetime,))
        case "date" | "time" | "datetime", str(pattern) if "%" in pattern:
            parse, write, example = temporal.pattern_codec(name, pattern)
            words = "a date and time" if name == "datetime" else f"a {name}"
            native = {"date": (date,), "time": (), "datetime": (datetime,)}[name]
            return Type(name, parse, write, f"{words} like {example}", native)
        case "year", "default":
            return Type(name, temporal.parse_year, temporal.write_year, "a year of four digits", (int,), _year)
        case "yearmonth", "default":
            return Type(name, temporal.parse_yearmonth, temporal.write_yearmonth, "a month like 2026-12")
    raise ValueError(f"type {name!r} with format {format_!r} is not supported")


def _boolean(descriptor: dict) -> Type:
    true, false = descriptor.pop("trueValues", _TRUE), descriptor.pop("falseValues", _FALSE)
    for key, texts in (("trueValues", true), ("falseValues", false)):
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{key} must list at least one text; put true, yes, 1 and the like in quotes")
    if both := set(true) & set(false):
        raise ValueError(f"{both.pop()!r} is in both trueValues and falseValues")
    values = dict.fromkeys(true, True) | dict.fromkeys(false, False)
    expected = f"one of {', '.join([*true, *false])}"
    return Type("boolean", values.get, lambda value: true[0] if value else false[0], expected, (bool,), _truth)


def _number(descriptor: dict) -> Type:
    decimal = descriptor.pop("decimalChar", ".")
    point = _character("decimalChar", decimal)
    if decimal == descriptor.get("groupChar"):
        raise ValueError("decimalChar and groupChar must differ")

    def write(value: Decimal) -> str:
        return format(value, "f").replace(".", decimal)

    return Type("number", _number_parser(descriptor, Decimal, point), write, "a number", (int, float), _exact)


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _year(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= 9999 else None


def _truth(value: object) -> bool | None:
    return value if type(value) is bool else None


def _exact(value: object) -> Decimal | None:
    """A JSON number of as many digits as a text may have; 1e3 is one too, as any writer of JSON may put it so."""
    number = Decimal(value) if type(value) is int else value
    if type(number) is not Decimal or number.as_tuple().exponent < -_DIGITS or number.adjusted() >= _DIGITS:
        return None
    return number


def _plain_text(value: object) -> str | None:
    if type(value) is bool:
        return "true" if value else "false"
    number = _exact(value)
    return None if number is None else format(number, "f")


def _number_parser(descriptor: dict, make: Callable[[str], Value], point: str | None = None) -> Parser:
    """Parses numbers as `groupChar` and `bareNumber` say, with a decimal point (a regular expression) if there is one.

    Deliberately ASCII: `\\d` would take any script's digits, which no consumer of the results reads as a number.
    A group character stands between groups of digits, the last of three and the others of two or three, so that a
    decimal comma is not taken for one: `1,5` is no 15.
    """
    digits = "[0-9]{1,1000}" if point else "[0-9]{1,4000}"
    group = descriptor.pop("groupChar", "")
    if group != "":
        between = _character("groupChar", group)
        digits = rf"[0-9]{{1,3}}(?:{between}[0-9]{{2,3}}){{0,300}}{between}[0-9]{{3}}|{digits}"
    bare = descriptor.pop("bareNumber", True)
    if not isinstance(bare, bool):
        raise ValueError("bareNumber must be true or false")
    number = f"(?P<whole>{digits})"
    if point:
        number += f"(?:{point}(?P<fraction>[0-9]{{0,1000}}))?"
    if point and bare:
        number += f"|{point}(?P<only>[0-9]{{1,1000}})"
    number = f"(?P<sign>[+-]?)(?:{number})"
    if not bare:
        # Text around the number, but no sign in it: 5- is no 5. Nor a point just before: .5 is no 5.
        number = f"[^0-9+-]*{f'(?<!{point})' if point else ''}{number}[^0-9+-]*"
    matcher = re.compile(number, re.DOTALL)

    def parse(text: str) -> Value | None:
        match = matcher.fullmatch(text)
        if not match:
            return None
        found = match.groupdict()
        digits = found["whole"] or ""
        if group:
            digits = digits.replace(group, "")
        fraction = found.get("fraction") or found.get("only")
        return make(found["sign"] + digits + (f".{fraction}" if fraction else ""))

    return parse


def _character(key: str, value: object) -> str:
    if not isinstance(value, str) or len(value) != 1 or value in "0123456789+-":
        raise ValueError(f"{key} must be a single character, and no digit or sign")
    return re.escape(value)
