"""Which readings a window holds already, so that each counts once however often and however cut it is delivered.

Lambda hands over the records of one shard and partition key in their order and without gaps, so that a batch has all
of a source's records between the first and the last that it has. What a batch adds to a window is remembered as that
range of sequence numbers: a reading whose number lies in a range of its source has been added, any other one has not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sluice.stream.windows import Statistics

Range = tuple[int, int]

# What the ranges of a window may take in its item, which has 400 KB at most
# (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html): 2,500 of one source, and a minute
# of a busy shard comes in some hundred batches. A source may have a kilobyte itself.
BYTES_LIMIT = 300_000
_RANGE_BYTES = 120


class WindowFullError(Exception):
    """The window has been added to by so many batches that no more can be remembered."""


@dataclass(frozen=True, slots=True)
class Run:
    """Readings of one window that came in one piece of one source: (sequence number, degrees Celsius), in order."""

    source: str
    readings: list[tuple[int, Decimal]]


@dataclass(frozen=True, slots=True)
class State:
    """A minute's window as it is stored: what it adds up to, and the ranges that have been, sorted, by source.

    `version` is that of the item, 0 where there is none. A new state is written under the condition that the item
    still has the version it was made from.
    """

    statistics: Statistics | None = None
    applied: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)
    version: int = 0

    def add(self, runs: Iterable[Run]) -> "State | None":
        """The state with the readings that it does not hold yet; None where it holds all of them.

        Raises WindowFullError where the item would grow too large.
        """
        applied, fresh = dict(self.applied), []
        for run in runs:
            ranges = applied.get(run.source, ())
            new = [value for number, value in run.readings if not _holds(ranges, number)]
            if new:
                fresh += new
                applied[run.source] = _united(ranges, (run.readings[0][0], run.readings[-1][0]))
        if not fresh:
            return None
        if sum(_bytes(source) + _RANGE_BYTES * len(ranges) for source, ranges in applied.items()) > BYTES_LIMIT:
            raise WindowFullError
        known = [self.statistics] if self.statistics else []
        return State(Statistics.combine([*known, Statistics.of(fresh)]), applied, self.version)


def _holds(ranges: Iterable[Range], number: int) -> bool:
    return any(first <= number <= last for first, last in ranges)


def _bytes(source: str) -> int:
    return len(source.encode("utf-8", "replace"))


def _united(ranges: Iterable[Range], more: Range) -> tuple[Range, ...]:
    """The ranges with one more, those that overlap being one; what lies between two is in neither."""
    first, last = more
    apart = []
    for start, end in ranges:
        if end < first or last < start:
            apart.append((start, end))
        else:
            first, last = min(first, start), max(last, end)
    return tuple(sorted([*apart, (first, last)]))
