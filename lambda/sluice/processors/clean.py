"""The valid rows as they are."""

from collections.abc import Callable, Iterable

from sluice.contract.check import Block
from sluice.contract.delimited import format_row
from sluice.contract.descriptor import Dataset
from sluice.errors import PermanentError
from sluice.upload import REJECTED


def clean(blocks: Iterable[Block], write: Callable[[bytes], object], dataset: Dataset, seed: str) -> None:
    """Writes the valid rows as delimited text in the dataset's dialect, under a header where the dataset has one.

    Raises PermanentError (`REJECTED`) where no row is valid. Nothing is drawn from `seed`.
    """
    empty = True
    for block in blocks:
        if empty and dataset.dialect.header:
            write(format_row([field.name for field in dataset.fields], dataset.dialect))
        empty = False
        write(block.data)
    if empty:
        raise PermanentError(REJECTED, "no row is valid")
