"""The constraints of Table Schema on one cell (https://specs.frictionlessdata.io/table-schema/#constraints).

`unique` concerns the whole file: `sluice.contract.keys`.
"""

import operator
import re
from collections.abc import Callable
from datetime import datetime

from sluice.contract.temporal import in_order
from sluice.contract.types import Type, Value

# A predicate over (text, value), and the message of a cell that does not hold to it.
Rule = tuple[Callable[[str, Value], bool], str]

_BOUNDS = {
    "minimum": (operator.ge, "at least"),
    "maximum": (operator.le, "at most"),
    "exclusiveMinimum": (operator.gt, "more than"),
    "exclusiveMaximum": (operator.lt, "less than"),
}
_LENGTHS = {"minLength": (operator.ge, "at least"), "maxLength": (operator.le, "at most")}
# Of what a rule lists. A message is in every line of a report, and five of them are in a notification, twice, which may
# have 256 KB: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_LISTED = 300
_UNORDERED = ("string", "boolean", "any")


def compile_constraint(name: str, setting: object, type_: Type) -> Rule:
    """One constraint on the cells of a field; raises ValueError, with the reason, for one that makes no sense."""
    if name in _BOUNDS:
        return _bound(name, setting, type_)
    if name in _LENGTHS:
        return _length(name, setting, type_)
    if name == "pattern":
        if type_.name != "string" or not isinstance(setting, str):
            raise ValueError("constraint pattern takes a regular expression and applies to strings only")
        pattern = re.compile(setting)
        return lambda text, _: bool(pattern.fullmatch(text)), f"must match the pattern {_cut(setting)}"
    if name == "enum":
        return _enum(setting, type_)
    raise ValueError(f"constraint {name!r} is not supported")


def _bound(name: str, setting: object, type_: Type) -> Rule:
    if type_.name in _UNORDERED:
        raise ValueError(f"constraint {name} does not apply to the type {type_.name}")
    bound = _value(name, setting, type_)
    compare, words = _BOUNDS[name]
    message = f"must be {words} {type_.write(bound)}"
    if isinstance(bound, datetime):
        instant = in_order(bound)
        return lambda _, value: compare(in_order(value), instant), message
    return lambda _, value: compare(value, bound), message


def _length(name: str, setting: object, type_: Type) -> Rule:
    if type_.name != "string" or type(setting) is not int or setting < 0:
        raise ValueError(f"constraint {name} takes a whole number and applies to strings only")
    compare, words = _LENGTHS[name]
    return lambda text, _: compare(len(text), setting), f"must have {words} {setting} characters"


def _enum(setting: object, type_: Type) -> Rule:
    if not isinstance(setting, list) or not setting:
        raise ValueError("constraint enum must list at least one value")
    allowed = {_value("enum", item, type_) for item in setting}
    return lambda _, value: value in allowed, f"must be one of {_cut(', '.join(map(str, setting)))}"


def _cut(text: str) -> str:
    return text if len(text) <= _LISTED else f"{text[:_LISTED]}... (the descriptor has the rest)"


def _value(name: str, setting: object, type_: Type) -> Value:
    value = type_.read_setting(setting)
    if value is None:
        hint = "" if isinstance(setting, str) else "; put text in quotes"
        raise ValueError(f"constraint {name}: {setting!r} is not of the field's own type{hint}")
    return value
