"""Cells against their field: a Table Schema type and its constraints (https://specs.frictionlessdata.io/table-schema/)."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sluice.contract.constraints import Rule, compile_constraint
from sluice.contract.temporal import in_order
from sluice.contract.types import Value, Writer, compile_type

Cell = Any  # str; of JSON also None, bool, int, Decimal, or a list for what is nested

_DESCRIBING = ("name", "title", "description")
# What a column cannot hold is not put into one: the nearest that it can is another value.
PARQUET_LIMITS = {
    "integer": (lambda _, value: -(2**63) <= value < 2**63, "must fit into 64 bits, as its column in the result"),
    "number": (
        lambda _, value: abs(value) <= Decimal(sys.float_info.max),
        "must fit into a 64-bit floating point number, as its column in the result",
    ),
    "datetime": (
        lambda _, value: value.tzinfo is None or 1 < value.year < 9999,
        "must be a time of the years 2 to 9998 where it has a zone, as its column in the result is in UTC",
    ),
}
# https://dev.mysql.com/doc/refman/8.0/en/datetime.html
_FIRST, _LAST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 499_999, tzinfo=UTC)
# https://dev.mysql.com/doc/refman/8.0/en/precision-math-decimal-characteristics.html
_WHOLE_DIGITS, _FRACTION_DIGITS = 35, 30
# Those of a table's columns (load/columns.py).
TABLE_LIMITS = {
    "integer": (lambda _, value: -(2**63) <= value < 2**63, "must fit into 64 bits, as its column in the table"),
    "number": (
        lambda _, value: value.adjusted() < _WHOLE_DIGITS and value.as_tuple().exponent >= -_FRACTION_DIGITS,
        f"must have {_WHOLE_DIGITS} digits before its point and {_FRACTION_DIGITS} after it at most, as its column in "
        "the table",
    ),
    "date": (lambda _, value: value.year >= _FIRST.year, "must be a day of the years 1000 to 9999, as in the table"),
    "datetime": (
        lambda _, value: _FIRST <= in_order(value) <= _LAST,
        "must be a time of the years 1000 to 9999 in UTC, as its column in the table",
    ),
}


@dataclass(frozen=True)
class Field:
    """One column: its name, its type, the check of a cell, and how a value is written in the field's own format.

    A cell is text, or what JSON has a type of its own for. `parse` gives its value whatever its constraints, None where
    it is missing or of another type. `format` is the descriptor's, `max_length` the constraint. `unique` says that no
    value may occur twice, `required` that none may be missing.
    """

    name: str
    type: str
    check: Callable[[Cell], tuple[Value | None, tuple[str, str] | None]]
    parse: Callable[[Cell], Value | None]
    write: Writer
    format: str = "default"
    unique: bool = False
    required: bool = False
    max_length: int | None = None


def compile_field(
    descriptor: dict,
    missing_values: frozenset[str],
    *,
    required: bool = False,
    limits: Iterable[Mapping[str, Rule]] = (),
) -> Field:
    """The field of a Table Schema field descriptor, required where `required` or its constraint says so.

    `limits` are rules by type for the columns that its values must fit into.

    `Field.check(text)` gives `(value, None)` for a valid cell, the value being None for a missing one, and
    `(None, (error, message))` otherwise: a Frictionless error code and the rule in words.

    Raises ValueError, with the reason, for a descriptor that makes no sense.
    """
    rest = {key: value for key, value in descriptor.items() if key not in _DESCRIBING}
    constraints = rest.pop("constraints", {})
    if not isinstance(constraints, dict):
        raise ValueError("constraints must be a mapping")
    type_ = compile_type(rest)
    if rest:
        raise ValueError(f"{' and '.join(rest)} does not apply to the type {type_.name}")
    constraints = dict(constraints)
    flags = {name: constraints.pop(name, False) for name in ("required", "unique")}
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"constraint {name} must be true or false")
    required = required or flags["required"]
    rules = [compile_constraint(name, setting, type_) for name, setting in constraints.items()]
    rules += [by_type[type_.name] for by_type in limits if type_.name in by_type]
    parse, convert, expected = type_.parse, type_.convert, type_.expected

    def check(cell: Cell) -> tuple[Value | None, tuple[str, str] | None]:
        if type(cell) is str:
            if cell in missing_values:
                return None, ("constraint-error", "is required") if required else None
            value = parse(cell)
        elif cell is None:
            return None, ("constraint-error", "is required") if required else None
        else:
            value = convert(cell)
        if value is None:
            return None, ("type-error", f"is not {expected}")
        for holds, message in rules:
            if not holds(cell, value):
                return None, ("constraint-error", message)
        return value, None

    def value_of(cell: Cell) -> Value | None:
        if type(cell) is str:
            return None if cell in missing_values else parse(cell)
        return None if cell is None else convert(cell)

    format_ = descriptor.get("format", "default")
    return Field(
        descriptor["name"],
        type_.name,
        check,
        value_of,
        type_.write,
        format_,
        flags["unique"],
        required,
        constraints.get("maxLength"),
    )
