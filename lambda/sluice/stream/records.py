"""Records of a Kinesis stream: a batch of one shard as Lambda hands it over, or as it lets go of it.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class UnreadableBatchError(ValueError):
    """What was let go of holds no records."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: where it stands in its shard, when it arrived there, and its bytes.

    Numbers are those of the shard; `sequence` keeps their text, by which Lambda knows the record.
    """

    shard: str
    partition_key: str
    sequence: str
    arrival: datetime
    data: bytes

    @property
    def source(self) -> str:
        """Within what records are in order: Lambda works on a shard's partition keys side by side."""
        return f"{self.shard}/{self.partition_key}"

    @property
    def number(self) -> int:
        """The sequence number."""
        return int(self.sequence)


def parse_records(event: dict) -> list[Record]:
    """The records of a batch, in the order of their shard; raises UnreadableBatchError for what is no such event."""
    try:
        return [_record(record) for record in event["Records"]]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnreadableBatchError(f"no records of a stream: {type(error).__name__}: {error}") from error


def parse_discarded(document: bytes) -> list[Record]:
    """The records of a batch that Lambda has let go of: what its on-failure destination in S3 gets.

    The event is in `payload`, as text
    (https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html). Raises UnreadableBatchError.
    """
    try:
        payload = json.loads(document)["payload"]
        event = json.loads(payload) if isinstance(payload, str) else payload
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise UnreadableBatchError(f"no discarded batch: {type(error).__name__}: {error}") from error
    return parse_records(event)


def _record(record: dict) -> Record:
    kinesis, (shard, _, _) = record["kinesis"], record["eventID"].partition(":")
    arrival = datetime.fromtimestamp(kinesis["approximateArrivalTimestamp"], UTC)
    data = base64.b64decode(kinesis["data"], validate=True)
    return Record(shard, kinesis["partitionKey"], kinesis["sequenceNumber"], arrival, data)


def batch_name(dataset: str, records: Sequence[Record]) -> str:
    """What the objects of a batch are called: `temperature/2026/11/28/10/<shard>-<first>-<last>-<digest>`.

    Day and hour are those of the first record's arrival. The same records have the same name. First and last do not
    tell: shares of a shard that are worked on side by side, or were another time, may have both in common.
    """
    first, last = records[0], records[-1]
    digest = hashlib.sha256(" ".join(record.sequence for record in records).encode()).hexdigest()
    return (
        f"{dataset}/{first.arrival:%Y/%m/%d/%H}/{first.shard}-{first.sequence}-{last.sequence}-{digest[:12]}"
    )


def raw_lines(records: Sequence[Record]) -> bytes:
    """The records as they were received, a JSON object a line, compressed: the same bytes each time."""
    lines = []
    for record in records:
        line = {
            "shard": record.shard,
            "sequence": record.sequence,
            "partition_key": record.partition_key,
            "arrival": record.arrival.isoformat(timespec="milliseconds"),
        }
        try:
            line["data"] = record.data.decode()
        except UnicodeDecodeError:
            line["data_base64"] = base64.b64encode(record.data).decode()
        lines.append(_to_json(line))
    return compressed(lines)


def compressed(lines: Sequence[str]) -> bytes:
    """Lines of JSON in gzip, without the time at which that was done."""
    text = "".join(f"{line}\n" for line in lines)
    return gzip.compress(text.encode("utf-8", "replace"), mtime=0)
