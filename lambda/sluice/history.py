"""Uploads newest first, as an operator or a program asks for them: in pages, each of a bounded number of reads."""

import heapq
import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from sluice.ledger_reader import NO_DATASET, Entry, LedgerReader, Partition
from sluice.upload import FINAL_STATES, PROCESSING

_DAY = timedelta(days=1)
# Of a page: at most that many reads of the ledger, or those that a single day takes where there are more datasets.
READS = 64
# Uploads in one read where only some of them are shown, some 60 KB.
_SIFTED = 200


@dataclass(frozen=True)
class Filter:
    """Which uploads: of a `state` and a `dataset` (None is any, `NO_DATASET` those without one), of a time.

    The time is when an upload ended, or when it was first seen where it has not: from `since` to before `until`.
    """

    since: datetime
    until: datetime
    state: str | None = None
    dataset: str | None = None


@dataclass(frozen=True, order=True)
class Mark:
    """Where a listing goes on: with what is older than this upload. Uploads of the same time are listed by their id."""

    time: datetime
    upload_id: str = ""

    @classmethod
    def of(cls, entry: Entry) -> "Mark":
        """The mark of an upload."""
        return cls(entry.time, entry.upload.id)


@dataclass(frozen=True)
class Page:
    """Uploads, and where the next page starts; None after the last one.

    A page may hold fewer than were asked for, or none, and still not be the last one: the reads were used up.
    """

    entries: list[Entry]
    next: Mark | None


class History:
    """The uploads in the ledger.

    `datasets` are the names that uploads are listed under; `dataset_of` is the dataset that a key belongs to, or None:
    the ledger does not know it of an upload that has not ended.
    """

    def __init__(
        self, reader: LedgerReader, datasets: Collection[str], dataset_of: Callable[[str], str | None]
    ) -> None:
        self._reader = reader
        self._datasets = datasets
        self._dataset_of = dataset_of

    def page(self, wanted: Filter, after: Mark | None, limit: int) -> Page:
        """The next uploads, at most `limit` of them."""
        mark = after or Mark(wanted.until)
        found: list[Entry] = []
        reads = _Reads(max(READS, 2 * len(self._datasets) + 4))
        try:
            for day in _days(wanted.since, mark):
                # All of the days after this one has been looked at.
                mark = min(mark, Mark(_midnight(day + _DAY)))
                listings = [self._listing(one, mark, limit, wanted, reads) for one in self._partitions(wanted, day)]
                for entry in heapq.merge(*listings, key=Mark.of, reverse=True):
                    if entry.time < wanted.since:
                        break
                    if len(found) == limit:
                        return Page(found, mark)
                    mark = Mark.of(entry)
                    if self._is_wanted(entry, wanted):
                        found.append(entry)
        except _ReadsUsedUpError:
            return Page(found, mark)
        return Page(found, None)

    def _partitions(self, wanted: Filter, day: date) -> list[Partition]:
        partitions = [Partition.open(day)] if wanted.state in (None, PROCESSING) else []
        if wanted.state is None or wanted.state in FINAL_STATES:
            names = [wanted.dataset] if wanted.dataset else [*self._datasets, NO_DATASET]
            partitions += [Partition.ended(name, day) for name in names]
        return partitions

    def _listing(
        self, partition: Partition, before: Mark, limit: int, wanted: Filter, reads: "_Reads"
    ) -> Iterator[Entry]:
        """The uploads of a partition that are older than a mark, newest first."""
        is_sifted = wanted.state not in (None, PROCESSING) or (wanted.dataset and partition.index == "open")
        entries = self._read(partition, before.time, _SIFTED if is_sifted else limit + 1, reads)
        # DynamoDB does not say in which order it lists what has the same time.
        for _, same in itertools.groupby(entries, lambda entry: entry.time):
            for entry in sorted(same, key=Mark.of, reverse=True):
                if Mark.of(entry) < before:
                    yield self._named(entry)

    def _read(self, partition: Partition, until: datetime, size: int, reads: "_Reads") -> Iterator[Entry]:
        start, is_last = None, False
        while not is_last:
            reads.take()
            entries, start = self._reader.page(partition, until, size, start)
            is_last = start is None
            yield from entries

    def _named(self, entry: Entry) -> Entry:
        return entry if entry.finished else replace(entry, dataset=self._dataset_of(entry.upload.key))

    def _is_wanted(self, entry: Entry, wanted: Filter) -> bool:
        return wanted.state in (None, entry.state) and wanted.dataset in (None, entry.dataset or NO_DATASET)


class _Reads:
    """Reads that are left."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self) -> None:
        """Takes one; raises `_ReadsUsedUpError` where none is left."""
        if not self._left:
            raise _ReadsUsedUpError
        self._left -= 1


class _ReadsUsedUpError(Exception):
    """A page has used up its reads."""


def _days(since: datetime, before: Mark) -> Iterator[date]:
    """The days (UTC) of what is older than a mark, back to that of `since`."""
    newest = before.time if before.upload_id else before.time - timedelta.resolution
    day = newest.astimezone(UTC).date()
    while day >= since.astimezone(UTC).date():
        yield day
        day -= _DAY


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
