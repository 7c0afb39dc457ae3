"""The handlers of the stream: events as AWS sends them, in moto."""

import io
import json
from decimal import Decimal

import pytest
from botocore.exceptions import ClientError

from local.invocation import Context
from sluice.stream import applied
from sluice.stream.readings import check_reading
from sluice.stream.windows import ALL_SENSORS, Resolution, Window
from support.metrics import of, read
from support.readings import Put, batch, discarded, lines, message, read_processed, reading

TIME = "2026-11-28T10:05:10Z"
MINUTE, HOUR, DAY = Resolution
MAX_RECEIVES = 3


@pytest.fixture
def aws(aws):
    aws.add_stream()
    return aws


@pytest.fixture
def stream(aws, load):
    """The module of the stream's handler."""
    names = {"WINDOWS_TABLE": "windows", "LEDGER_TABLE": "ledger", "LAKE_BUCKET": "lake", "TOPIC_ARN": aws.topic}
    return load("stream", **names, ENVIRONMENT="test", MAX_RECEIVES=str(MAX_RECEIVES))


@pytest.fixture
def log(stream, monkeypatch) -> io.StringIO:
    """What the function logs."""
    written = io.StringIO()
    monkeypatch.setattr(stream.logger.registered_handler, "stream", written)
    return written


@pytest.fixture
def deliver(stream):
    """Hands the handler an event; the identifiers that it answers with."""

    def call(event: dict) -> list[str]:
        return [each["itemIdentifier"] for each in stream.handler(event, Context("stream"))["batchItemFailures"]]

    return call


@pytest.fixture
def receive(aws, deliver):
    """Lets Lambda let go of records, and the handler receive the message of it; whether it is accepted."""

    def call(puts: list[Put], receives: int = 1) -> bool:
        key = f"aws/lambda/mapping/{puts[0].shard}/2026-11-28T10.07.06-é+ 1"
        aws.s3.put_object(Bucket="lake", Key=key, Body=discarded(puts))
        return not deliver({"Records": [message("lake", key, receives=receives)]})

    return call


@pytest.fixture
def stumble(stream, monkeypatch):
    """Lets the check stumble on records."""

    def on(*found: bytes) -> None:
        def check(record, *arguments):
            if record.data in found:
                raise RuntimeError(f"a mistake of ours: {record.data}")
            return check_reading(record, *arguments)

        monkeypatch.setattr(stream.intake, "_check", check)

    return on


def objects(aws) -> dict[str, bytes]:
    found = aws.s3.list_objects_v2(Bucket="lake").get("Contents", [])
    return {each["Key"]: aws.s3.get_object(Bucket="lake", Key=each["Key"])["Body"].read() for each in found}


def minutes(aws) -> dict[tuple[str, str], tuple]:
    """The table's minutes: what each sensor's add up to."""
    items = aws.dynamodb.scan(TableName="windows")["Items"]
    return {
        (item["sensor"]["S"], item["period"]["S"].split("#")[1]): (
            int(item["count"]["N"]),
            *(Decimal(item[name]["N"]) for name in ("sum", "min", "max")),
        )
        for item in items
    }


def puts(*temperatures: object, start: int = 0) -> list[Put]:
    return [Put(reading("s1", TIME, each), number) for number, each in enumerate(temperatures, start)]


def test_a_batch_is_kept_checked_and_added_up(aws, deliver, event):
    assert deliver(event("kinesis")) == []

    first, last = ("4959033827149025660855969253836157109592157598913658" + end for end in ("8898", "8901"))
    [processed, raw, rejects] = sorted(objects(aws))
    name = f"temperature/2026/11/28/10/shardId-000000000006-{first}-{last}-"
    assert raw.startswith(f"raw/{name}") and raw.endswith(".jsonl.gz")
    assert [processed, rejects] == [raw.replace("raw", "processed"), raw.replace("raw", "rejects").removesuffix(".gz")]
    assert [line["partition_key"] for line in lines(objects(aws)[raw])] == ["s1", "s2", "s1", "s1"]
    assert minutes(aws) == read_processed(objects(aws)) == {
        ("s1", "2026-11-28T10:05Z"): (2, Decimal("40.4"), Decimal("20.1"), Decimal("20.3")),
        ("s2", "2026-11-28T10:05Z"): (1, -3, -3, -3),
    }
    assert json.loads(objects(aws)[rejects]) == {
        "source": "shardId-000000000006/s1",
        "sequence": last,
        "row": 4,
        "field": "temperature",
        "error": "type-error",
        "message": "is not a number",
        "text": "warm",
    }
    [told] = aws.told()
    assert (told["state"], told["rows_good"], told["rows_rejected"]) == ("PARTIAL", 3, 1)
    assert (told["dataset"], told["attempt"], told["key"], told["version_id"]) == ("temperature", 1, raw, "stream")
    assert told["result"] == f"s3://lake/{processed}" and told["error_report"] == f"s3://lake/{rejects}"
    [item] = aws.items()
    assert (item["state"], item["upload_id"], item["reason"]) == (
        "PARTIAL",
        told["upload_id"],
        "1 of 4 rows break the contract",
    )


