"""However Lambda delivers the stream, every reading counts exactly once."""

import base64
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.contract.descriptor import Dataset
from sluice.stream.intake import StreamIntake
from sluice.stream.readings import check_reading
from sluice.stream.records import Record
from sluice.stream.rollups import RollUp
from sluice.upload import FAILED
from support.datasets import dataset
from support.memory import Memory
from support.readings import Put, lines, read_processed, reading
from support.schedules import MAX_RECEIVES, Schedule, pause

# Two minutes before the end of a month, a day and an hour.
BEFORE_MIDNIGHT = datetime(2026, 11, 30, 23, 58, tzinfo=UTC)
ARRIVAL = BEFORE_MIDNIGHT + timedelta(minutes=4)
BAD = [
    b"",
    b"\xff",
    b"[1]",
    b'{"sensor":"s1","time":"2026-11-30T23:58:00Z"}',
    reading("*", "2026-11-30T23:58:00Z", 1),
    reading("s1", "2026-11-30T23:58:00Z", 1001),
    # A minute that is not kept any more, and one that has not come.
    reading("s1", "2026-10-30T23:58:00Z", 1),
    reading("s1", "2026-12-01T00:08:00Z", 1),
]

# Few of each, so that most readings meet others in their windows.
sensors = st.sampled_from(["s1", "s1", "s1", "s2"])
times = st.sampled_from(
    [BEFORE_MIDNIGHT + timedelta(seconds=seconds) for seconds in (59, 60, 61, 62, 90, 119, 120)]
    + [BEFORE_MIDNIGHT - timedelta(days=29)]
)
temperatures = st.sampled_from(["20", "20.1", "-3.33333333333333333333", "-0", "1e2", "21.349999999999998"])
good = st.tuples(sensors, times, temperatures)
# What, whose partition key (its sensor's, or one that several share), which shard, and whether our code stumbles on it.
records = st.tuples(
    st.one_of(*[good] * 11, st.sampled_from(BAD)),
    st.sampled_from([None, None, None, "a"]),
    st.sampled_from([0, 0, 0, 0, 1]),
    st.sampled_from([False] * 6 + [True]),
)


class Choices:
    """Numbers that hypothesis has drawn, as choices; the usual way where they are used up."""

    def __init__(self, drawn: bytes) -> None:
        self._left = iter(drawn)

    def __call__(self, ways: int) -> int:
        return next(self._left, 0) % ways


def put_all(drawn: list) -> tuple[list[Put], list[tuple], set[bytes]]:
    """The records on the stream, the readings that they are, and the bytes that our code stumbles on."""
    puts, readings, stumbling = [], [], set()
    for sequence, (content, partition_key, shard, stumbles) in enumerate(drawn):
        if isinstance(content, bytes):
            data, sensor = content, "s1"
        else:
            sensor, time, temperature = content
            data = reading(sensor, f"{time:%Y-%m-%dT%H:%M:%SZ}", temperature)
            readings.append(content)
        if stumbles:
            stumbling.add(data)
        puts.append(
            Put(data, sequence, partition_key or sensor, f"shardId-{shard:012}", ARRIVAL.timestamp() + sequence / 1000)
        )
    return puts, readings, stumbling


def expected(readings: list[tuple]) -> dict[tuple[str, str, str], tuple]:
    """What the readings of each window add up to, as anybody would write it: (resolution, start, sensor)."""
    values = defaultdict(list)
    for sensor, time, temperature in readings:
        text = f"{time:%Y-%m-%dT%H:%M}"
        for start in (("minute", text), ("hour", f"{text[:13]}:00"), ("day", f"{text[:10]}T00:00")):
            values[*start, sensor].append(Decimal(temperature))
            values[*start, "*"].append(Decimal(temperature))
    return {window: (len(found), sum(found), min(found), max(found)) for window, found in values.items()}


