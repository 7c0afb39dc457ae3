"""What processors that take every valid row have in common."""

from collections.abc import Iterable, Iterator
from itertools import chain

from sluice.contract.check import Block
from sluice.errors import PermanentError
from sluice.upload import REJECTED


def some(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same blocks; raises PermanentError (`REJECTED`) where there is none, before anything is made of them."""
    blocks = iter(blocks)
    first = next(blocks, None)
    if first is None:
        raise PermanentError(REJECTED, "no row is valid")
    return chain([first], blocks)
