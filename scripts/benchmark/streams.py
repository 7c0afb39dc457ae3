"""`scripts/bench stream`: records a second of each function, requests for 1,000 records, and what a question reads.

All is held against what is often done instead: an object and an item for each record, and a scan of the table for an
average. Both work on the local cloud, in turn. It does not say what reads consume, so that is counted by DynamoDB's
rules from the items that are read
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/capacity-mode.html, and
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html for the size of an item).
"""

import math
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmark.processes import say
from benchmark.stage import Stage
from benchmark.streaming import BATCH, CONTENDERS, SENSORS, naive_item, reading
from local import cloud as local_cloud
from sluice.stream.windows import ALL_SENSORS, Resolution, Statistics, Window
from sluice.windows import Windows

_BATCHES, _QUICK_BATCHES = 20, 4
# Of the baseline, which is ten times slower: enough for a rate.
_FEW = 2
_ROUNDS, _QUICK_ROUNDS = 5, 2
_READINGS, _QUICK_READINGS = (1_000, 100_000, 1_000_000), (1_000, 10_000)
# A scan's table is written up to here; what a larger one reads follows from the size of its items.
_SCANNED = 100_000
# The question: an hour of one sensor by the minute, and the day of all of them by the hour.
_MINUTES, _HOURS = 60, 24
_KEYS = {"windows": ("period", "sensor"), "naive": ("id",), "naive-table": ("id",)}


def measure(*, is_quick: bool) -> dict:
    """Runs all functions and the baseline in turn, then asks the question of growing tables."""
    batches, rounds = (_QUICK_BATCHES, _QUICK_ROUNDS) if is_quick else (_BATCHES, _ROUNDS)
    with tempfile.TemporaryDirectory() as folder, local_cloud.start() as cloud:
        _create(cloud)
        say("building the artifact")
        settings = {"WINDOWS_TABLE": "windows", "LAKE_BUCKET": "lake", "STREAM_NAME": "readings"}
        # As many simulated readings as a batch has records, 12 of each sensor.
        stage = Stage(cloud, Path(folder), (), settings | {"SENSORS": str(math.ceil(BATCH / 12))})
        runs: dict[str, list[dict]] = {name: [] for name in CONTENDERS}
        for number in range(rounds):
            for name, found in runs.items():
                count = _FEW if name == "naive" else batches
                [run] = stage.run("benchmark.streaming", name, str(1 + number * (batches + 1)), str(count))
                say(f"round {number + 1} of {rounds}: {name}: {run['seconds']:.2f} s")
                found.append(run)
        reads = _reads(cloud.client("dynamodb"), _QUICK_READINGS if is_quick else _READINGS)
    return _report(runs, batches, reads)


def _create(cloud: local_cloud.Cloud) -> None:
    cloud.client("s3").create_bucket(Bucket="lake")
    cloud.client("kinesis").create_stream(StreamName="readings", ShardCount=4)
    for table, names in _KEYS.items():
        cloud.client("dynamodb").create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            BillingMode="PAY_PER_REQUEST",
        )


def _reads(dynamodb: Any, sizes: Iterable[int]) -> list[dict]:
    """The units that the question reads in tables of so many readings, each made of the one before it."""
    recorder = _Recorder(dynamodb)
    windows, found, written, done = Windows(recorder, "windows"), [], 0, 0
    for size in sizes:
        say(f"tables of {size:,} readings")
        _write_windows(windows, done, size)
        scanned = min(size, _SCANNED)
        _write_items(dynamodb, written, scanned)
        done, written = size, scanned
        recorder.keys.clear()
        answers = windows.statistics(question(size))
        items = [dynamodb.get_item(TableName="windows", Key=key).get("Item") for key in recorder.keys]
        naive = _scan_units(dynamodb)
        found.append(
            {
                "readings": size,
                "windows_asked_for": len(recorder.keys),
                "windows_found": len(answers),
                "ours": get_units(items),
                "naive": naive if scanned == size else round(naive * size / scanned),
                "naive_is_computed": scanned != size,
            }
        )
    return found


class _Recorder:
    """DynamoDB, and the keys that have been asked for."""

    def __init__(self, dynamodb: Any) -> None:
        self.keys: list[dict] = []
        self._dynamodb = dynamodb
        self.put_item = dynamodb.put_item

    def batch_get_item(self, RequestItems: dict) -> dict:
        self.keys += RequestItems["windows"]["Keys"]
        return self._dynamodb.batch_get_item(RequestItems=RequestItems)


def question(readings: int) -> list[Window]:
    """The windows of the question, the last ones there are of so many readings."""
    last = reading(readings - 1)[1]
    minute, hour = (Window.of("sensor-0", Resolution.MINUTE, last), Window.of(ALL_SENSORS, Resolution.HOUR, last))
    return [
        Window(window.sensor, window.resolution, window.start - number * window.resolution.length)
        for window, count in ((minute, _MINUTES), (hour, _HOURS))
        for number in range(count)
    ]


