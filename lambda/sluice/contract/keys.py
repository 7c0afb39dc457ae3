"""`unique` and `primaryKey`: values that may occur once in a file, remembered exactly up to a limit.

Rejected rows count as well, as they do for Frictionless: a value is taken by the first row that has it.
"""

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b

from sluice.contract.fields import Cell, Field
from sluice.contract.json_lines import show_cell
from sluice.contract.types import Value
from sluice.errors import PermanentError
from sluice.upload import REJECTED, RowError

# How many values are remembered for a file, whatever they are for. Measured on a million: 106 MB of integers, 143 MB of
# e-mail addresses, 155 MB of whatever is remembered by its digest, which is the most; the function has 1,024 MB.
VALUES_LIMIT = 1_000_000
# What is longer, or has several parts, is remembered by its digest, so that memory does not grow with it. Two values
# with one digest of 256 bits have never been found for this hash.
_DIGEST = 32
# Python's hash of a larger integer is its remainder, so that anybody can write a million that have the same one.
_PLAIN_BITS = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Keys:
    """The values seen so far of every unique field and of the primary key."""

    def __init__(self, fields: list[Field], primary_key: tuple[str, ...]) -> None:
        names = [field.name for field in fields]
        self._fields = fields
        self._unique = [(position, {}) for position, field in enumerate(fields) if field.unique]
        self._key = [names.index(name) for name in primary_key]
        self._key_names = ", ".join(primary_key)
        self._keys: dict[object, int] = {}
        self._rules = len(self._unique) + bool(self._key)
        self._count = 0

    def __bool__(self) -> bool:
        return self._rules > 0

    def check(self, row: int, cells: list[Cell]) -> list[RowError]:
        """The rules that a row breaks by repeating an earlier one.

        A missing cell, or one of another type, repeats nothing. Raises PermanentError beyond the limit.
        """
        errors = []
        for position, seen in self._unique:
            value = self._value(position, cells)
            if value is not None and (earlier := self._earlier(seen, value, row)):
                field, message = self._fields[position], f"must be unique, but repeats row {earlier}"
                errors.append(RowError(row, field.name, "unique-error", message, show_cell(cells[position])))
        if self._key:
            values = [self._value(position, cells) for position in self._key]
            value = values[0] if len(values) == 1 else _digest(repr(values))
            if None not in values and (earlier := self._earlier(self._keys, value, row)):
                message = f"repeats the primary key ({self._key_names}) of row {earlier}"
                text = ", ".join(show_cell(cells[position]) for position in self._key)
                errors.append(RowError(row, None, "primary-key", message, text))
        return errors

    def _earlier(self, seen: dict[object, int], value: object, row: int) -> int | None:
        """The earlier row that has the value, which is remembered where there is none."""
        earlier = seen.setdefault(value, row)
        if earlier != row:
            return earlier
        self._count += 1
        if self._count > VALUES_LIMIT:
            rules = f"the {self._rules} rules" if self._rules > 1 else "the one rule"
            raise PermanentError(
                REJECTED,
                f"row {row}: unique fields and primary keys are checked for {VALUES_LIMIT:,} different values in a "
                f"file, and {rules} of this dataset found more: split the file",
            )
        return None

    def _value(self, position: int, cells: list[Cell]) -> object | None:
        """The value of a cell in a form that is short, and the same for equal values only."""
        if position >= len(cells):
            return None
        value: Value | None = self._fields[position].parse(cells[position])
        if isinstance(value, Decimal):
            value = _shortest(value)
        elif isinstance(value, datetime) and value.tzinfo:
            return value - _EPOCH
        elif type(value) is int and value.bit_length() > _PLAIN_BITS:
            value = str(value)
        if isinstance(value, str) and (len(value) > _DIGEST or not value.isascii()):
            return _digest(value)
        return value


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def _shortest(value: Decimal) -> str:
    """One text for equal numbers: 1.50 and 01.5 are 1.5, -0 is 0."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
