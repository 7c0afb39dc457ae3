"""Records of the stream as Lambda hands them over, and readings of them as tests write them."""

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote_plus


@dataclass(frozen=True)
class Put:
    """A record as a producer has put it: `sequence` counts within the shard, `arrival` is in epoch seconds."""

    data: bytes
    sequence: int
    partition_key: str = "s1"
    shard: str = "shardId-000000000000"
    arrival: float = 1_795_860_300.0

    @property
    def number(self) -> str:
        """The sequence number: 56 digits, in order within the shard."""
        return f"49590338271490256608559692538361571{self.sequence:021}"

    def event(self) -> dict:
        """The record in the event of a function (tests/events/kinesis.json)."""
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": self.partition_key,
                "sequenceNumber": self.number,
                "data": base64.b64encode(self.data).decode(),
                "approximateArrivalTimestamp": self.arrival,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self.shard}:{self.number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::111122223333:role/stream",
            "awsRegion": "eu-central-1",
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:111122223333:stream/readings",
        }


def reading(sensor: str, time: str, temperature: object) -> bytes:
    """A record of the dataset `temperature`; text is written as it is, as a number."""
    return f'{{"sensor":{json.dumps(sensor)},"time":{json.dumps(time)},"temperature":{temperature}}}'.encode()


def batch(puts: Iterable[Put]) -> dict:
    """The event of a batch."""
    return {"Records": [put.event() for put in puts]}


def discarded(puts: Iterable[Put]) -> bytes:
    """The object that Lambda's on-failure destination writes of a batch (tests/events/discarded.json)."""
    return json.dumps({"version": "1.0", "payload": json.dumps(batch(puts))}).encode()


def message(bucket: str, key: str, *, receives: int = 1, message_id: str = "1") -> dict:
    """An SQS message that tells of that object."""
    item = {"key": quote_plus(key), "size": 1}
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": item}}
    return {
        "messageId": message_id,
        "eventSource": "aws:sqs",
        "body": json.dumps({"Records": [record]}),
        "attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "0"},
    }


def lines(body: bytes) -> list[dict]:
    """The lines of a compressed object of JSON lines; numbers are exact."""
    return [json.loads(line, parse_float=Decimal) for line in gzip.decompress(body).splitlines()]


def read_processed(objects: dict[str, bytes]) -> dict[tuple[str, str], tuple]:
    """What the objects under processed/ say: of the lines on a sensor and minute, the one with the greatest count."""
    found: dict[tuple[str, str], tuple] = {}
    for key, body in objects.items():
        for line in lines(body) if key.startswith("processed/") else ():
            numbers = line["count"], *(Decimal(line[name]) for name in ("sum", "min", "max"))
            place = line["sensor"], line["minute"]
            found[place] = max(found.get(place, (0,)), numbers, key=lambda each: each[0])
    return found
