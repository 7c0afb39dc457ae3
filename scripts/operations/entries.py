"""The ledger's items as operators ask for them: one upload, all versions of a key, or what came lately."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sluice.contract.key_templates import key_pattern
from sluice.history import Filter, History, Mark
from sluice.ledger_reader import Entry, LedgerReader, Partition, entry
from sluice.upload import PROCESSING, Stored

_PAGE = 100
_OPEN, _ACTIVE = "open", "ACTIVE"


class Entries:
    """The ledger table, to look into.

    `buckets` are those that keys are looked for in, `templates` the key templates of datasets by their names.
    """

    def __init__(self, dynamodb: Any, table: str, buckets: Collection[str], templates: Mapping[str, str]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._reader = LedgerReader(dynamodb, table)
        self._buckets = buckets
        self._templates = templates
        self.get = self._reader.get

    def of(self, name: str) -> list[Entry]:
        """The upload with this id, or all versions of the key of this name, from the newest on."""
        if re.fullmatch("[0-9a-f]{32}", name) and (found := self._reader.find(name)):
            return [found]
        for bucket in self._buckets:
            if entries := list(self._reader.versions(bucket, name)):
                return sorted(entries, key=_Order, reverse=True)
        return []

    @cached_property
    def lists_open(self) -> bool:
        """Whether the ledger has an index of what has not ended, which only the API needs."""
        table = self._dynamodb.describe_table(TableName=self._table)["Table"]
        # The local cloud leaves the state of an index out.
        states = {one["IndexName"]: one.get("IndexStatus", _ACTIVE) for one in table.get("GlobalSecondaryIndexes", [])}
        return states.get(_OPEN) == _ACTIVE

    def recent(
        self,
        since: datetime,
        dataset: str | None = None,
        states: Collection[str] = (),
        *,
        scan: bool = True,
    ) -> Iterator[Entry]:
        """The uploads of a dataset, or of any, that came or ended since a time, newest first, in some states or in any.

        Without an index of what has not ended, that takes a scan of the table; without `scan` it is left out.
        """
        reader = self._reader if self.lists_open else _Scanning(self._dynamodb, self._table, scan)
        names = list(self._templates) if dataset is None else [dataset]
        history = History(reader, names, self._dataset_of)
        # One state is asked for; of several, the others are left out here.
        wanted = Filter(since, datetime.now(UTC), next(iter(states)) if len(states) == 1 else None, dataset)
        mark: Mark | None = None
        while True:
            page = history.page(wanted, mark, _PAGE)
            yield from (one for one in page.entries if not states or one.state in states)
            if (mark := page.next) is None:
                return

    def _dataset_of(self, key: str) -> str | None:
        found = (name for name, template in self._templates.items() if key_pattern(template).fullmatch(key))
        return next(found, None)


class _Scanning(LedgerReader):
    """Lists what has not ended by one scan of the table, or not at all."""

    def __init__(self, dynamodb: Any, table: str, scan: bool) -> None:
        super().__init__(dynamodb, table)
        self._open = sorted(self._scan(), key=lambda one: one.time, reverse=True) if scan else []

    def page(
        self, partition: Partition, until: datetime, size: int, start: dict | None = None
    ) -> tuple[list[Entry], dict | None]:
        if partition.index != _OPEN:
            return super().page(partition, until, size, start)
        return [one for one in self._open if one.time <= until and partition == Partition.open(one.time.date())], None

    def _scan(self) -> Iterator[Entry]:
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="#state = :processing",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":processing": {"S": PROCESSING}},
        )
        return (entry(item) for page in pages for item in page["Items"])


class _Order:
    """Versions of one key in the order of their uploads."""

    def __init__(self, one: Entry) -> None:
        self._position = one.position

    def __lt__(self, other: "_Order") -> bool:
        return other._position.is_after(self._position)


def as_dict(one: Entry) -> dict:
    """An entry as a JSON object, with times in ISO 8601 and objects as s3:// URIs."""
    return {
        "bucket": one.upload.bucket,
        "key": one.upload.key,
        "version_id": one.upload.version_id,
        "upload_id": one.upload.id,
        "state": one.state,
        "attempt": one.attempt,
        "dataset": one.dataset,
        "reason": one.reason,
        "rows_good": one.rows_good,
        "rows_rejected": one.rows_rejected,
        "first_seen": one.first_seen and one.first_seen.isoformat(),
        "finished": one.finished and one.finished.isoformat(),
        "result": _uri(one.result),
        "error_report": _uri(one.error_report),
    }


def _uri(stored: Stored | None) -> str | None:
    return stored and stored.uri
