"""The adapters of the stream, and the ones in memory that its schedules run on: both keep the same promises."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sluice.errors import TransientError
from sluice.lake import Lake
from sluice.ledger import Standing
from sluice.producer import Producer
from sluice.stream.applied import State
from sluice.stream.windows import ALL_SENSORS, Resolution, Statistics, Window
from sluice.upload import FAILED, REJECTED, STREAM_VERSION, SUCCEEDED, Outcome, Upload
from sluice.windows import Windows
from support.memory import MemoryLake, MemoryLedger, MemoryWindows

MINUTE, HOUR, DAY = Resolution
TEN = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
BATCH = Upload("lake", "raw/temperature/2026/11/28/10/shardId-000000000000-1-9-abc.jsonl.gz", STREAM_VERSION, 12)


@pytest.fixture(params=["memory", "aws"])
def windows(request):
    """The windows table, in memory and in moto."""
    if request.param == "memory":
        return MemoryWindows()
    return Windows(request.getfixturevalue("aws").dynamodb, "windows")


@pytest.fixture(params=["memory", "aws"])
def ledger(request):
    return MemoryLedger() if request.param == "memory" else request.getfixturevalue("aws").ledger


@pytest.fixture(params=["memory", "aws"])
def lake(request):
    return MemoryLake() if request.param == "memory" else Lake(request.getfixturevalue("aws").s3, "lake")


def of(*values: str) -> Statistics:
    return Statistics.of(map(Decimal, values))


def test_a_state_is_written_once_from_each_version(windows):
    window, other = Window.of("s1", MINUTE, TEN), Window.of("s2", MINUTE, TEN)
    applied = {"shardId-000000000000/é 1": ((10**55, 10**55 + 7), (10**55 + 9, 10**55 + 9)), "b/s1": ((0, 3),)}
    first = State(of("1", "-0.00000000000000000001"), applied)
    assert windows.states([window, other]) == {window: State(), other: State()}

    assert windows.replace(window, first)
    assert not windows.replace(window, first), "somebody else has made the first one"

    stored = windows.states([window, other])
    assert stored == {window: State(first.statistics, applied, 1), other: State()}
    second = State(of("1", "2"), {"b/s1": ((0, 5),)}, 1)
    assert windows.replace(window, second)
    assert not windows.replace(window, second), "a late one made from the same version"
    assert windows.states([window])[window] == State(second.statistics, second.applied, 2)


def test_a_state_whose_item_has_expired_is_not_written(windows):
    assert not windows.replace(Window.of("s1", MINUTE, TEN), State(of("1"), {"a": ((1, 1),)}, 3))


def test_a_roll_up_replaces_one_of_as_many_readings_or_fewer(windows):
    window = Window.of(ALL_SENSORS, DAY, TEN)

    assert windows.roll_up(window, of("1", "2"))
    assert windows.roll_up(window, of("1", "3"))
    assert not windows.roll_up(window, of("9"))

    assert windows.statistics([window], consistent=True) == {window: of("1", "3")}


def test_windows_are_read_by_name_however_many_and_those_that_there_are(windows):
    minutes = [Window.of("s1", MINUTE, TEN + timedelta(minutes=minute)) for minute in range(250)]
    for minute in minutes[::2]:
        windows.roll_up(minute, of("20.5"))

    assert windows.statistics([*minutes, *minutes]) == dict.fromkeys(minutes[::2], of("20.5"))
    assert windows.statistics([]) == {}


def test_sensors_of_a_moment_are_found_in_all_partitions(windows):
    names = sorted(f"sensor-{number}" for number in range(40))
    for name in names:
        windows.roll_up(Window.of(name, HOUR, TEN), of("1"))
    windows.roll_up(Window.of(ALL_SENSORS, HOUR, TEN), of(*["1"] * 40))
    windows.roll_up(Window.of("another hour's", HOUR, TEN + HOUR.length), of("1"))
    windows.roll_up(Window.of("a minute's", MINUTE, TEN), of("1"))

    assert windows.sensors(HOUR, TEN) == names
    assert windows.by_sensor(HOUR, TEN) == dict.fromkeys(names, of("1"))


def test_sensors_of_many_pages_are_found(aws, monkeypatch):
    windows = Windows(aws.dynamodb, "windows")
    pages = [
        {"Items": [{"sensor": {"S": "s2"}}], "LastEvaluatedKey": {"sensor": {"S": "s2"}}},
        {"Items": [{"sensor": {"S": "s1"}}]},
        *[{"Items": []}] * 15,
    ]
    asked = []
    monkeypatch.setattr(
        aws.dynamodb, "query", lambda **request: (asked.append(request.get("ExclusiveStartKey")), pages.pop(0))[1]
    )

    assert windows.sensors(HOUR, TEN) == ["s1", "s2"]
    assert asked[:3] == [None, {"sensor": {"S": "s2"}}, None]


def test_what_dynamodb_leaves_out_is_asked_for_again(aws, monkeypatch):
    windows, window = Windows(aws.dynamodb, "windows"), Window.of("s1", HOUR, TEN)
    windows.roll_up(window, of("1"))
    whole, asked = aws.dynamodb.batch_get_item, []

    def leave_out(**request):
        asked.append(request["RequestItems"])
        return {"Responses": {}, "UnprocessedKeys": asked[0]} if len(asked) < 3 else whole(**request)

    monkeypatch.setattr(aws.dynamodb, "batch_get_item", leave_out)
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    assert windows.statistics([window], consistent=True) == {window: of("1")}
    assert asked[0] == asked[1] == asked[2] and asked[0]["windows"]["ConsistentRead"]
    nothing = {"Responses": {}, "UnprocessedKeys": asked[0]}
    monkeypatch.setattr(aws.dynamodb, "batch_get_item", lambda **request: nothing)
    with pytest.raises(TransientError, match="1 items of the table windows"):
        windows.statistics([window])


def test_an_item_says_when_it_expires(aws):
    window = Window.of("s1", HOUR, TEN)
    Windows(aws.dynamodb, "windows").roll_up(window, of("1"))

    [item] = aws.dynamodb.scan(TableName="windows")["Items"]
    assert item["expires_at"] == {"N": str(window.expires_at)}
    assert item["period"] == {"S": window.period} and item["sensor"] == {"S": "s1"}


def test_a_batch_ends_once_unless_it_has_failed(ledger):
    assert ledger.standings([BATCH]) == {}
    assert ledger.record(BATCH, 2, Outcome(FAILED, "", "temperature"))
    assert ledger.standings([BATCH]) == {BATCH: Standing(FAILED, attempt=2)}

    assert not ledger.record(BATCH, 2, Outcome(SUCCEEDED, "", "temperature")), "an attempt that was before"
    assert ledger.record(BATCH, 3, Outcome(SUCCEEDED, "", "temperature"))
    assert not ledger.record(BATCH, 5, Outcome(FAILED, "", "temperature")), "a failure is no end of what has ended well"
    assert not ledger.record(BATCH, 5, Outcome(REJECTED, "", "temperature"))

    assert ledger.standings([BATCH]) == {BATCH: Standing(SUCCEEDED, attempt=3)}


def test_a_batch_is_listed_as_uploads_are(aws):
    aws.ledger.record(BATCH, 1, Outcome(SUCCEEDED, "all 9 rows are valid", "temperature", 9))

    [item] = aws.listed("temperature", "2023-11-14")
    assert item["upload_key"] == f"lake/{BATCH.key}"
    assert (item["version_id"], item["upload_id"], item["attempt"]) == ("stream", BATCH.id, "1")
    assert (item["rows_good"], item["size_bytes"], item["first_seen"]) == ("9", "12", item["finished"])
    assert int(item["expires_at"]) > aws.clock.now and "open_day" not in item


def test_what_has_no_final_state_is_listed_as_open_by_the_day_it_was_first_seen(aws):
    upload = aws.upload("people/staff.csv", b"")
    aws.ledger.claim(upload, lease=10, max_tries=3, sent=0)
    assert aws.items()[0]["open_day"] == "2023-11-14"

    aws.clock.now += 86_400
    claim = aws.ledger.claim(upload, lease=10, max_tries=3, sent=0)
    assert aws.items()[0]["open_day"] == "2023-11-14", "an attempt on another day"
    aws.ledger.finish(upload, claim.attempt, Outcome(FAILED, ""))
    assert "open_day" not in aws.items()[0]

    aws.clock.now += 86_400
    aws.ledger.claim(upload, lease=10, max_tries=3, sent=aws.clock.now)
    assert aws.items()[0]["open_day"] == "2023-11-14", "redriven on another day"


def test_the_lake_keeps_what_was_put_last(lake):
    for body in (b"first", b"second"):
        stored = lake.put("raw/a", body, "application/gzip")

    assert lake.get("raw/a") == b"second"
    assert (stored.uri, stored.bytes) == ("s3://lake/raw/a", 6)


@pytest.fixture
def kinesis():
    """Refuses the records that it is told to, the first time."""

    class Kinesis:
        def __init__(self) -> None:
            self.refused: set[bytes] = set()
            self.taken: list[tuple[str, bytes]] = []
            self.requests = 0

        def put_records(self, StreamName: str, Records: list[dict]) -> dict:
            assert StreamName == "readings" and len(Records) <= 500
            self.requests += 1
            results = []
            for record in Records:
                if record["Data"] in self.refused:
                    self.refused.remove(record["Data"])
                    results.append({"ErrorCode": "ProvisionedThroughputExceededException"})
                else:
                    self.taken.append((record["PartitionKey"], record["Data"]))
                    results.append({"SequenceNumber": "1", "ShardId": "shardId-000000000000"})
            return {"FailedRecordCount": len(Records) - len(results), "Records": results}

    return Kinesis()


def test_records_that_kinesis_refuses_are_put_again_and_no_others(kinesis, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    kinesis.refused = {b"1", b"501"}
    records = [("s1", str(number)) for number in range(502)]

    Producer(kinesis, "readings").put(records)

    assert sorted(kinesis.taken) == sorted((key, text.encode()) for key, text in records)
    assert kinesis.requests == 4


def test_a_stream_that_goes_on_refusing_is_an_error(kinesis, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    refused = {"ErrorCode": "InternalFailure"}
    monkeypatch.setattr(kinesis, "put_records", lambda StreamName, Records: {"Records": [refused] * len(Records)})

    with pytest.raises(TransientError, match="2 records"):
        Producer(kinesis, "readings").put([("s1", "1"), ("s1", "2")])
