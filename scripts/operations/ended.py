"""Uploads that have ended, as the ledger has them, and which of them an operator means."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sluice.ledger_reader import Entry, LedgerReader, entry
from sluice.upload import FAILED, FINAL_STATES


@dataclass(frozen=True)
class Selection:
    """Which uploads are meant: of one key or of a prefix's keys, that finished from `since` to before `until`."""

    key: str | None = None
    version_id: str | None = None
    prefix: str = ""
    since: datetime = datetime.min.replace(tzinfo=UTC)
    until: datetime = datetime.max.replace(tzinfo=UTC)

    def failed(self, uploads: Iterable[Entry]) -> list[Entry]:
        """Those of the selection that are `FAILED`."""
        return [ended for ended in uploads if ended.state == FAILED and self._has(ended)]

    def newest(self, uploads: Iterable[Entry]) -> list[Entry]:
        """Those of the selection that are the newest version of their key, or the one version that was asked for.

        An older version would end as superseded, in place of the state that it has.
        """
        uploads = list(uploads)
        newest: dict[str, Entry] = {}
        for ended in uploads:
            known = newest.setdefault(ended.upload.key, ended)
            if ended.position.is_after(known.position):
                newest[ended.upload.key] = ended
        return [
            ended
            for ended in uploads
            if self._has(ended) and (self.version_id is not None or newest[ended.upload.key] is ended)
        ]

    def _has(self, ended: Entry) -> bool:
        return (
            self.since <= ended.finished < self.until
            and self.key in (None, ended.upload.key)
            and self.version_id in (None, ended.upload.version_id)
        )


class EndedUploads:
    """The uploads of a bucket that have ended, as the ledger has them."""

    def __init__(self, dynamodb: Any, table: str, bucket: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._bucket = bucket

    def select(self, selection: Selection) -> Iterator[Entry]:
        """Those of the selection's key or prefix.

        A key is looked up. A prefix takes a scan: the ledger is spread by key and has no order of keys.
        """
        if selection.key is not None:
            found = LedgerReader(self._dynamodb, self._table).versions(self._bucket, selection.key)
        else:
            found = self._below(selection.prefix)
        # S3's test event is there too: nobody attempted it, and it names no object.
        return (one for one in found if one.state in FINAL_STATES and one.attempt)

    def _below(self, prefix: str) -> Iterator[Entry]:
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="begins_with(upload_key, :prefix)",
            ExpressionAttributeValues={":prefix": {"S": f"{self._bucket}/{prefix}"}},
        )
        return (entry(item) for page in pages for item in page["Items"])
