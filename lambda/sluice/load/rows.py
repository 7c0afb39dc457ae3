"""Which physical line each valid row stands on: counting only where the lines are not those of the row before."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from sluice.contract.check import Block


class Rows:
    """The valid rows that have passed by, numbered from 1, and where each of them stands.

    Remembered are the places where rows do not follow line by line: 16 bytes each.
    """

    def __init__(self) -> None:
        self.count = 0
        self._firsts = array("q")
        self._lines = array("q")
        self._next_line = 0

    def watch(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The same blocks, each remembered as it passes."""
        for block in blocks:
            if block.line != self._next_line:
                self._firsts.append(self.count + 1)
                self._lines.append(block.line)
            self.count += block.rows
            self._next_line = block.line + block.rows
            yield block

    def line(self, number: int) -> int:
        """The physical line on which the valid row of this number starts."""
        place = bisect_right(self._firsts, number) - 1
        return self._lines[place] + number - self._firsts[place]
