"""`scripts/sluice redrive` and `replay`: which uploads they put back, and on what command lines."""

from datetime import UTC, datetime, timedelta

import pytest

from sluice.events import compose_message
from sluice.upload import Outcome, Upload


@pytest.fixture
def put_back(aws, sluice):
    """Runs a command and returns (key, version id, reopened attempt) of what it put on the queue, and its answer."""

    def run(*arguments: str) -> tuple[list[tuple], dict]:
        answer = sluice(*arguments, "--environment", "staging", "--json").document
        return sorted((upload.key, upload.version_id, upload.reopens) for upload in aws.queued()), answer

    return run


def end(aws, key: str, version: str, state: str, sequencer: str = "0A") -> Upload:
    """Writes an upload that has ended into the ledger; the clock then goes on by an hour."""
    upload = Upload("uploads", key, version, 1, sequencer)
    claim = aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
    aws.ledger.finish(upload, claim.attempt, Outcome(state, "because", "prices"))
    aws.clock.now += 3600
    return upload


def test_redrive_takes_what_failed_and_nothing_else(aws, put_back):
    end(aws, "prices/a.csv", "1", "FAILED")
    end(aws, "prices/a.csv", "2", "SUCCEEDED")
    end(aws, "people/b.csv", "1", "FAILED")
    aws.ledger.claim(Upload("uploads", "prices/c.csv", "1", 1), lease=330, max_tries=3, sent=0)
    aws.ledger.note(Upload("uploads", "", "s3:TestEvent", 0), "S3's own test")

    assert put_back("redrive", "--prefix", "prices/")[0] == [("prices/a.csv", "1", 1)]
    assert put_back("redrive", "--key", "people/b.csv")[0] == [("people/b.csv", "1", 1)]
    assert put_back("redrive")[0] == [("people/b.csv", "1", 1), ("prices/a.csv", "1", 1)]


def test_replay_takes_the_newest_version_of_each_key_in_whatever_state_it_ended(aws, put_back):
    end(aws, "a.csv", "new", "REJECTED", sequencer="0B")
    end(aws, "a.csv", "old", "SUCCEEDED", sequencer="0A")
    end(aws, "b.csv", "1", "IGNORED")
    aws.ledger.note(Upload("uploads", "", "s3:TestEvent", 0), "S3's own test")

    assert put_back("replay", "--prefix", "")[0] == [("a.csv", "new", 1), ("b.csv", "1", 1)]
    assert put_back("replay", "--key", "a.csv", "--version-id", "old")[0] == [("a.csv", "old", 1)]


def test_a_time_range_goes_by_when_uploads_ended(aws, put_back):
    start = datetime.fromtimestamp(aws.clock.now, UTC)
    for name in "abc":
        end(aws, f"{name}.csv", "1", "FAILED")
    hour = timedelta(hours=1)

    def keys(*arguments: str) -> str:
        return "".join(upload["key"][0] for upload in put_back("redrive", *arguments)[1]["uploads"])

    assert sorted(keys("--since", (start + hour).isoformat())) == ["b", "c"]
    assert keys("--until", (start + hour).replace(tzinfo=None).isoformat()) == "a"
    assert keys("--since", (start + hour).isoformat(), "--until", (start + 2 * hour).isoformat()) == "b"


def test_an_older_version_in_the_range_is_not_replayed_over_a_newer_one_outside(aws, put_back):
    start = datetime.fromtimestamp(aws.clock.now, UTC)
    end(aws, "a.csv", "old", "SUCCEEDED", sequencer="0A")
    end(aws, "a.csv", "new", "SUCCEEDED", sequencer="0B")

    assert put_back("replay", "--until", (start + timedelta(hours=1)).isoformat())[0] == []


def test_redrive_removes_the_dead_letters_of_what_it_redrives(aws, put_back):
    failed, other = end(aws, "a.csv", "1", "FAILED"), end(aws, "b.csv", "1", "FAILED")
    for body in (compose_message(failed), compose_message(other), "poison"):
        aws.sqs.send_message(QueueUrl=aws.dead_letters, MessageBody=body)

    assert put_back("redrive", "--key", "a.csv")[1]["dead_letters_removed"] == 1

    left = aws.sqs.receive_message(QueueUrl=aws.dead_letters, MaxNumberOfMessages=10)["Messages"]
    assert sorted(message["Body"] for message in left) == sorted([compose_message(other), "poison"])


def test_a_dry_run_changes_nothing(aws, put_back):
    failed = end(aws, "a.csv", "1", "FAILED")
    aws.sqs.send_message(QueueUrl=aws.dead_letters, MessageBody=compose_message(failed))

    queued, answer = put_back("redrive", "--dry-run")

    assert (queued, [upload["key"] for upload in answer["uploads"]]) == ([], ["a.csv"])
    assert aws.sqs.receive_message(QueueUrl=aws.dead_letters)["Messages"]


def test_where_nothing_is_chosen_it_says_so_and_a_key_that_nobody_knows_is_an_error(aws, sluice):
    end(aws, "prices/a.csv", "1", "SUCCEEDED")

    fine = sluice("redrive", "--key", "prices/a.csv", "--json")
    assert fine.document["uploads"] == [] and "nothing is chosen: `scripts/sluice status`" in fine.err
    assert "nothing is chosen" in sluice("replay", "--prefix", "people/").err
    assert "nothing" not in sluice("replay", "--prefix", "prices/").err
    # Not the beginning of one either.
    for command in ("redrive", "replay"):
        assert "knows no upload prices/a: look for it with" in sluice(command, "--key", "prices/a", code=1).err


def test_what_is_done_is_said_in_words_too(aws, sluice):
    end(aws, "a\x1b[31m.csv", "1", "FAILED")

    assert sluice("redrive", "--stack", "sluice-staging").out.splitlines() == [
        "FAILED     a\\x1b[31m.csv  (version 1)",
        "1 uploads put on the intake queue",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["replay", "--environment", "staging"],
        ["replay", "--environment", "staging", "--stack", "other", "--key", "a"],
        ["replay", "--environment", "staging", "--key", "a", "--prefix", "b"],
        ["redrive", "--environment", "staging", "--version-id", "1"],
        ["redrive", "--environment", "staging", "--since", "yesterday"],
        ["redrive", "--environment", "nowhere"],
    ],
)
def test_a_command_line_that_means_nothing_is_refused(sluice, arguments):
    assert "Error: " in sluice(*arguments, code=2).err
