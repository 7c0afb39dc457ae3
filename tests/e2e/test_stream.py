"""Readings through the deployed system: what Lambda delivers, in whatever pieces and however often, counts once."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from local.calls import Api
from local.deployment import Deployment
from support.deployed import counts, held_to_what_it_takes, resource, role_name, until
from support.extended import (
    AVERAGE,
    SERIES,
    batches,
    lines,
    now,
    put,
    read_again,
    reading,
    settled,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def api(extended: Deployment) -> Api:
    return Api(extended.cloud, extended.outputs()["ApiUrl"])


@pytest.fixture(scope="module")
def stream_role(extended: Deployment) -> str:
    return role_name(extended, "StreamRole")


@pytest.fixture
def without_windows(extended: Deployment, stream_role: str) -> Iterator[object]:
    """Takes the function's right to write windows away; what it yields gives it back."""
    iam, policy = extended.cloud.client("iam"), {"RoleName": stream_role, "PolicyName": "stream"}
    whole = iam.get_role_policy(**policy)["PolicyDocument"]
    reduced = [statement for statement in whole["Statement"] if statement["Sid"] != "KeepWindows"]

    def give_back() -> None:
        iam.put_role_policy(**policy, PolicyDocument=json.dumps(whole))

    iam.put_role_policy(**policy, PolicyDocument=json.dumps({**whole, "Statement": reduced}))
    yield give_back
    give_back()


def tenths(first: int, count: int) -> list[Decimal]:
    """Temperatures whose sum has no exact float."""
    return [Decimal(first + number) / 10 for number in range(count)]


def rows(sensor: str, start: datetime, values: list[Decimal]) -> list[tuple[str, bytes]]:
    """Readings of a sensor, ten seconds apart."""
    return [reading(sensor, start + timedelta(seconds=10 * number), value) for number, value in enumerate(values)]


def test_readings_delivered_twice_split_and_late_count_once(extended, api):
    start = now().replace(second=0) - 5 * MINUTE
    values = {f"dup-{number}": tenths(100 * number, 12) for number in range(4)}
    late = rows("dup-0", start - timedelta(days=2), [Decimal("-3.3")])
    records = [record for sensor, some in values.items() for record in rows(sensor, start, some)]
    # A second mapping reads the same records at the same time, in pieces of five.
    mapping = read_again(extended, 5)
    put(extended, records[::2] + late)
    put(extended, records[1::2])

    span = {"from": start.isoformat(), "to": now().isoformat()}
    old = {"from": (start - timedelta(days=2)).isoformat(), "to": (start - timedelta(days=1)).isoformat()}
    queries = [(12, {"sensor": sensor, **span}) for sensor in values]
    *answers, answer = settled(api, *queries, (1, {"sensor": "dup-0", **old}))
    assert [(answer["count"], answer["min"], answer["max"], answer["average"]) for answer in answers] == [
        (12, float(min(some)), float(max(some)), float(sum(some) / 12)) for some in values.values()
    ]
    assert (answer["count"], answer["average"]) == (1, -3.3)
    extended.cloud.client("lambda").delete_event_source_mapping(UUID=mapping)


def test_windows_add_up_to_hours_days_and_all_sensors(extended, api):
    start = now().replace(minute=0, second=0) - timedelta(days=4)
    first, second = tenths(150, 6), tenths(200, 6)
    put(extended, rows("roll-1", start, first) + rows("roll-1", start + 90 * MINUTE, second))
    put(extended, rows("roll-2", start + 30 * MINUTE, second))

    day = {"from": start.replace(hour=0).isoformat(), "to": (start.replace(hour=0) + timedelta(days=1)).isoformat()}
    [together] = settled(api, (18, {"resolution": "day", **day}))
    hours = api.get(SERIES, sensor="roll-1", resolution="hour", **day).document["windows"]
    sensors = api.get("/api/v1/temperature/sensors", day=f"{start:%Y-%m-%d}").document["sensors"]
    assert together["average"] == float(round(sum([*first, *second, *second]) / 18, 6))
    assert [(window["count"], window["average"]) for window in hours] == [(6, 15.25), (6, 20.25)]
    assert sensors == ["roll-1", "roll-2"]


