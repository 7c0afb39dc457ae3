"""Uploads that a test knows, as the ledger's indexes list them."""

import dataclasses
from collections.abc import Iterable
from datetime import datetime

from sluice.ledger_reader import Entry, Partition


class FakeReader:
    """The ledger's indexes in memory. What has the same time comes in no order; reads are counted."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = list(entries)
        self.reads = 0

    def find(self, upload_id: str) -> Entry | None:
        """As LedgerReader.find."""
        return next((one for one in self.entries if one.upload.id == upload_id), None)

    def page(self, partition: Partition, until: datetime, size: int, start: int | None = None) -> tuple:
        """As LedgerReader.page."""
        self.reads += 1
        found = [one for one in self.entries if _partition_of(one) == partition and one.time <= until]
        found.sort(key=lambda one: one.time, reverse=True)
        start = start or 0
        # The index does not know the dataset of what has not ended.
        page = [one if one.finished else dataclasses.replace(one, dataset=None) for one in found[start : start + size]]
        return page, (start + size if start + size < len(found) else None)


def _partition_of(entry: Entry) -> Partition:
    if entry.finished:
        return Partition.ended(entry.dataset or "none", entry.time.date())
    return Partition.open(entry.time.date())
