"""The ledger as it is read: one upload by its id or key, those of a day by their time."""

import dataclasses
from datetime import UTC, datetime, timedelta

from sluice.ledger_reader import NO_DATASET, LedgerReader, Partition
from sluice.upload import Loaded, Outcome, Stored, Upload

RESULT = Stored("results", "prices/LSE/Ä b.csv.parquet", "v1", "ab" * 32, 1234)
REPORT = Stored("results", "prices/LSE/Ä b.csv.errors.jsonl", "v2", "cd" * 32, 56)
UPLOAD = Upload("uploads", "prices/LSE/Ä b.csv", "version", 99, "0A")


def end(aws, upload: Upload, outcome: Outcome) -> None:
    claim = aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
    aws.ledger.finish(upload, claim.attempt, outcome)


def day(aws):
    return datetime.fromtimestamp(aws.clock.now, UTC).date()


def later(aws, **more: float) -> datetime:
    return datetime.fromtimestamp(aws.clock.now, UTC) + timedelta(**more)


def test_an_upload_is_found_by_its_id_with_all_that_became_of_it(aws):
    loaded = Loaded(3, 2, 1)
    outcome = Outcome("PARTIAL", "1 row", "prices", 6, 1, 2, result=RESULT, error_report=REPORT, loaded=loaded)
    end(aws, UPLOAD, outcome)

    found = LedgerReader(aws.dynamodb, "ledger").find(UPLOAD.id)

    assert found.upload == UPLOAD
    assert (found.state, found.reason, found.dataset) == ("PARTIAL", "1 row", "prices")
    assert (found.attempt, found.tries) == (1, 1)
    assert (found.rows_good, found.rows_rejected, found.rows_blank) == (6, 1, 2)
    assert (found.result, found.error_report, found.loaded) == (RESULT, REPORT, loaded)
    assert found.time == found.finished == found.first_seen == later(aws)


def test_an_id_of_no_upload_finds_none(aws):
    assert LedgerReader(aws.dynamodb, "ledger").find("0" * 32) is None


def test_an_upload_at_work_says_what_its_last_attempt_died_of(aws):
    claim = aws.ledger.claim(UPLOAD, lease=330, max_tries=3, sent=0)
    aws.ledger.release(UPLOAD, claim.attempt, "S3 was slow")

    found = LedgerReader(aws.dynamodb, "ledger").find(UPLOAD.id)

    assert (found.state, found.reason, found.dataset, found.finished) == ("PROCESSING", "S3 was slow", None, None)
    assert found.time == found.first_seen


def test_an_object_version_is_looked_up(aws):
    end(aws, UPLOAD, Outcome("SUCCEEDED", "", "prices"))
    reader = LedgerReader(aws.dynamodb, "ledger")

    assert reader.get("uploads", UPLOAD.key, UPLOAD.version_id).upload == UPLOAD
    assert reader.get("uploads", UPLOAD.key, "another") is None


def test_an_upload_that_is_replayed_has_not_ended(aws):
    end(aws, UPLOAD, Outcome("SUCCEEDED", "", "prices"))
    aws.clock.now += 60
    aws.ledger.claim(dataclasses.replace(UPLOAD, reopens=1), lease=330, max_tries=3, sent=0)

    found = LedgerReader(aws.dynamodb, "ledger").get("uploads", UPLOAD.key, UPLOAD.version_id)

    assert (found.state, found.finished, found.time) == ("PROCESSING", None, found.first_seen)


def test_a_day_lists_what_ended_then_newest_first_page_by_page(aws):
    uploads = [dataclasses.replace(UPLOAD, version_id=str(number)) for number in range(5)]
    for upload in uploads:
        end(aws, upload, Outcome("SUCCEEDED", "", "prices", 10))
        aws.clock.now += 0.001
    end(aws, dataclasses.replace(UPLOAD, key="other"), Outcome("IGNORED", "no dataset"))
    reader = LedgerReader(aws.dynamodb, "ledger")

    partition = Partition.ended("prices", day(aws))
    pages, start = [], None
    while not pages or start:
        page, start = reader.page(partition, later(aws), 2, start)
        pages.append(page)

    assert [[one.upload.version_id for one in page] for page in pages] == [["4", "3"], ["2", "1"], ["0"]]
    assert {(one.state, one.dataset, one.rows_good) for page in pages for one in page} == {("SUCCEEDED", "prices", 10)}
    assert pages[0][0].upload.id == uploads[4].id
    [ignored], _ = reader.page(Partition.ended(NO_DATASET, day(aws)), later(aws), 2)
    assert (ignored.dataset, ignored.state) == (None, "IGNORED")
    # Up to and including a time, which DynamoDB is asked for in milliseconds.
    until, _ = reader.page(partition, later(aws, microseconds=-4001), 9)
    assert [one.upload.version_id for one in until] == ["0"]


def test_versions_of_a_key_are_those_of_that_key(aws):
    for key, version in (("a", "1"), ("a", "2"), ("ab", "3")):
        end(aws, Upload("uploads", key, version, 1), Outcome("SUCCEEDED", "", "prices"))

    found = LedgerReader(aws.dynamodb, "ledger").versions("uploads", "a")

    assert sorted(one.upload.version_id for one in found) == ["1", "2"]
