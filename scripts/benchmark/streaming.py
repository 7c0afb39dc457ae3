"""One function over readings: `python -m benchmark.streaming CONTENDER FIRST BATCHES` prints one JSON object.

It has the seconds that the handler took, the records, and the requests to AWS by service and operation. Everything is
real but the cloud and the stream: batches are handed over as Lambda would. What is loaded and connected for the first
batch is not measured.
"""

import base64
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zlib import crc32

from botocore.endpoint import Endpoint

from local.invocation import Context

BATCH, SENSORS, EVERY_SECONDS = 500, 20, 2
_START = datetime(2026, 11, 28, tzinfo=UTC)
_SHARD = "shardId-000000000000"


def reading(number: int) -> tuple[str, datetime, float]:
    """The reading of that number: sensors take turns, each has one every two seconds."""
    sensor, time_ = f"sensor-{number % SENSORS}", _START + timedelta(seconds=number // SENSORS * EVERY_SECONDS)
    return sensor, time_, round(20 + crc32(str(number).encode()) % 1000 / 100, 2)


def event(batch: int) -> dict:
    """The batch of that number, as Lambda hands it over (tests/events/kinesis.json)."""
    records = []
    for number in range(batch * BATCH, (batch + 1) * BATCH):
        sensor, time_, temperature = reading(number)
        data = json.dumps({"sensor": sensor, "time": f"{time_:%Y-%m-%dT%H:%M:%SZ}", "temperature": temperature})
        sequence = str(49590338271490256608559692538361571095921575989136588898 + number)
        kinesis = {
            "partitionKey": sensor,
            "sequenceNumber": sequence,
            "data": base64.b64encode(data.encode()).decode(),
            "approximateArrivalTimestamp": time_.timestamp(),
        }
        records.append({"kinesis": kinesis, "eventSource": "aws:kinesis", "eventID": f"{_SHARD}:{sequence}"})
    return {"Records": records}


def _stream(batch: int) -> Callable[[], object]:
    from sluice.handlers import stream

    records = event(batch)
    return lambda: stream.handler(records, Context("stream"))


def _naive(batch: int) -> Callable[[], object]:
    """An object and an item for each record."""
    from sluice.clients import make_client

    s3, dynamodb, records = make_client("s3"), make_client("dynamodb"), event(batch)["Records"]

    def run() -> None:
        for record in records:
            data = base64.b64decode(record["kinesis"]["data"])
            found = json.loads(data)
            s3.put_object(Bucket="lake", Key=f"naive/{record['eventID']}.json", Body=data)
            dynamodb.put_item(TableName="naive", Item=naive_item(found, record["eventID"]))

    return run


def naive_item(found: dict, identity: str) -> dict:
    """An item for a reading, as one writes it without further thought."""
    return {
        "id": {"S": identity},
        "sensor": {"S": found["sensor"]},
        "time": {"S": found["time"]},
        "temperature": {"N": str(found["temperature"])},
    }


def _rollup(batch: int) -> Callable[[], object]:
    """What the batch has changed."""
    from sluice.handlers import rollup
    from sluice.stream.windows import Resolution, Window

    numbers = range(batch * BATCH, (batch + 1) * BATCH)
    windows = {Window.of(sensor, Resolution.MINUTE, time_) for sensor, time_, _ in map(reading, numbers)}
    keys = [{"period": {"S": window.period}, "sensor": {"S": window.sensor}} for window in windows]
    changes = {"Records": [{"eventName": "MODIFY", "dynamodb": {"Keys": key}} for key in keys]}
    return lambda: rollup.handler(changes, Context("rollup"))


def _simulate(batch: int) -> Callable[[], object]:
    from sluice.handlers import simulate

    until = f"{reading(batch * BATCH)[1]:%Y-%m-%dT%H:%M:%SZ}"
    return lambda: simulate.handler({"time": until}, Context("simulate"))


CONTENDERS = {"stream": _stream, "naive": _naive, "rollup": _rollup, "simulate": _simulate}


def main(contender: str, first: int, batches: int) -> None:
    """Runs over so many batches from the first one on, after the one before it."""
    requests: Counter[str] = Counter()
    send = Endpoint._send_request

    def count(endpoint: Endpoint, request: object, operation: object) -> object:
        requests[f"{operation.service_model.service_name}:{operation.name}"] += 1
        return send(endpoint, request, operation)

    Endpoint._send_request = count
    calls = [CONTENDERS[contender](batch) for batch in range(first - 1, first + batches)]
    calls.pop(0)()
    requests.clear()
    started = time.perf_counter()
    for call in calls:
        call()
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "records": batches * BATCH, "requests": requests}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