def test_bad_records_are_told_of_and_hold_nothing_up(extended, api):
    start = now().replace(second=0) - 3 * MINUTE
    [good] = rows("bad-1", start, [Decimal("20.5")])
    first, second = put(extended, [("bad-1", b"no JSON"), ("bad-1", good[1].replace(b"20.5", b'"warm"'))])
    put(extended, [good])

    [answer] = settled(api, (1, {"sensor": "bad-1", "from": start.isoformat()}))
    assert answer["average"] == 20.5
    found = until(lambda: [line for line in lines(extended, "rejects/") if line["sequence"] in (first, second)][1:])
    assert found[-1]["sequence"] in (first, second)
    told = {line["sequence"]: (line["error"], line["field"]) for line in lines(extended, "rejects/")}
    assert (told[first], told[second]) == (("row-error", None), ("type-error", "temperature"))
    states = {item["state"] for key, item in batches(extended).items() if first in key or second in key}
    assert states <= {"PARTIAL", "REJECTED"} and states


def test_a_batch_that_cannot_be_processed_fails_and_is_redriven(extended, api, without_windows):
    start = now().replace(second=0) - 2 * MINUTE
    [sequence] = put(extended, rows("poison-1", start, [Decimal("19.75")]))

    def batch() -> dict:
        """The last attempt of the one batch that holds the record."""
        return next((item for key, item in batches(extended).items() if sequence in key), {})

    # Lambda gives up, S3 tells of what it has put there, and the function gives up on that.
    until(lambda: counts(extended, "DiscardedDeadLetterQueueUrl") == 1, 90)
    assert batch()["state"] == "FAILED"
    until(lambda: any(told["state"] == "FAILED" and sequence in told["key"] for told in extended.receive()))
    s3, bucket = extended.cloud.client("s3"), extended.outputs()["LakeBucket"]
    discarded = s3.list_objects_v2(Bucket=bucket, Prefix="aws/lambda/")["Contents"]
    assert any(sequence in s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode() for item in discarded)
    without_windows()

    arn = extended.cloud.client("sqs").get_queue_attributes(
        QueueUrl=extended.outputs()["DiscardedDeadLetterQueueUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    extended.cloud.client("sqs").start_message_move_task(SourceArn=arn)

    until(lambda: batch()["state"] == "SUCCEEDED")
    [answer] = settled(api, (1, {"sensor": "poison-1", "from": start.isoformat()}))
    assert answer["average"] == 19.75
    assert counts(extended, "DiscardedDeadLetterQueueUrl") == 0


def test_a_replay_from_a_point_in_time_changes_no_number(extended, api):
    start = now().replace(second=0) - 4 * MINUTE
    since = datetime.now().timestamp()
    put(extended, rows("replay-1", start, tenths(100, 12)))
    span = {"sensor": "replay-1", "from": start.isoformat(), "to": (start + 2 * MINUTE).isoformat()}
    [before] = settled(api, (12, span))
    known = batches(extended).keys()

    mapping = read_again(extended, 5, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=since)
    again = until(lambda: [key for key in batches(extended).keys() - known if "/raw/" in f"/{key}"][2:])
    extended.cloud.client("lambda").delete_event_source_mapping(UUID=mapping)

    assert again
    assert (before["count"], before["average"]) == (12, 10.55)
    assert api.get(AVERAGE, **span).document == before
    assert len(api.get(SERIES, **span).document["windows"]) == 2


def test_the_simulator_puts_readings_that_are_good(extended, api):
    simulate = resource(extended, "Lambda", "Simulate")
    moment = now()
    event = json.dumps({"time": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}).encode()
    for _ in range(2):
        answer = extended.cloud.client("lambda").invoke(FunctionName=f"{simulate}:live", Payload=event)
        assert "FunctionError" not in answer

    [answer] = settled(api, (1, {"sensor": "simulated-1", "from": (moment - 10 * MINUTE).isoformat()}))
    assert -30 < answer["min"] <= answer["max"] < 50
    assert not [line for line in lines(extended, "rejects/") if "simulated" in line["source"]]


@pytest.mark.parametrize("role", ["StreamRole", "RollupRole", "SimulateRole"])
def test_every_granted_action_is_taken_and_no_other_was_asked_for(extended, role):
    """By the tests above; what was refused was taken away by one of them."""
    taken_away = {"dynamodb:BatchGetItem", "dynamodb:PutItem"} if role == "StreamRole" else set()
    held_to_what_it_takes(extended, role, taken_away)
