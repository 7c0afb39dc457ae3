"""Cells against their field: a Table Schema type and its constraints (https://specs.frictionlessdata.io/table-schema/)."""

from collections.abc import Callable
from dataclasses import dataclass

from sluice.contract.constraints import compile_constraint
from sluice.contract.types import Parser, Value, Writer, compile_type

_DESCRIBING = ("name", "title", "description")


@dataclass(frozen=True)
class Field:
    """One column: its name, its type, the check of a cell, and how a value is written in the field's own format.

    `parse` gives the value of a cell whatever its constraints, None where it is missing or of another type. `unique`
    says that no value may occur twice in a file.
    """

    name: str
    type: str
    check: Callable[[str], tuple[Value | None, tuple[str, str] | None]]
    parse: Parser
    write: Writer
    unique: bool = False


def compile_field(descriptor: dict, missing_values: frozenset[str], *, required: bool = False) -> Field:
    """The field of a Table Schema field descriptor, required where `required` or its constraint says so.

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
    parse, expected = type_.parse, type_.expected

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

    def value_of(text: str) -> Value | None:
        return None if text in missing_values else parse(text)

    return Field(descriptor["name"], type_.name, check, value_of, type_.write, flags["unique"])
