"""Uploads through the deployed system: what S3 delivers, what people see."""

import json

import pytest

from delivery import subscriber
from support.deployed import GOOD, counts, items, notification, send, until

FILES = {
    "prices/LSE/ABC.csv": (GOOD, "SUCCEEDED"),
    'prices/東京/été + 100% "quoted" O\'Neil.csv': (GOOD, "SUCCEEDED"),
    "prices/LSE/space plus+file.csv": (GOOD + b"broken\n", "PARTIAL"),
    "prices/LSE/empty.csv": (b"", "REJECTED"),
    "prices/LSE/blank.csv": (b"\n", "REJECTED"),
    "prices/LSE/binary.csv": (b"\x00\x01", "REJECTED"),
    "prices/LSE/": (b"", "IGNORED"),
    "unclaimed.txt": (b"text", "IGNORED"),
}


def test_every_upload_ends_in_one_state_and_is_told_once(deployment):
    endings = deployment.process({key: body for key, (body, _) in FILES.items()})

    assert {ending.key: ending.state for ending in endings} == {key: state for key, (_, state) in FILES.items()}
    assert all(ending.reason for ending in endings)
    # The announcement comes before the final write.
    ledger = until(
        lambda: (found := items(deployment)) and all(item["state"] != "PROCESSING" for item in found.values()) and found
    )
    assert {key: item["state"] for (key, _), item in ledger.items() if key in FILES} == {
        key: state for key, (_, state) in FILES.items()
    }
    assert deployment.receive() == [], "each is told exactly once where nothing fails"
    assert counts(deployment, "DeadLetterQueueUrl") == 0


def test_the_test_event_of_the_deployment_is_accounted_for(deployment):
    [item] = [item for (key, version), item in items(deployment).items() if version == "s3:TestEvent"]

    assert (item["state"], bool(item["reason"])) == ("IGNORED", True)


def test_duplicates_and_late_events_change_nothing(deployment):
    key = "prices/LSE/twice.csv"
    [ending] = deployment.process({key: GOOD})
    [version] = [version for name, version in items(deployment) if name == key]
    until(lambda: items(deployment)[key, version]["state"] == "SUCCEEDED")
    before = items(deployment)[key, version]

    send(deployment, *[notification(deployment, key, version)] * 5)

    until(lambda: counts(deployment, "IntakeQueueUrl") == 0)
    assert items(deployment)[key, version] == before
    assert deployment.receive() == []
    assert ending.state == "SUCCEEDED"


def test_a_version_that_is_gone_is_ignored(deployment):
    key = "prices/LSE/gone.csv"

    send(deployment, notification(deployment, key, "3sL4kqtJlcpXroDTDmJ.xUz.rjDHrrrr"))

    item = until(lambda: next((item for (name, _), item in items(deployment).items() if name == key), None))
    item = until(lambda: (found := items(deployment)[key, item["version_id"]])["state"] != "PROCESSING" and found)
    assert (item["state"], "deleted" in item["reason"]) == ("IGNORED", True)
    [told] = until(deployment.receive)
    assert (told["key"], told["state"]) == (key, "IGNORED")


def test_one_poison_message_in_ten_is_dead_lettered_and_nine_succeed_once(deployment):
    s3, bucket = deployment.cloud.client("s3"), deployment.outputs()["UploadsBucket"]
    keys = [f"prices/POISON/{number}.csv" for number in range(9)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=GOOD)
    send(deployment, '{"poison": true}')

    told = []
    until(lambda: told.extend(deployment.receive()) or len(told) >= 9)
    until(lambda: counts(deployment, "DeadLetterQueueUrl") == 1)
    assert sorted((message["key"], message["state"]) for message in told) == [(key, "SUCCEEDED") for key in keys]
    assert deployment.receive() == []
    dead = deployment.cloud.client("sqs").receive_message(QueueUrl=deployment.outputs()["DeadLetterQueueUrl"])
    assert [message["Body"] for message in dead["Messages"]] == ['{"poison": true}']


def test_subscribers_can_filter(deployment):
    sns, sqs = deployment.cloud.client("sns"), deployment.cloud.client("sqs")
    topic = deployment.outputs()["TopicArn"]
    queue, arn = subscriber.create(sqs, topic, "rejections")
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"FilterPolicy": json.dumps({"state": ["REJECTED"], "dataset": ["people"]})},
    )

    deployment.process(
        {"people/good.csv": b"id,email\n1,a@b.org\n", "people/bad.csv": b"x\n", "prices/LSE/bad.csv": b""}
    )

    messages = until(lambda: sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"))
    assert [json.loads(json.loads(message["Body"])["Message"])["key"] for message in messages] == ["people/bad.csv"]


@pytest.fixture(autouse=True)
def drained(deployment):
    """Every test starts with nothing left to be told."""
    while deployment.receive(wait=0):
        pass
