"""The stream: readings go in, and what the API says of them is held against what the demo works out itself."""

import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby

from local.calls import Api
from local.cloud import Cloud
from local.demonstrations import Shown
from local.deployment import Deployment

# Nobody has to have a token for the page of the demo. Nothing but what the demo puts shall be on the stream.
SETTINGS = {"EnableStream": "true", "ApiAuthorization": "NONE", "SimulatorMinutes": "0", "StreamShards": "2"}
SENSORS = ("attic", "cellar", "garden", "kitchen")
PATH = "/api/v1/temperature"
_MINUTES, _A_MINUTE = 5, 8
_LATE = timedelta(days=2)
_BAD = (
    b'{"sensor": "attic", "time": "%(now)s", "temperature": "warm"}',
    b'{"sensor": "*", "time": "%(now)s", "temperature": 21.5}',
    b'{"sensor": "cellar", "time": "%(now)s", "temperature": -300}',
    b'{"sensor": "garden", "time": "2099-01-01T00:00:00Z", "temperature": 20}',
    b'{"sensor": "kitchen", "time": "%(now)s"}',
    b"not JSON at all",
)
# The longest that a batch waits for more, twice: for the windows, and for those that they are rolled up into.
_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Reading:
    """A reading of the demo's own, degrees Celsius."""

    sensor: str
    time: datetime
    temperature: Decimal

    @property
    def text(self) -> bytes:
        """As its device would send it."""
        written = f'{{"sensor": "{self.sensor}", "time": "{_text(self.time)}", "temperature": {self.temperature}}}'
        return written.encode()


def show(cloud: Cloud, deployment: Deployment, say: Callable[[str], None]) -> Shown:
    """Puts readings on the stream and shows the API's averages, the rejects and the batches."""
    api = Api(cloud, deployment.outputs()["ApiUrl"], credentials=cloud.root)
    now = datetime.now(UTC)
    readings, late = _readings(now)
    bad = [line.replace(b"%(now)s", _text(now).encode()) for line in _BAD]
    # Of a sensor in order, of all together in none.
    records = [(reading.sensor, reading.text) for reading in [*late, *readings]] + [("broken", line) for line in bad]
    say(f"putting {len(records)} records of {len(SENSORS)} sensors on the stream: {len(bad)} bad, {len(late)} late")
    put(cloud, deployment, records)
    recent = {"from": _text(now - timedelta(minutes=_MINUTES + 1)), "to": _text(now)}
    all_days = {"from": _text(now - _LATE - timedelta(hours=1)), "to": _text(now), "resolution": "hour"}
    shown = Shown()
    say("waiting for windows, which a batch fills after 5 s, and for those that they go into, after 30 s more")
    _settle(api, (recent, len(readings)), (all_days, len(readings) + len(late)))
    shown.tell("averages", _averages(api, recent, all_days, readings, late), "averages: the API's, and the demo's own")
    say("delivering the whole stream once more, from its beginning")
    replay(cloud, deployment, len(records))
    again = _averages(api, recent, all_days, readings, late)
    if again != shown.document["averages"]:
        shown.wrong.append("the numbers changed when the stream was delivered again")
    shown.wrong += [f"the average of {row['sensor']} is wrong" for row in again if row["average"] != row["reference"]]
    shown.say("", "delivered once more from the beginning of the stream: the numbers are the same"
              if again == shown.document["averages"] else "delivered once more: the numbers have CHANGED")
    shown.tell("rejects", _rejects(cloud, deployment), "rejected records")
    shown.tell("batches", _batches(cloud, deployment), "batches in the ledger")
    if len(shown.document["rejects"]) < len(bad):
        shown.wrong.append(f"{len(bad)} records are bad, and {len(shown.document['rejects'])} were rejected")
    return shown


def put(cloud: Cloud, deployment: Deployment, records: Sequence[tuple[str, bytes]]) -> list[dict]:
    """Puts records (partition key, data) on the stream; the shard and sequence number of each."""
    kinesis, stream = cloud.client("kinesis"), deployment.outputs()["StreamName"]
    put = []
    for first in range(0, len(records), 500):
        entries = [{"PartitionKey": key, "Data": data} for key, data in records[first : first + 500]]
        put += kinesis.put_records(StreamName=stream, Records=entries)["Records"]
    return put


