"""What may stand in a field, numbered: so that it can be drawn by chance, and each of it once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from sluice.contract.fields import Cell


class UnsupportedError(Exception):
    """Values that cannot be made up; the message is the reason."""


class SampleError(Exception):
    """A sample that cannot be made as it was asked for: `parameter` is what to ask for otherwise, the message why."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(reason)
        self.parameter = parameter


@dataclass(frozen=True)
class Domain:
    """Cells, numbered from 0, in `parts` of so many each: texts of the same length, say.

    Two numbers may stand for the same cell, and a cell may be none that the contract takes.
    """

    parts: Sequence[int]
    cell: Callable[[int], Cell]

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(self.parts)

    def pick(self, random: Random) -> int:
        """Any number, of any part alike: most texts of up to eight letters have eight."""
        part = random.randrange(len(self.parts))  # of a sample  # nosec B311
        return sum(self.parts[:part]) + random.randrange(self.parts[part])  # likewise  # nosec B311


def listed(cells: Sequence[Cell]) -> Domain:
    """The domain of these cells."""
    return Domain([len(cells)], cells.__getitem__)


def shuffled(size: int, random: Random) -> Iterator[int]:
    """The numbers below `size`, each once, by chance; memory is for those that were drawn.

    Durstenfeld's shuffle of a list of which only what has moved is written down.
    """
    moved: dict[int, int] = {}
    for at in range(size):
        chosen = random.randrange(at, size)  # likewise  # nosec B311
        yield moved.get(chosen, chosen)
        moved[chosen] = moved.pop(at, at)