def test_a_clean_batch_costs_two_puts_and_one_write_a_sensor_and_minute(deliver, requests):
    records = [Put(reading(f"s{number % 3}", TIME, 20), number) for number in range(100)]

    assert deliver(batch(records)) == []

    assert requests == [
        "PutObject",
        "BatchGetItem",
        *["PutItem"] * 3,
        "PutObject",
        "BatchGetItem",
        "Publish",
        "UpdateItem",
    ]


def test_a_batch_that_comes_again_changes_nothing_and_is_not_told_again(aws, deliver, requests):
    event = batch(puts(20, 21))
    deliver(event)
    before, told = (minutes(aws), objects(aws), aws.items()), aws.told()
    requests.clear()

    assert deliver(event) == []

    assert "PutItem" not in requests and "Publish" not in requests and len(told) == 1
    assert (minutes(aws), objects(aws), aws.items()) == before


def test_a_batch_of_bad_records_only_is_rejected(aws, deliver):
    deliver(batch(puts('"warm"')))

    [told] = aws.told()
    assert (told["state"], told["reason"], told["result"]) == ("REJECTED", "no row is valid", None)
    assert [key.partition("/")[0] for key in objects(aws)] == ["raw", "rejects"]


def test_a_record_that_our_code_stumbles_on_does_not_take_what_is_before_it(aws, deliver, stumble, log):
    records = puts(20, 21, 22, 23)
    stumble(records[2].data)

    assert deliver(batch(records)) == [records[2].number]

    assert minutes(aws)["s1", "2026-11-28T10:05Z"][:2] == (2, 41)
    assert aws.told()[0]["rows_good"] == 2
    failure = json.loads(log.getvalue().splitlines()[-1])
    assert failure["message"] == "a record could not be checked" and failure["sequence"] == records[2].number
    assert failure["reason"].startswith("RuntimeError in test_stream_handler.py"), "and not the record's text"
    assert deliver(batch(records[2:])) == [records[2].number], "there is nothing before it"
    assert len(aws.told()) == 0


def test_a_platform_that_fails_makes_lambda_try_again(deliver, stream, monkeypatch):
    def fail(*arguments) -> None:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")

    monkeypatch.setattr(stream.lake, "put", fail)

    with pytest.raises(ClientError):
        deliver(batch(puts(20)))


def test_a_discarded_batch_ends_as_it_would_have(aws, receive):
    assert receive(puts(20, 21))

    assert minutes(aws)["s1", "2026-11-28T10:05Z"][:2] == (2, 41)
    assert aws.told()[0]["state"] == "SUCCEEDED"


def test_the_rest_of_a_discarded_batch_counts_and_what_is_between_is_still_missing(aws, receive, stumble):
    """It must not be taken for something that has been, when it is redriven."""
    records = puts(1, 2, 4, 8)
    stumble(records[1].data)
    assert not receive(records)
    assert minutes(aws)["s1", "2026-11-28T10:05Z"][:2] == (3, 13)
    assert aws.told() == aws.items() == [], "the batch has not ended"

    stumble()
    assert receive(records)

    assert minutes(aws)["s1", "2026-11-28T10:05Z"][:2] == (4, 15)


def test_a_discarded_batch_fails_in_its_last_receipt_and_succeeds_when_it_is_redriven(aws, receive, stumble, log):
    records = puts(20)
    stumble(records[0].data)

    assert [receive(records, receives) for receives in range(1, MAX_RECEIVES + 1)] == [False] * MAX_RECEIVES

    [failed] = aws.told()
    assert failed["state"] == aws.items()[0]["state"] == "FAILED"
    assert failed["reason"].startswith("gave up on a batch that Lambda had let go of: RuntimeError in")
    assert "RuntimeError in" in log.getvalue() and "a mistake of ours" not in log.getvalue()

    stumble()
    assert receive(records)

    [told] = aws.told()
    assert told["state"] == aws.items()[0]["state"] == "SUCCEEDED"
    assert told["upload_id"] == failed["upload_id"] and told["attempt"] > failed["attempt"]
    assert receive(records) and aws.told() == [], "its duplicate is told of no more"


def test_a_failure_that_cannot_be_told_goes_to_the_dead_letters_all_the_same(stream, receive, stumble, monkeypatch):
    def fail(announcement) -> None:
        raise ClientError({"Error": {"Code": "InternalError"}}, "Publish")

    records = puts(20)
    stumble(records[0].data)
    monkeypatch.setattr(stream.intake._notifier, "publish", fail)

    assert not receive(records, MAX_RECEIVES)


def test_messages_are_judged_one_by_one(aws, deliver):
    aws.s3.put_object(Bucket="lake", Key="aws/lambda/good", Body=discarded(puts(20)))
    aws.s3.put_object(Bucket="lake", Key="aws/lambda/bad", Body=b"{}")
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake"}
    messages = {
        "good": message("lake", "aws/lambda/good"),
        "bad": message("lake", "aws/lambda/bad", receives=MAX_RECEIVES),
        "missing": message("lake", "aws/lambda/missing", receives=MAX_RECEIVES),
        "test": message("lake", "") | {"body": json.dumps(test_event)},
        "unreadable": message("lake", "") | {"body": "{}"},
    }

    failed = deliver({"Records": [each | {"messageId": name} for name, each in messages.items()]})

    assert failed == ["bad", "missing", "unreadable"]
    assert [told["state"] for told in aws.told()] == ["SUCCEEDED"]