def replay(cloud: Cloud, deployment: Deployment, records: int) -> None:
    """Has the stream function read the whole stream once more, by a mapping of its own, and waits until it has."""
    functions, name = cloud.client("lambda"), deployment.outputs()["StreamFunction"]
    [first] = [
        mapping
        for mapping in functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        if ":kinesis:" in mapping["EventSourceArn"]
    ]
    before = _received(cloud, deployment)
    again = functions.create_event_source_mapping(
        FunctionName=f"{name}:live",
        EventSourceArn=first["EventSourceArn"],
        StartingPosition="TRIM_HORIZON",
        BatchSize=7,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _received(cloud, deployment) < before + records and time.monotonic() < deadline:
        time.sleep(0.5)
    functions.delete_event_source_mapping(UUID=again["UUID"])


def _readings(now: datetime) -> tuple[list[Reading], list[Reading]]:
    """Those of the last minutes, and those that come two days late."""
    chance = random.Random(7)  # repeatable  # nosec B311

    def temperature() -> Decimal:
        return Decimal(chance.randrange(1200, 2600)) / 100

    start = now.replace(second=0, microsecond=0) - timedelta(minutes=_MINUTES)
    step = timedelta(minutes=1) / _A_MINUTE
    times = [start + step * number for number in range(_MINUTES * _A_MINUTE)]
    readings = [Reading(sensor, moment, temperature()) for moment in times for sensor in SENSORS]
    return readings, [Reading(sensor, start - _LATE, temperature()) for sensor in SENSORS for _ in range(2)]


def _settle(api: Api, *expected: tuple[dict, int]) -> None:
    """Waits until the API knows of as many readings as there are."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if all(api.get(PATH, **query).document["count"] == count for query, count in expected):
            return
        time.sleep(0.5)


def _averages(api: Api, recent: dict, all_days: dict, readings: list[Reading], late: list[Reading]) -> list[dict]:
    rows = [_average(api, sensor, recent, [one for one in readings if one.sensor == sensor]) for sensor in SENSORS]
    return [*rows, _average(api, None, recent, readings), _average(api, None, all_days, [*readings, *late])]


def _average(api: Api, sensor: str | None, query: dict, readings: Iterable[Reading]) -> dict:
    answer = api.get(PATH, sensor=sensor, **query).document
    values = [reading.temperature for reading in readings]
    return {
        "sensor": sensor or "all together",
        "windows": f"{answer['resolution']}s",
        "from": answer["from"],
        "to": answer["to"],
        "count": answer["count"],
        "min": answer["min"],
        "max": answer["max"],
        "average": answer["average"],
        "reference": float(round(sum(values, Decimal(0)) / len(values), 6)),
        "of": len(values),
    }


def _rejects(cloud: Cloud, deployment: Deployment) -> list[dict]:
    """The lines of the rejects objects, each record once: the second delivery cut its batches otherwise."""
    s3, bucket = cloud.client("s3"), deployment.outputs()["LakeBucket"]
    lines = {}
    for item in s3.list_objects_v2(Bucket=bucket, Prefix="rejects/").get("Contents", []):
        for line in s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode().splitlines():
            found = json.loads(line)
            names = ("sequence", "error", "field", "message", "text")
            lines[found["sequence"], found["message"]] = {name: found[name] for name in names}
    return [lines[key] for key in sorted(lines)]


def _batches(cloud: Cloud, deployment: Deployment) -> list[dict]:
    """What the ledger has of batches, by state: there are as many as Lambda made."""
    items = sorted(_ledger(cloud, deployment), key=lambda item: (item["state"]["S"], item["upload_key"]["S"]))
    return [
        {
            "state": state,
            "batches": len(group),
            "good": sum(int(item["rows_good"]["N"]) for item in group),
            "rejected": sum(int(item["rows_rejected"]["N"]) for item in group),
            "for example": group[0]["upload_key"]["S"].partition("/")[2],
            "reason": group[0]["reason"]["S"],
        }
        for state, found in groupby(items, key=lambda item: item["state"]["S"])
        for group in [list(found)]
    ]


def _received(cloud: Cloud, deployment: Deployment) -> int:
    return sum(
        int(item["rows_good"]["N"]) + int(item["rows_rejected"]["N"]) for item in _ledger(cloud, deployment)
    )


def _ledger(cloud: Cloud, deployment: Deployment) -> list[dict]:
    pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName=deployment.outputs()["LedgerTable"])
    return [item for page in pages for item in page["Items"] if item["version_id"]["S"] == "stream"]


def _text(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
