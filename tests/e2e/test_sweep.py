"""Uploads whose events are lost, whose function was killed, and those that an operator wants processed again."""

import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployment import ENVIRONMENT
from sluice.events import compose_message
from sluice.upload import Upload
from support.deployed import GOOD, held_to_what_it_takes, items, notification, role_name, send, until, used

SLUICE = Path(__file__).parents[2] / "scripts" / "sluice"


@pytest.fixture(autouse=True)
def drained(deployment):
    """Every test starts with nothing left to be told."""
    while deployment.receive(wait=0):
        pass


@pytest.fixture
def no_events(deployment) -> Iterator[None]:
    """The uploads bucket tells nobody of new objects."""
    s3, bucket = deployment.cloud.client("s3"), deployment.outputs()["UploadsBucket"]
    configuration = s3.get_bucket_notification_configuration(Bucket=bucket)
    del configuration["ResponseMetadata"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


@pytest.fixture(scope="module")
def role(deployment) -> str:
    """The sweep's role."""
    return role_name(deployment, "SweepRole")


def sweep(deployment, **event) -> dict:
    """Starts a pass that includes what was just uploaded, and returns what its first run found."""
    answer = deployment.cloud.client("lambda").invoke(
        FunctionName=f"{deployment.outputs()['SweepFunction']}:live",
        Payload=json.dumps({"min_age_seconds": 0, **event}).encode(),
    )
    found = json.load(answer["Payload"])
    assert "FunctionError" not in answer, found
    return found


def sluice(deployment, command: str, *arguments: str) -> dict:
    """What `scripts/sluice` prints."""
    done = subprocess.run(
        [SLUICE, command, "--environment", ENVIRONMENT, "--json", *arguments],
        env={**os.environ, **deployment.cloud.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def item(deployment, key: str, version: str) -> dict:
    return items(deployment).get((key, version), {"state": "PROCESSING"})


def ended(deployment, key: str, version: str, attempt: int) -> dict:
    """The upload's item once that attempt has ended."""

    def look() -> dict | None:
        found = item(deployment, key, version)
        return found if found["state"] != "PROCESSING" and int(found["attempt"]) == attempt else None

    return until(look)


def spend(deployment, key: str, version: str) -> None:
    """Writes what a function that was killed in its last attempt leaves in the ledger."""
    outputs = deployment.outputs()
    deployment.cloud.client("dynamodb").put_item(
        TableName=outputs["LedgerTable"],
        Item={
            "upload_key": {"S": f"{outputs['UploadsBucket']}/{key}"},
            "version_id": {"S": version},
            "state": {"S": "PROCESSING"},
            "attempt": {"N": "5"},
            "tries": {"N": "5"},
            "lease_until": {"N": "1"},
            "first_seen": {"N": "1"},
            "size_bytes": {"N": str(len(GOOD))},
            "sequencer": {"S": ""},
        },
    )


def told(deployment, folder: str, count: int) -> list[tuple]:
    """What is announced of a folder's keys, as (key, state, attempt), once it is `count` or more.

    A pass also takes up what other tests have left in the bucket.
    """
    found: list[tuple] = []

    def receive() -> list[tuple]:
        found.extend((one["key"], one["state"], one["attempt"]) for one in deployment.receive())
        return [one for one in found if one[0].startswith(folder)]

    until(lambda: len(receive()) >= count)
    return sorted(receive())


def dead_letters(deployment) -> list[str]:
    """What the dead-letter queue holds."""
    sqs, url = deployment.cloud.client("sqs"), deployment.outputs()["DeadLetterQueueUrl"]
    bodies = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=5).get("Messages"):
        bodies += [message["Body"] for message in messages]
    return bodies


def test_without_events_one_pass_processes_every_upload_once(deployment, no_events):
    keys = [f"prices/LOST/{number} é+.csv" for number in range(5)]
    versions = {(key, deployment.upload(key, GOOD)) for key in keys}
    marked = keys[0]
    deployment.cloud.client("s3").delete_object(Bucket=deployment.outputs()["UploadsBucket"], Key=marked)

    first = sweep(deployment, max_versions=2)

    assert (first["listed"], first["is_complete"]) == (2, False)
    until(lambda: all(item(deployment, *version)["state"] == "SUCCEEDED" for version in versions))
    assert told(deployment, "prices/LOST/", 5) == [(key, "SUCCEEDED", 1) for key in keys]


def test_the_newest_version_wins_in_whatever_order_versions_are_swept(deployment, no_events):
    key = "people/swept.csv"
    versions = [deployment.upload(key, b"id,email\n%d,a@example.org\n" % number) for number in range(4)]

    sweep(deployment)

    states = until(
        lambda: (
            (found := [item(deployment, key, version)["state"] for version in versions])
            and "PROCESSING" not in found
            and found
        )
    )
    assert states[-1] == "SUCCEEDED"
    assert set(states) <= {"SUCCEEDED", "IGNORED"}
    result = deployment.cloud.client("s3").get_object(Bucket=deployment.outputs()["ResultsBucket"], Key=key)
    assert result["Body"].read().split() == [b"id,email", b"3,a@example.org"]


def test_a_spent_upload_ends_in_failed_once_and_only_a_redrive_takes_it_up(deployment, no_events):
    folder, key = "prices/SPENT/", "prices/SPENT/a.csv"
    version = deployment.upload(key, GOOD)
    spend(deployment, key, version)

    for _ in range(2):
        sweep(deployment)

    assert told(deployment, folder, 1) == [(key, "FAILED", 6)]
    assert item(deployment, key, version)["state"] == "FAILED"
    dead, theirs = notification(deployment, key, version), "somebody else's"
    for body in (dead, theirs):
        deployment.cloud.client("sqs").send_message(
            QueueUrl=deployment.outputs()["DeadLetterQueueUrl"], MessageBody=body
        )

    done = sluice(deployment, "redrive", "--prefix", folder)

    assert [(one["key"], one["attempt"]) for one in done["uploads"]] == [(key, 6)]
    assert done["dead_letters_removed"] == 1
    assert ended(deployment, key, version, 7)["state"] == "SUCCEEDED"
    assert told(deployment, folder, 1) == [(key, "SUCCEEDED", 7)]
    left = dead_letters(deployment)
    assert theirs in left and dead not in left
    assert sluice(deployment, "redrive", "--prefix", folder)["uploads"] == []


def test_a_replay_is_another_attempt_with_the_same_result(deployment):
    key, result = "prices/REPLAY/ABC.csv", "prices/REPLAY/ABC_predicted.csv"
    deployment.process({key: GOOD})
    [version] = [version for name, version in items(deployment) if name == key]
    before = ended(deployment, key, version, 1)
    s3, bucket = deployment.cloud.client("s3"), deployment.outputs()["ResultsBucket"]
    first = s3.head_object(Bucket=bucket, Key=result)

    assert len(sluice(deployment, "replay", "--key", key, "--dry-run")["uploads"]) == 1
    done = sluice(deployment, "replay", "--key", key)

    assert [(one["version_id"], one["state"], one["attempt"]) for one in done["uploads"]] == [(version, "SUCCEEDED", 1)]
    after = ended(deployment, key, version, 2)
    for name in ("state", "reason", "rows_good", "upload_id"):
        assert after[name] == before[name]
    again = s3.head_object(Bucket=bucket, Key=result)
    assert (again["ETag"], again["VersionId"]) == (first["ETag"], first["VersionId"])
    assert told(deployment, key, 1) == [(key, "SUCCEEDED", 2)]

    upload = Upload(deployment.outputs()["UploadsBucket"], key, version, len(GOOD))
    send(deployment, compose_message(dataclasses.replace(upload, reopens=1)), notification(deployment, key, version))
    # Sent later, so that those two have long been read when it is done.
    deployment.process({"prices/REPLAY/later.csv": GOOD})
    assert told(deployment, key, 0) == []
    assert item(deployment, key, version) == after, "neither a duplicate of the request nor one of the event"


def test_the_sweep_takes_what_its_role_grants_and_no_more(deployment, no_events, role):
    key = "prices/SWEPT/granted.csv"
    spend(deployment, key, deployment.upload(key, GOOD))
    deployment.upload("prices/SWEPT/another.csv", GOOD)
    sweep(deployment, max_versions=1)

    # It goes on by itself.
    until(lambda: {"sns:Publish", "sqs:SendMessage"} <= used(deployment, role, "Allow"))
    held_to_what_it_takes(deployment, "SweepRole")
