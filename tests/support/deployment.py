"""A deployment in moto: the buckets, tables, topic and queues the functions work with."""

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from sluice.datasets import Catalogue
from sluice.events import parse_message
from sluice.intake import Intake
from sluice.invocation import Invocation
from sluice.ledger import Ledger
from sluice.notify import Notifier
from sluice.processors import NEEDS
from sluice.queue import IntakeQueue
from sluice.storage import Storage
from sluice.upload import Outcome, Upload

DATASETS = Path(__file__).parents[2] / "lambda" / "datasets"
PRICES = "".join(f"ABC,{day:02}-01-2026,{10 + day}.50\n" for day in range(1, 13)).encode()


@functools.cache
def _client(service: str):
    """A client, made once: making one takes longer than most tests."""
    return boto3.client(service)


def _index(name: str, hash_key: str, range_key: str | None = None, others: list[str] | None = None) -> dict:
    """An index of the ledger (templates/ledger.yaml)."""
    schema = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    if range_key:
        schema.append({"AttributeName": range_key, "KeyType": "RANGE"})
    if others:
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": others}
    else:
        projection = {"ProjectionType": "KEYS_ONLY"}
    return {"IndexName": name, "KeySchema": schema, "Projection": projection}


@contextlib.contextmanager
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator["Aws"]:
    """A deployment in moto, that boto3 and botocore find by their usual configuration."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Aws()


class Clock:
    """A clock that tests set forward."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def invocation(*remaining: float, memory_mb: int = 1024) -> Invocation:
    """An invocation that has so many seconds left when it begins, and then each time it looks; the last ones stay."""
    left = list(remaining)
    return Invocation(lambda: left.pop(0) if len(left) > 1 else left[0], memory_mb)


class Aws:
    """The buckets, tables, topic and queues of a deployment, with everything tests need to look at."""

    def __init__(self) -> None:
        self.s3, self.dynamodb, self.sns, self.sqs = map(_client, ("s3", "dynamodb", "sns", "sqs"))
        for bucket in ("uploads", "results"):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.dynamodb.create_table(
            TableName="ledger",
            KeySchema=[
                {"AttributeName": "upload_key", "KeyType": "HASH"},
                {"AttributeName": "version_id", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "upload_key", "AttributeType": "S"},
                {"AttributeName": "version_id", "AttributeType": "S"},
                {"AttributeName": "dataset_day", "AttributeType": "S"},
                {"AttributeName": "finished", "AttributeType": "N"},
                {"AttributeName": "open_day", "AttributeType": "S"},
                {"AttributeName": "first_seen", "AttributeType": "N"},
                {"AttributeName": "upload_id", "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                _index(
                    "ended", "dataset_day", "finished", ["attempt", "reason", "rows_good", "rows_rejected", "state"]
                ),
                _index("open", "open_day", "first_seen", ["attempt", "state", "upload_id", "last_error"]),
                _index("upload_id", "upload_id"),
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        self.topic = self.sns.create_topic(Name="uploads")["TopicArn"]
        self.subscriber = self.sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        self.sns.subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:subscriber"
        )
        self.queue = self.sqs.create_queue(QueueName="intake")["QueueUrl"]
        self.dead_letters = self.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
        self.clock = Clock()
        self.ledger = Ledger(self.dynamodb, "ledger", self.clock)
        self.storage = Storage(self.s3, "results")
        self.notifier = Notifier(self.sns, self.topic)
        # What has ended: uploads and their outcomes.
        self.counted: list[tuple[Upload, Outcome]] = []
        self._sequencer = 0x0055AED6DCD90281E5

    def add_stream(self) -> None:
        """Adds what there is with a stream: the lake and the table of windows."""
        self.s3.create_bucket(Bucket="lake")
        self.dynamodb.create_table(
            TableName="windows",
            KeySchema=[
                {"AttributeName": "period", "KeyType": "HASH"},
                {"AttributeName": "sensor", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "period", "AttributeType": "S"},
                {"AttributeName": "sensor", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )

    def count(self, upload: Upload, outcome: Outcome) -> None:
        self.counted.append((upload, outcome))

    def intake(self, **changes: object) -> Intake:
        parts = {
            "catalogue": Catalogue(DATASETS, NEEDS),
            "storage": self.storage,
            "ledger": self.ledger,
            "queue": IntakeQueue(self.sqs, self.queue),
            "notifier": self.notifier,
            "environment": "test",
            "max_tries": 3,
            "max_receives": 8,
            "count": self.count,
        }
        return Intake(**{**parts, **changes})

    def upload(self, key: str, body: bytes) -> Upload:
        self._sequencer += 1
        answer = self.s3.put_object(Bucket="uploads", Key=key, Body=body)
        return Upload("uploads", key, answer["VersionId"], len(body), f"{self._sequencer:018X}")

    def result(self, key: str) -> bytes:
        return self.s3.get_object(Bucket="results", Key=key)["Body"].read()

    def results(self) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket="results").get("Contents", [])]

    def told(self) -> list[dict]:
        """The notifications since the last call: their JSON document and their attributes."""
        told = []
        while messages := self.sqs.receive_message(QueueUrl=self.subscriber, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                body = json.loads(message["Body"])
                attributes = {name: value["Value"] for name, value in body["MessageAttributes"].items()}
                told.append({**json.loads(body["Message"]), "attributes": attributes})
                self.sqs.delete_message(QueueUrl=self.subscriber, ReceiptHandle=message["ReceiptHandle"])
        return told

    def queued(self) -> list[Upload]:
        """The uploads put on the intake queue since the last call."""
        uploads = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                uploads += parse_message(message["Body"])
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return uploads

    def listed(self, dataset: str, day: str) -> list[dict]:
        """What the ledger's index lists of a dataset and a day, newest first, as plain values."""
        items = self.dynamodb.query(
            TableName="ledger",
            IndexName="ended",
            KeyConditionExpression="dataset_day = :day",
            ExpressionAttributeValues={":day": {"S": f"{dataset}#{day}"}},
            ScanIndexForward=False,
        )["Items"]
        return [{name: next(iter(value.values())) for name, value in item.items()} for item in items]

    def items(self) -> list[dict]:
        """The ledger's items, as plain values."""
        items = self.dynamodb.scan(TableName="ledger")["Items"]
        return [{name: next(iter(value.values())) for name, value in item.items()} for item in items]
