"""Uploads that have ended, as the ledger has them, and which of them an operator means."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from sluice.upload import FAILED, FINAL_STATES, Position, Upload


@dataclass(frozen=True)
class Ended:
    """An upload in a final state, which its `attempt` came to when it `finished`."""

    upload: Upload
    state: str
    attempt: int
    finished: datetime
    position: Position


@dataclass(frozen=True)
class Selection:
    """Which uploads are meant: of one key or of a prefix's keys, that finished from `since` to before `until`."""

    key: str | None = None
    version_id: str | None = None
    prefix: str = ""
    since: datetime = datetime.min.replace(tzinfo=UTC)
    until: datetime = datetime.max.replace(tzinfo=UTC)

    def failed(self, uploads: Iterable[Ended]) -> list[Ended]:
        """Those of the selection that are `FAILED`."""
        return [ended for ended in uploads if ended.state == FAILED and self._has(ended)]

    def newest(self, uploads: Iterable[Ended]) -> list[Ended]:
        """Those of the selection that are the newest version of their key, or the one version that was asked for.

        An older version would end as superseded, in place of the state that it has.
        """
        uploads = list(uploads)
        newest: dict[str, Ended] = {}
        for ended in uploads:
            known = newest.setdefault(ended.upload.key, ended)
            if ended.position.is_after(known.position):
                newest[ended.upload.key] = ended
        return [
            ended
            for ended in uploads
            if self._has(ended) and (self.version_id is not None or newest[ended.upload.key] is ended)
        ]

    def _has(self, ended: Ended) -> bool:
        return (
            self.since <= ended.finished < self.until
            and self.key in (None, ended.upload.key)
            and self.version_id in (None, ended.upload.version_id)
        )


class LedgerReader:
    """The ledger table, to read from."""

    def __init__(self, dynamodb: Any, table: str, bucket: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._bucket = bucket

    def ended(self, selection: Selection) -> Iterator[Ended]:
        """The uploads that have ended, of the selection's key or prefix.

        A key is looked up. A prefix takes a scan: the ledger is spread by key and has no order of keys.
        """
        values = {":key": {"S": f"{self._bucket}/{selection.key or selection.prefix}"}}
        if selection.key is not None:
            operation, expression = "query", {"KeyConditionExpression": "upload_key = :key"}
        else:
            operation, expression = "scan", {"FilterExpression": "begins_with(upload_key, :key)"}
        pages = self._dynamodb.get_paginator(operation).paginate(
            TableName=self._table, ExpressionAttributeValues=values, **expression
        )
        for page in pages:
            for item in page["Items"]:
                plain = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
                # S3's test event is there too: nobody attempted it, and it names no object.
                if plain["state"] in FINAL_STATES and plain["attempt"]:
                    yield self._ended(plain)

    def _ended(self, item: dict) -> Ended:
        upload = Upload(
            self._bucket,
            item["upload_key"].removeprefix(f"{self._bucket}/"),
            item["version_id"],
            int(item["size_bytes"]),
            item["sequencer"],
        )
        position = Position(upload.sequencer, _time(item["first_seen"]))
        return Ended(upload, item["state"], int(item["attempt"]), _time(item["finished"]), position)


def _time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
