"""Results as delimited text."""

from collections.abc import Callable, Iterable

from sluice.contract.check import Block
from sluice.contract.delimited import format_row
from sluice.contract.descriptor import Dataset
from sluice.contract.dialect import Dialect
from sluice.results.values import rows

_DIALECT = Dialect()


def write_delimited(blocks: Iterable[Block], write: Callable[[bytes], object], dataset: Dataset) -> None:
    """Rows of a delimited file as they are, in its dialect; others as CSV under a header, an empty cell for none."""
    names = [field.name for field in dataset.fields]
    if dataset.format == "csv":
        if dataset.dialect.header:
            write(format_row(names, dataset.dialect))
        for block in blocks:
            write(block.data)
        return
    write(format_row(names, _DIALECT))
    for values in rows(blocks, dataset):
        written = zip(dataset.fields, values, strict=True)
        write(format_row(["" if value is None else field.write(value) for field, value in written], _DIALECT))
