"""Values of rows, for results in another format than the file's."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal

from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset
from sluice.contract.formats import FORMATS
from sluice.contract.types import Value


def rows(blocks: Iterable[Block], dataset: Dataset) -> Iterator[list[Value | None]]:
    """The values of each row, None where one is missing."""
    cells = FORMATS[dataset.format].cells
    for block in blocks:
        if block.values is not None:
            yield block.values
            continue
        for line in block.lines():
            yield [field.parse(cell) for field, cell in zip(dataset.fields, cells(line, dataset), strict=True)]


def plain(value: Value) -> str:
    """A value in one form whatever the file's: ISO 8601, a decimal point, `true` and `false`."""
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case date() | time() | datetime():
            return value.isoformat()
        case tuple():
            return "{:04}-{:02}".format(*value)
    return str(value)
