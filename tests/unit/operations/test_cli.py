"""`scripts/sluice redrive` and `replay`: which uploads they put back, and on what command lines."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from operations import cli
from sluice.events import compose_message
from sluice.upload import Outcome, Upload
from support.deployment import Aws

OUTPUTS = {
    "UploadsBucket": "uploads",
    "LedgerTable": "ledger",
    "IntakeQueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/intake",
    "DeadLetterQueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters",
}


def outputs(session, stack: str) -> dict[str, str]:
    """moto has no CloudFormation without packages that clash with others; the end-to-end tests have the real thing."""
    if stack != "sluice-staging":
        error = {"Code": "ValidationError", "Message": f"Stack with id {stack} does not exist"}
        raise ClientError({"Error": error}, "DescribeStacks")
    return OUTPUTS


@pytest.fixture
def aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(cli, "_outputs", outputs)
    with mock_aws():
        yield Aws()


@pytest.fixture
def sluice(aws, capsys):
    """Runs a command and returns (key, version id, reopened attempt) of what it put on the queue, and its answer."""

    def run(*arguments: str) -> tuple[list[tuple], dict]:
        assert cli.main([*arguments, "--environment", "staging", "--json"]) == 0
        queued = sorted((upload.key, upload.version_id, upload.reopens) for upload in aws.queued())
        return queued, json.loads(capsys.readouterr().out)

    return run


def end(aws, key: str, version: str, state: str, sequencer: str = "0A") -> Upload:
    """Writes an upload that has ended into the ledger; the clock then goes on by an hour."""
    upload = Upload("uploads", key, version, 1, sequencer)
    claim = aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
    aws.ledger.finish(upload, claim.attempt, Outcome(state, "because", "prices"))
    aws.clock.now += 3600
    return upload


def test_redrive_takes_what_failed_and_nothing_else(aws, sluice):
    end(aws, "prices/a.csv", "1", "FAILED")
    end(aws, "prices/a.csv", "2", "SUCCEEDED")
    end(aws, "people/b.csv", "1", "FAILED")
    aws.ledger.claim(Upload("uploads", "prices/c.csv", "1", 1), lease=330, max_tries=3, sent=0)
    aws.ledger.note(Upload("uploads", "", "s3:TestEvent", 0), "S3's own test")

    assert sluice("redrive", "--prefix", "prices/")[0] == [("prices/a.csv", "1", 1)]
    assert sluice("redrive", "--key", "people/b.csv")[0] == [("people/b.csv", "1", 1)]
    assert sluice("redrive")[0] == [("people/b.csv", "1", 1), ("prices/a.csv", "1", 1)]
    assert sluice("redrive", "--key", "prices/a")[0] == []


def test_replay_takes_the_newest_version_of_each_key_in_whatever_state_it_ended(aws, sluice):
    end(aws, "a.csv", "new", "REJECTED", sequencer="0B")
    end(aws, "a.csv", "old", "SUCCEEDED", sequencer="0A")
    end(aws, "b.csv", "1", "IGNORED")
    aws.ledger.note(Upload("uploads", "", "s3:TestEvent", 0), "S3's own test")

    assert sluice("replay", "--prefix", "")[0] == [("a.csv", "new", 1), ("b.csv", "1", 1)]
    assert sluice("replay", "--key", "a.csv", "--version-id", "old")[0] == [("a.csv", "old", 1)]


def test_a_time_range_goes_by_when_uploads_ended(aws, sluice):
    start = datetime.fromtimestamp(aws.clock.now, UTC)
    for name in "abc":
        end(aws, f"{name}.csv", "1", "FAILED")
    hour = timedelta(hours=1)

    def keys(*arguments: str) -> str:
        return "".join(upload["key"][0] for upload in sluice("redrive", *arguments)[1]["uploads"])

    assert sorted(keys("--since", (start + hour).isoformat())) == ["b", "c"]
    assert keys("--until", (start + hour).replace(tzinfo=None).isoformat()) == "a"
    assert keys("--since", (start + hour).isoformat(), "--until", (start + 2 * hour).isoformat()) == "b"


def test_an_older_version_in_the_range_is_not_replayed_over_a_newer_one_outside(aws, sluice):
    start = datetime.fromtimestamp(aws.clock.now, UTC)
    end(aws, "a.csv", "old", "SUCCEEDED", sequencer="0A")
    end(aws, "a.csv", "new", "SUCCEEDED", sequencer="0B")

    assert sluice("replay", "--until", (start + timedelta(hours=1)).isoformat())[0] == []


def test_redrive_removes_the_dead_letters_of_what_it_redrives(aws, sluice):
    failed, other = end(aws, "a.csv", "1", "FAILED"), end(aws, "b.csv", "1", "FAILED")
    for body in (compose_message(failed), compose_message(other), "poison"):
        aws.sqs.send_message(QueueUrl=aws.dead_letters, MessageBody=body)

    assert sluice("redrive", "--key", "a.csv")[1]["dead_letters_removed"] == 1

    left = aws.sqs.receive_message(QueueUrl=aws.dead_letters, MaxNumberOfMessages=10)["Messages"]
    assert sorted(message["Body"] for message in left) == sorted([compose_message(other), "poison"])


def test_a_dry_run_changes_nothing(aws, sluice):
    failed = end(aws, "a.csv", "1", "FAILED")
    aws.sqs.send_message(QueueUrl=aws.dead_letters, MessageBody=compose_message(failed))

    queued, answer = sluice("redrive", "--dry-run")

    assert (queued, [upload["key"] for upload in answer["uploads"]]) == ([], ["a.csv"])
    assert aws.sqs.receive_message(QueueUrl=aws.dead_letters)["Messages"]


def test_what_is_done_is_said_in_words_too(aws, capsys):
    end(aws, "a.csv", "1", "FAILED")

    assert cli.main(["redrive", "--stack", "sluice-staging"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "FAILED     a.csv  (version 1)",
        "1 uploads put on the intake queue",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["redrive"],
        ["replay", "--environment", "staging"],
        ["replay", "--environment", "staging", "--stack", "other", "--key", "a"],
        ["replay", "--environment", "staging", "--key", "a", "--prefix", "b"],
        ["redrive", "--environment", "staging", "--version-id", "1"],
        ["redrive", "--environment", "staging", "--since", "yesterday"],
    ],
)
def test_a_command_line_that_means_nothing_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)

    assert stopped.value.code == 2


def test_a_stack_that_is_not_there_is_an_error(aws, capsys):
    assert cli.main(["redrive", "--stack", "no-such"]) == 1

    assert "no-such" in capsys.readouterr().err