@pytest.fixture
def run(load, monkeypatch) -> Iterator[Callable[[list[Put], set[bytes], bytes], Memory]]:
    """Runs the handlers over records on a schedule, until every dead letter has been redriven; what is there then."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    names = {"WINDOWS_TABLE": "windows", "LEDGER_TABLE": "ledger", "LAKE_BUCKET": "lake", "TOPIC_ARN": "topic"}
    stream = load("stream", **names, ENVIRONMENT="test", MAX_RECEIVES=str(MAX_RECEIVES))
    rollup = load("rollup", WINDOWS_TABLE="windows")
    temperature = dataset("temperature")

    def over(puts: list[Put], stumbling: set[bytes], drawn: bytes) -> Memory:
        choose, memory, bugs = Choices(drawn), Memory(pause), set(stumbling)

        def check(record: Record, dataset: Dataset, row: int) -> tuple:
            if record.data in bugs:
                raise RuntimeError("a mistake of ours")
            return check_reading(record, dataset, row)

        stream.lake = memory.lake
        stream.intake = StreamIntake(
            dataset=temperature, **memory.adapters(), environment="test", count=memory.count, check=check
        )
        rollup.rollup = RollUp(memory.windows)
        schedule = Schedule(memory, stream.handler, rollup.handler, choose)
        schedule.put(puts)
        if choose(3) == 2:
            schedule.replay(puts[choose(len(puts)) :])
        schedule.run()
        bugs.clear()
        while schedule.redrive():
            schedule.run()
        return memory

    # Nobody reads a log of thousands of calls.
    logging.disable(logging.CRITICAL)
    yield over
    logging.disable(logging.NOTSET)


def test_every_reading_counts_once_on_any_schedule(run):
    @settings(max_examples=100, deadline=None)
    @given(st.lists(records, min_size=10, max_size=30), st.binary(min_size=300, max_size=900))
    def holds(drawn: list, schedule: bytes) -> None:
        puts, readings, stumbling = put_all(drawn)

        memory = run(puts, stumbling, schedule)

        wanted = expected(readings)
        assert windows(memory) == wanted
        assert read_processed(memory.lake.objects) == {
            (sensor, f"{start}Z"): found
            for (label, start, sensor), found in wanted.items()
            if label == "minute" and sensor != "*"
        }
        assert raw(memory) == {(put.shard, put.number): put.data for put in puts}
        assert rejected(memory) == {
            (f"{put.shard}/{put.partition_key}", put.number) for put in puts if put.data in BAD
        }
        assert FAILED not in [outcome.state for _, outcome in memory.ledger.items.values()]
        assert_told_of(memory)

    holds()


def windows(memory: Memory) -> dict[tuple[str, str, str], tuple]:
    return {
        (window.resolution.label, f"{window.start:%Y-%m-%dT%H:%M}", window.sensor): (
            state.statistics.count,
            state.statistics.total,
            state.statistics.minimum,
            state.statistics.maximum,
        )
        for window, state in memory.windows.items.items()
    }


def raw(memory: Memory) -> dict[tuple[str, str], bytes]:
    """What the raw objects hold; a record that is in several of them is the same in each."""
    found: dict[tuple[str, str], bytes] = {}
    for key, body in memory.lake.objects.items():
        for line in lines(body) if key.startswith("raw/") else ():
            data = line["data"].encode() if "data" in line else base64.b64decode(line["data_base64"])
            assert found.setdefault((line["shard"], line["sequence"]), data) == data
    return found


def rejected(memory: Memory) -> set[tuple[str, str]]:
    """The records that the rejects objects tell of."""
    bodies = [body for key, body in memory.lake.objects.items() if key.startswith("rejects/")]
    return {(line["source"], line["sequence"]) for body in bodies for line in map(json.loads, body.splitlines())}


def assert_told_of(memory: Memory) -> None:
    """Every batch that has ended was announced as it ended, and no attempt as two things."""
    told: dict[tuple[str, int], str] = {}
    for announcement in memory.notifier.published:
        document = json.loads(announcement.document)
        attempt = document["upload_id"], document["attempt"]
        assert told.setdefault(attempt, document["state"]) == document["state"]
    for upload, (attempt, outcome) in memory.ledger.items.items():
        assert told[upload.id, attempt] == outcome.state
