"""The valid rows as they are."""

from collections.abc import Callable, Iterable, Iterator

from sluice.contract.check import Row
from sluice.contract.descriptor import Dataset
from sluice.errors import PermanentError
from sluice.processors.delimited import write_rows
from sluice.upload import REJECTED


def clean(rows: Iterable[Row], write: Callable[[bytes], object], dataset: Dataset, seed: str) -> None:
    """Writes the valid rows as delimited text in the dataset's dialect, under a header where the dataset has one.

    Raises PermanentError (`REJECTED`) where no row is valid. Nothing is drawn from `seed`.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise PermanentError(REJECTED, "no row is valid")

    def lines() -> Iterator[Iterable[object]]:
        if dataset.dialect.header:
            yield [field.name for field in dataset.fields]
        yield first.cells
        for row in rows:
            yield row.cells

    write_rows(lines(), write, dataset.dialect)
