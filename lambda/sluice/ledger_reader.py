"""The ledger, to read from: uploads one by one, of a key, or of a day, as its indexes list them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sluice.items import from_item, to_item
from sluice.upload import PROCESSING, Loaded, Position, Stored, Upload

# What an upload without a dataset is listed under (Ledger.finish).
NO_DATASET = "none"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Entry:
    """An upload as the ledger has it.

    `upload` has its size and sequencer, and there are `first_seen`, `tries`, `rows_blank`, `result`, `error_report` and
    `loaded`, where the item itself was read: the index of those that have ended has none of them. `reason` is what the
    last attempt died of where the upload has not ended. `finished` is None until it has.
    """

    upload: Upload
    state: str
    attempt: int
    reason: str = ""
    dataset: str | None = None
    first_seen: datetime | None = None
    finished: datetime | None = None
    tries: int = 0
    rows_good: int | None = None
    rows_rejected: int | None = None
    rows_blank: int | None = None
    result: Stored | None = None
    error_report: Stored | None = None
    loaded: Loaded | None = None

    @property
    def time(self) -> datetime:
        """When it ended, or was first seen where it has not."""
        return self.finished or self.first_seen

    @property
    def position(self) -> Position:
        """Where it stands among the versions of its key; asked of an item that was read whole."""
        return Position(self.upload.sequencer, self.first_seen)


@dataclass(frozen=True)
class Partition:
    """One day of uploads (UTC): those of a dataset that ended then, or those first seen then that have not ended."""

    index: str
    key: tuple[str, str]
    time: str

    @classmethod
    def ended(cls, dataset: str, day: date) -> "Partition":
        """The uploads of a dataset, or of `NO_DATASET`, that ended on a day."""
        return cls("ended", ("dataset_day", f"{dataset}#{day}"), "finished")

    @classmethod
    def open(cls, day: date) -> "Partition":
        """The uploads first seen on a day that have not ended."""
        return cls("open", ("open_day", str(day)), "first_seen")


class LedgerReader:
    """The ledger table, to read from."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def find(self, upload_id: str) -> Entry | None:
        """The upload of an id, in two reads; None where there is none."""
        answer = self._query("upload_id = :id", {":id": upload_id}, IndexName="upload_id", Limit=1)
        if not answer["Items"]:
            return None
        return self._get({name: answer["Items"][0][name] for name in ("upload_key", "version_id")})

    def get(self, bucket: str, key: str, version_id: str) -> Entry | None:
        """An object version as the ledger has it at this moment; None where it has none."""
        return self._get(to_item({"upload_key": f"{bucket}/{key}", "version_id": version_id}))

    def _get(self, key: dict) -> Entry | None:
        item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return item and entry(item)

    def versions(self, bucket: str, key: str) -> Iterator[Entry]:
        """The uploads of a key."""
        start: dict | None = {}
        while start is not None:
            answer = self._query("upload_key = :key", {":key": f"{bucket}/{key}"}, **start)
            yield from map(entry, answer["Items"])
            start = _continuation(answer)

    def page(
        self, partition: Partition, until: datetime, size: int, start: dict | None = None
    ) -> tuple[list[Entry], dict | None]:
        """The uploads of a day, newest first, up to and including those of `until`: at most `size`, in one read.

        And what `start` is for the page after it; None after the last one.
        """
        name, value = partition.key
        answer = self._query(
            f"{name} = :value AND {partition.time} <= :until",
            {":value": value, ":until": Decimal((until - _EPOCH) // _MILLISECOND) / 1000},
            IndexName=partition.index,
            ScanIndexForward=False,
            Limit=size,
            **(start or {}),
        )
        return list(map(entry, answer["Items"])), _continuation(answer)

    def _query(self, condition: str, values: dict, **options: Any) -> dict:
        return self._dynamodb.query(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=to_item(values),
            **options,
        )


def _continuation(answer: dict) -> dict | None:
    """What a query goes on with; None where it has come to its end."""
    last = answer.get("LastEvaluatedKey")
    return {"ExclusiveStartKey": last} if last else None


def entry(item: dict) -> Entry:
    """An item of the ledger, or what an index has of one, as DynamoDB gives it."""
    found = from_item(item)
    bucket, _, key = found["upload_key"].partition("/")
    upload = Upload(bucket, key, found["version_id"], int(found.get("size_bytes", 0)), found.get("sequencer", ""))
    dataset = found.get("dataset") or found.get("dataset_day", NO_DATASET).partition("#")[0]
    return Entry(
        upload=upload,
        state=found["state"],
        attempt=int(found["attempt"]),
        reason=found.get("reason") or found.get("last_error", ""),
        dataset=None if dataset == NO_DATASET else dataset,
        first_seen=_time(found.get("first_seen")),
        # A replayed upload still has the time at which its earlier attempt ended.
        finished=None if found["state"] == PROCESSING else _time(found.get("finished")),
        tries=int(found.get("tries", 0)),
        result=_stored(found.get("result")),
        error_report=_stored(found.get("error_report")),
        loaded=_loaded(found),
        **{name: int(found[name]) for name in ("rows_good", "rows_rejected", "rows_blank") if name in found},
    )


def _time(seconds: Decimal | None) -> datetime | None:
    return None if seconds is None else _EPOCH + int(seconds * 1000) * _MILLISECOND


def _stored(found: dict | None) -> Stored | None:
    if found is None:
        return None
    bucket, _, key = found["uri"].removeprefix("s3://").partition("/")
    return Stored(bucket, key, found["version_id"], found["sha256"], int(found["bytes"]))


def _loaded(found: dict) -> Loaded | None:
    names = ("inserted", "updated", "duplicates")
    return Loaded(*(int(found[name]) for name in names)) if "inserted" in found else None