def _write_windows(windows: Windows, start: int, end: int) -> None:
    """What the readings add up to: sums as they are, whatever has been written of a window before."""
    found: dict[Window, list[Decimal]] = {}
    for number in range(start // (SENSORS * 1800) * SENSORS * 1800, end):
        sensor, time, temperature = reading(number)
        for window in (
            Window.of(sensor, Resolution.MINUTE, time),
            Window.of(ALL_SENSORS, Resolution.HOUR, time),
        ):
            found.setdefault(window, []).append(Decimal(str(temperature)))
    for window, temperatures in found.items():
        windows.roll_up(window, Statistics.of(temperatures))


def _write_items(dynamodb: Any, start: int, end: int) -> None:
    for first in range(start, end, 25):
        puts = []
        for number in range(first, min(first + 25, end)):
            sensor, time, temperature = reading(number)
            found = {"sensor": sensor, "time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "temperature": temperature}
            identity = f"shardId-000000000000:{49590338271490256608559692538361571095921575989136588898 + number}"
            puts.append({"PutRequest": {"Item": naive_item(found, identity)}})
        dynamodb.batch_write_item(RequestItems={"naive-table": puts})


def _scan_units(dynamodb: Any) -> float:
    units, request = 0.0, {"TableName": "naive-table"}
    while True:
        page = dynamodb.scan(**request)
        units += scan_units(page["Items"])
        if "LastEvaluatedKey" not in page:
            return units
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def get_units(items: Iterable[dict | None]) -> float:
    """Read units of items that are read one by one, eventually consistent: half a one for 4 KB begun, or for none."""
    return sum(max(math.ceil(item_bytes(item or {}) / 4096), 1) / 2 for item in items)


def scan_units(items: Iterable[dict]) -> float:
    """Read units of items that are read together: 4 KB of all are half a one."""
    return math.ceil(sum(map(item_bytes, items)) / 4096) / 2


def item_bytes(item: dict) -> int:
    """The size of an item: its names, texts in UTF-8, and about a byte for two digits of a number."""
    return sum(len(name.encode()) + _bytes(value) for name, value in item.items())


def _bytes(attribute: dict) -> int:
    [(kind, value)] = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return math.ceil(len(value.strip("-0.").replace(".", "")) / 2) + 1
        case "SS":
            return sum(len(text.encode()) for text in value)
        case "M":
            return 3 + item_bytes(value) + 2 * len(value)
    raise ValueError(f"no size of the type {kind} is known")


def _report(runs: dict[str, list[dict]], batches: int, reads: list[dict]) -> dict:
    rates = {
        name: round(statistics.median(run["records"] / run["seconds"] for run in found)) for name, found in runs.items()
    }
    requests = {name: _per_thousand(runs[name]) for name in ("stream", "naive")}
    writes = sum(run["requests"].get("dynamodb:PutItem", 0) for run in runs["stream"])
    last = reads[-1]
    return {
        "batches": batches,
        "records_a_batch": BATCH,
        "sensors": SENSORS,
        "ratios": {
            "stream_vs_naive": round(rates["stream"] / rates["naive"], 2),
            "s3_requests_vs_naive": round(requests["stream"]["s3"] / requests["naive"]["s3"], 4),
            "dynamodb_requests_vs_naive": round(requests["stream"]["dynamodb"] / requests["naive"]["dynamodb"], 4),
            "read_units_vs_naive": round(last["ours"] / last["naive"], 6),
        },
        "functions": [
            {"function": name, "records_per_second": rate, "seconds": [round(run["seconds"], 3) for run in runs[name]]}
            for name, rate in rates.items()
        ],
        "requests_per_1000_records": requests,
        "s3_puts_a_batch": _per_batch(runs["stream"], "s3:PutObject", batches),
        "window_writes_a_sensor_minute_of_a_batch": round(writes / sum(_sensor_minutes(runs, batches)), 3),
        "reads": reads,
    }


def _per_thousand(runs: list[dict]) -> dict[str, float]:
    """Requests for 1,000 records by service."""
    counts: Counter[str] = Counter()
    for run in runs:
        for request, count in run["requests"].items():
            counts[request.partition(":")[0]] += count
    records = sum(run["records"] for run in runs)
    return {service: round(1000 * count / records, 2) for service, count in sorted(counts.items())}


def _per_batch(runs: list[dict], request: str, batches: int) -> float:
    return round(sum(run["requests"].get(request, 0) for run in runs) / len(runs) / batches, 3)


def _sensor_minutes(runs: dict[str, list[dict]], batches: int) -> Iterable[int]:
    """How many windows each measured batch has readings of."""
    for number in range(len(runs["stream"])):
        first = 1 + number * (batches + 1)
        for batch in range(first, first + batches):
            readings = map(reading, range(batch * BATCH, (batch + 1) * BATCH))
            yield len({(sensor, time.replace(second=0)) for sensor, time, _ in readings})


def table(report: dict) -> str:
    """The report for people."""
    lines = [f"{'function':12}{'records/s':>10}"]
    lines += [f"{each['function']:12}{each['records_per_second']:>10,}" for each in report["functions"]]
    lines += ["", f"{'requests for 1,000 records':30}{'s3':>10}{'dynamodb':>10}"]
    for name, found in report["requests_per_1000_records"].items():
        lines.append(f"{name:30}{found['s3']:>10,}{found['dynamodb']:>10,}")
    lines += ["", f"{'readings in the table':30}{'ours':>10}{'scan':>10}  read units of the same question"]
    for each in report["reads"]:
        computed = "  computed from the size of an item" if each["naive_is_computed"] else ""
        lines.append(f"{each['readings']:<30,}{each['ours']:>10,}{each['naive']:>10,}{computed}")
    return "\n".join([*lines, "", *(f"{name:28}{ratio:>10}" for name, ratio in report["ratios"].items())])
