"""The valid rows as they are."""

from collections.abc import Callable, Iterable
from itertools import chain

from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset
from sluice.errors import PermanentError
from sluice.results import RESULTS
from sluice.upload import REJECTED


def clean(blocks: Iterable[Block], write: Callable[[bytes], object], dataset: Dataset, seed: str) -> None:
    """Writes the valid rows in the format of the dataset's results.

    Raises PermanentError (`REJECTED`) where no row is valid. Nothing is drawn from `seed`.
    """
    blocks = iter(blocks)
    first = next(blocks, None)
    if first is None:
        raise PermanentError(REJECTED, "no row is valid")
    RESULTS[dataset.result_format].write(chain([first], blocks), write, dataset)
