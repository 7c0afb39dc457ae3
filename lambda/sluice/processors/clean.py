"""The valid rows as they are."""

from collections.abc import Callable, Iterable

from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset
from sluice.processors.valid import some
from sluice.results import RESULTS


def clean(blocks: Iterable[Block], write: Callable[[bytes], object], dataset: Dataset, seed: str) -> None:
    """Writes the valid rows in the format of the dataset's results.

    Raises PermanentError (`REJECTED`) where no row is valid. Nothing is drawn from `seed`.
    """
    RESULTS[dataset.result_format].write(some(blocks), write, dataset)
