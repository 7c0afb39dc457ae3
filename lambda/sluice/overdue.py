"""Which datasets have been without uploads for longer than their descriptors expect."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sluice.contract.descriptor import Dataset
from sluice.ledger_reader import LedgerReader, Partition

_DAY = timedelta(days=1)


def overdue(datasets: Iterable[Dataset], reader: LedgerReader, now: datetime) -> list[str]:
    """The names of those whose last upload ended before the time that they expect one in, or that never had one.

    Whatever became of it, an upload is one: what does not end is told of by the age of its message. One read a day of
    that time and dataset, and none for a dataset that expects nothing.
    """
    return [each.name for each in datasets if each.expected and not _has_upload(each, reader, now)]


def _has_upload(dataset: Dataset, reader: LedgerReader, now: datetime) -> bool:
    since = now - dataset.expected
    for back in range((now.date() - since.date()).days + 1):
        newest, _ = reader.page(Partition.ended(dataset.name, (now - back * _DAY).date()), now, 1)
        if newest:
            return newest[0].time >= since
    return False
