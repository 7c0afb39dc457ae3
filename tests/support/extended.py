"""A deployment with a stream and an API: what is put in, and what comes out."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from local.calls import Api
from local.deployment import Deployment
from support.deployed import items, resource, until

# Two shards, each read by two at once. The simulator is invoked by hand: an hour is longer than the tests.
EXTENSIONS = {
    "EnableStream": "true",
    "StreamShards": "2",
    "StreamParallelization": "2",
    "SimulatorMinutes": "59",
    "SimulatorSensors": "3",
    "EnableApi": "true",
    "ApiAuthorization": "NONE",
}
AVERAGE, SERIES = "/api/v1/temperature", "/api/v1/temperature/series"


def hurry(deployment: Deployment) -> None:
    """Lets nothing wait that only waits so that there is more of it, and what has failed come back at once."""
    functions, sqs = deployment.cloud.client("lambda"), deployment.cloud.client("sqs")
    for name in ("StreamMapping", "RollupMapping"):
        functions.update_event_source_mapping(
            UUID=resource(deployment, "Lambda", name), MaximumBatchingWindowInSeconds=0
        )
    sqs.set_queue_attributes(
        QueueUrl=resource(deployment, "Stream", "Discarded"), Attributes={"VisibilityTimeout": "0"}
    )


def reading(sensor: str, moment: datetime, temperature: Decimal | str) -> tuple[str, bytes]:
    """A record of the stream: its partition key and its data."""
    text = f'{{"sensor": "{sensor}", "time": "{moment:%Y-%m-%dT%H:%M:%SZ}", "temperature": {temperature}}}'
    return sensor, text.encode()


def put(deployment: Deployment, records: Sequence[tuple[str, bytes]]) -> list[str]:
    """Puts records on the stream; their sequence numbers."""
    answer = deployment.cloud.client("kinesis").put_records(
        StreamName=deployment.outputs()["StreamName"],
        Records=[{"PartitionKey": key, "Data": data} for key, data in records],
    )
    assert not answer["FailedRecordCount"]
    return [record["SequenceNumber"] for record in answer["Records"]]


def read_again(deployment: Deployment, batch_size: int, **start: object) -> str:
    """Makes a second mapping of the stream to its function: from the beginning, or as `start` says. Its id."""
    functions = deployment.cloud.client("lambda")
    first = functions.get_event_source_mapping(UUID=resource(deployment, "Lambda", "StreamMapping"))
    return functions.create_event_source_mapping(
        FunctionName=first["FunctionArn"],
        EventSourceArn=first["EventSourceArn"],
        BatchSize=batch_size,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        **{"StartingPosition": "TRIM_HORIZON", **start},
    )["UUID"]


def batches(deployment: Deployment) -> dict[str, dict]:
    """The ledger's batches by the key of their raw object, as plain values."""
    found = items(deployment).items()
    return {key.partition("/")[2]: item for (key, version), item in found if version == "stream"}


def lines(deployment: Deployment, prefix: str) -> list[dict]:
    """The lines of all JSON objects of the lake under a prefix that are not compressed."""
    s3, bucket = deployment.cloud.client("s3"), deployment.outputs()["LakeBucket"]
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    bodies = [s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in found]
    return [json.loads(line) for body in bodies for line in body.decode().splitlines()]


def settled(api: Api, *expected: tuple[int, dict]) -> list[dict]:
    """The API's answers to (readings, query) once it counts as many in each, and a second later: no more shall come."""
    for count, query in expected:
        until(lambda count=count, query=query: api.get(AVERAGE, **query).document["count"] >= count)
    time.sleep(1)
    return [api.get(AVERAGE, **query).document for _, query in expected]


def now() -> datetime:
    """This second, in UTC."""
    return datetime.now(UTC).replace(microsecond=0)