def test_a_sensor_whose_clock_stands_does_not_stop_the_shard(aws, deliver, monkeypatch):
    monkeypatch.setattr(applied, "BYTES_LIMIT", 150)
    deliver(batch(puts(20)))
    aws.told()

    deliver(batch([*puts(21, start=1), Put(reading("s2", TIME, 5), 2, "s2")]))

    assert minutes(aws)["s1", "2026-11-28T10:05Z"][0] == minutes(aws)["s2", "2026-11-28T10:05Z"][0] == 1
    [told] = aws.told()
    assert (told["state"], told["rows_rejected"], told["first_errors"][0]["field"]) == ("PARTIAL", 1, "time")


def test_a_minute_that_is_full_from_the_start_does_not_stop_the_shard(aws, deliver, monkeypatch):
    monkeypatch.setattr(applied, "BYTES_LIMIT", 100)

    assert deliver(batch(puts(20))) == []

    assert minutes(aws) == read_processed(objects(aws)) == {}
    assert [told["state"] for told in aws.told()] == ["REJECTED"]


def test_a_window_that_another_invocation_writes_meanwhile_is_read_again(aws, stream, deliver, monkeypatch):
    whole, others = stream.intake._windows.states, [puts(40, start=50), puts(80, start=60)]

    def states(windows):
        found = whole(windows)
        if others:
            other = others.pop()
            deliver(batch(other))
        return found

    monkeypatch.setattr(stream.intake._windows, "states", states)

    assert deliver(batch(puts(20))) == []

    assert minutes(aws)["s1", "2026-11-28T10:05Z"][:2] == (3, 140)
    assert read_processed(objects(aws)) == minutes(aws)


def test_people_are_told_what_to_do_about_a_stream(aws, deliver, stream, monkeypatch):
    told = []
    monkeypatch.setattr(stream.intake._notifier, "publish", told.append)

    deliver(batch(puts(20, '"warm"')))

    assert "Correct what sends the rejected records" in told[0].text and "upload the file again" not in told[0].text


def test_changes_of_windows_are_rolled_up(aws, deliver, event, load):
    deliver(event("kinesis"))
    rollup = load("rollup", WINDOWS_TABLE="windows")

    assert rollup.handler(event("windows"), Context("rollup")) == {"batchItemFailures": []}

    hour = Window.from_key("hour#2026-11-28T10:00Z#0", ALL_SENSORS)
    found = rollup.rollup._windows.statistics([hour, hour.parent], consistent=True)
    assert {(each.count, each.total) for each in found.values()} == {(3, Decimal("37.4"))} and len(found) == 2


def test_windows_that_have_expired_are_no_change(load, aws, event, monkeypatch):
    rollup, changed = load("rollup", WINDOWS_TABLE="windows"), []
    monkeypatch.setattr(rollup.rollup, "run", lambda windows: changed.extend(windows))

    rollup.handler(event("windows"), Context("rollup"))

    assert sorted(window.sensor for window in changed) == ["s1", "s2"]
    assert {f"{window.start:%Y-%m-%dT%H:%M}" for window in changed} == {"2026-11-28T10:05"}


def test_simulated_readings_are_put_by_the_schedules_time(aws, load, monkeypatch):
    simulate = load("simulate", STREAM_NAME="readings", SENSORS="3")
    taken = []
    monkeypatch.setattr(simulate.producer, "put", taken.append)

    for event in ({"time": "2026-11-28T10:06:00Z"}, {"time": "2026-11-28T10:06:00Z"}, {}):
        assert simulate.handler(event, Context("simulate")) == {"records": 36}

    assert taken[0] == taken[1] != taken[2]
    assert {sensor for sensor, _ in taken[0]} == {"simulated-1", "simulated-2", "simulated-3"}


def test_each_batch_is_counted_once_and_each_failed_attempt(deliver, stumble, capsys):
    good, bad = puts(20, "warm"), puts(21, start=2)
    assert deliver(batch(good)) == deliver(batch(good)) == []
    stumble(bad[0].data)
    assert deliver(batch(bad)) == [bad[0].number]

    values = read(capsys.readouterr().out)
    service = {"environment": "test", "service": "stream"}
    counts = {"Uploads": [1], "RowsGood": [1], "RowsRejected": [1]}
    assert of(values, **service, state="PARTIAL", dataset="temperature") == counts
    assert of(values, **service)["FailedAttempts"] == [0, 1] and of(values, **service)["RejectedShare"] == [50]


def test_a_line_has_the_first_record_of_its_batch(deliver, log):
    deliver(batch(puts(20)))

    [line] = map(json.loads, log.getvalue().splitlines())
    assert line["correlation_id"].startswith("shardId-") and line["correlation_id"].endswith(line["first"])
