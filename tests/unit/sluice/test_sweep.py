"""The sweep: what is lost goes back on the queue, what is spent ends, everything else stays as it is."""

import dataclasses
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from local.invocation import Context
from sluice.conclusion import Conclusion
from sluice.contract.descriptor import Dataset
from sluice.datasets import Catalogue
from sluice.errors import Retry, TransientError
from sluice.ledger_reader import LedgerReader
from sluice.listing import Cursor, Listing
from sluice.processors import NEEDS
from sluice.queue import IntakeQueue
from sluice.sweep import Sweep
from sluice.upload import Outcome, Position, Upload
from support.deployment import DATASETS, PRICES, invocation
from support.metrics import of, read

WHEN = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = Cursor.start()


def sweep(aws, **changes):
    """A sweep at the time that the ledger's clock shows."""
    catalogue = Catalogue(DATASETS, NEEDS)
    parts = {
        "listing": Listing(aws.s3, "uploads"),
        "ledger": aws.ledger,
        "queue": IntakeQueue(aws.sqs, aws.queue),
        "conclusion": Conclusion(
            catalogue=catalogue, ledger=aws.ledger, notifier=aws.notifier, environment="test", count=aws.count
        ),
        "max_tries": 3,
        "clock": aws.clock,
    }
    return Sweep(**{**parts, **changes})


def run(aws, cursor=START, min_age=0.0, max_versions=1000, **changes):
    return sweep(aws, **changes).run(cursor, min_age=min_age, max_versions=max_versions, has_time=lambda: True)


def accept(intake, upload, receives=1):
    return intake.accept(upload, receives=receives, sent=0, invocation=invocation(900))


@pytest.fixture(autouse=True)
def today(aws):
    """moto dates objects by the real clock: the ledger's stands a little later."""
    aws.clock.now = datetime.now(UTC).timestamp() + 10


def spend(aws, upload, attempts=3):
    for _ in range(attempts):
        aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
        aws.clock.now += 331


def test_without_any_event_one_pass_finds_every_version(aws):
    uploads = {aws.upload(f"prices/LSE/{number % 7} é+.csv", PRICES) for number in range(12)}
    aws.s3.delete_object(Bucket="uploads", Key="prices/LSE/0 é+.csv")

    findings = run(aws)

    assert (findings.listed, findings.requeued, findings.cursor) == (12, 12, None)
    queued = aws.queued()
    assert {(one.key, one.version_id, one.size) for one in queued} == {
        (one.key, one.version_id, one.size) for one in uploads
    }
    for upload in queued:
        assert accept(aws.intake(), upload) is not None
    assert run(aws).requeued == 0


def test_what_is_final_or_at_work_is_left_alone(aws):
    done, failed, busy = (aws.upload(f"prices/LSE/{name}.csv", PRICES) for name in ("done", "failed", "busy"))
    accept(aws.intake(), done)
    claim = aws.ledger.claim(failed, lease=330, max_tries=3, sent=0)
    aws.ledger.finish(failed, claim.attempt, Outcome("FAILED", "gave up"))
    aws.ledger.claim(busy, lease=330, max_tries=3, sent=0)
    before = aws.items()

    findings = run(aws)

    assert (findings.listed, findings.requeued, findings.ended) == (3, 0, 0)
    assert aws.queued() == []
    assert aws.items() == before


def test_an_attempt_that_was_killed_or_released_goes_back_on_the_queue(aws):
    killed, released = (aws.upload(f"prices/LSE/{name}.csv", PRICES) for name in ("killed", "released"))
    spend(aws, killed, attempts=2)
    claim = aws.ledger.claim(released, lease=330, max_tries=3, sent=0)
    aws.ledger.release(released, claim.attempt, "S3 was away")

    assert run(aws).requeued == 2
    assert {upload.key for upload in aws.queued()} == {killed.key, released.key}


def test_what_was_just_uploaded_is_left_to_its_event(aws):
    aws.upload("prices/LSE/ABC.csv", PRICES)

    assert run(aws, min_age=900).requeued == 0
    aws.clock.now += 900
    assert run(aws, min_age=900).requeued == 1


def test_a_spent_upload_ends_in_failed_once(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    spend(aws, upload)

    assert [run(aws).ended for _ in range(2)] == [1, 0]

    [told], [item] = aws.told(), aws.items()
    assert told["state"] == item["state"] == "FAILED"
    assert (told["attempt"], told["attributes"]["dataset"]) == (4, "prices")
    assert told["reason"] == item["reason"] == "gave up after 3 attempts: the function was killed"
    assert aws.queued() == []
    with pytest.raises(Retry, match="final until it is redriven"):
        accept(aws.intake(), upload, receives=4)


def test_a_message_of_the_sweep_that_comes_too_late_is_no_redrive(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    run(aws)
    [swept] = aws.queued()
    spend(aws, upload)
    run(aws)

    with pytest.raises(Retry, match="final until it is redriven"):
        accept(aws.intake(), swept)

    assert [told["state"] for told in aws.told()] == ["FAILED"]


def test_runs_take_up_where_the_one_before_reached_its_bound(aws):
    uploads = [aws.upload(f"prices/LSE/{number % 3}.csv", PRICES) for number in range(7)]

    cursor, listed = START, []
    while cursor:
        findings = run(aws, cursor, max_versions=2)
        listed.append(findings.listed)
        cursor = findings.cursor

    assert listed == [2, 2, 2, 1]
    assert sorted(upload.version_id for upload in aws.queued()) == sorted(upload.version_id for upload in uploads)


def test_a_run_that_has_no_time_left_does_one_page(aws):
    for number in range(3):
        aws.upload(f"prices/LSE/{number}.csv", PRICES)

    class Pages(Listing):
        def page(self, cursor, size):
            return super().page(cursor, 1)

    pages = sweep(aws, listing=Pages(aws.s3, "uploads"))
    findings = pages.run(START, min_age=0, max_versions=1000, has_time=lambda: False)

    assert (findings.listed, findings.cursor is None) == (1, False)


def versions(*seconds: float) -> list[dict]:
    """Versions of one key as S3 lists them: the newest first."""
    return [
        {"Key": "a", "VersionId": str(number), "Size": 1, "LastModified": WHEN + timedelta(seconds=second)}
        for number, second in enumerate(seconds)
    ]


class Pages:
    """An S3 whose listing has these pages."""

    def __init__(self, *pages: list[dict]) -> None:
        self._pages = list(pages)

    def list_object_versions(self, **_: object) -> dict:
        page = self._pages.pop(0)
        return {"Versions": page, "IsTruncated": bool(self._pages), "NextKeyMarker": "a", "NextVersionIdMarker": "1"}


def test_versions_of_the_same_second_keep_their_order_across_pages():
    listing = Listing(Pages(versions(5.9, 5.1), versions(5.0, 4.0)), "uploads")

    first = listing.page(START, 2)
    second = listing.page(first.next, 2)

    positions = [Position("", upload.last_modified) for upload in first.uploads + second.uploads]
    assert all(newer.is_after(older) for newer, older in zip(positions, positions[1:], strict=False))
    assert positions[0].last_modified == WHEN + timedelta(seconds=5), "as the version itself says when it is read"
    assert positions[3].last_modified == WHEN + timedelta(seconds=4)


def test_swept_versions_of_one_second_leave_the_newest_result_in_any_order(aws):
    old, new = aws.upload("prices/LSE/ABC.csv", PRICES), aws.upload("prices/LSE/ABC.csv", PRICES[21:])
    run(aws)
    swept = {upload.version_id: upload for upload in aws.queued()}
    same = swept[new.version_id].last_modified
    older = dataclasses.replace(swept[old.version_id], last_modified=same - timedelta(microseconds=1))

    assert accept(aws.intake(), swept[new.version_id]).state == "SUCCEEDED"
    assert accept(aws.intake(), older).state == "IGNORED"


def test_the_ledger_asks_again_for_what_dynamodb_left_out(aws, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    uploads = [aws.upload(f"prices/LSE/{number}.csv", PRICES) for number in range(3)]
    for upload in uploads:
        aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
    real, asked = aws.dynamodb.batch_get_item, []

    def half(RequestItems):
        keys = RequestItems["ledger"]["Keys"]
        asked.append(len(keys))
        answer = real(RequestItems={"ledger": {**RequestItems["ledger"], "Keys": keys[:1]}})
        left = {"ledger": {**RequestItems["ledger"], "Keys": keys[1:]}} if keys[1:] else {}
        return {**answer, "UnprocessedKeys": left}

    monkeypatch.setattr(aws.dynamodb, "batch_get_item", half)

    assert set(aws.ledger.standings(uploads)) == set(uploads)
    assert asked == [3, 2, 1]


def test_a_message_that_sqs_does_not_take_fails_the_run():
    class Sqs:
        def send_message_batch(self, QueueUrl, Entries):
            return {"Failed": Entries[:1]}

    with pytest.raises(TransientError, match="took 0 of 1"):
        IntakeQueue(Sqs(), "https://queue").put([Upload("uploads", "a", "1", 1)])


ARN = Context("sweep").invoked_function_arn


class Functions:
    """A Lambda that keeps what it is asked to invoke."""

    def __init__(self) -> None:
        self.invoked: list[dict] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:
        assert (FunctionName, InvocationType) == (ARN, "Event")
        self.invoked.append(json.loads(Payload))


@pytest.fixture
def module(aws, load, monkeypatch):
    """The handler's module, in the deployment."""
    module = load(
        "sweep",
        LEDGER_TABLE="ledger",
        UPLOADS_BUCKET="uploads",
        QUEUE_URL=aws.queue,
        TOPIC_ARN=aws.topic,
        ENVIRONMENT="test",
        MAX_ATTEMPTS="3",
    )
    monkeypatch.setattr(module, "functions", Functions())
    return module


def test_a_bounded_run_goes_on_in_another_one_until_the_pass_is_complete(aws, module):
    uploads = [aws.upload(f"prices/LSE/{number}.csv", PRICES) for number in range(5)]

    event, answers = {"min_age_seconds": -60, "max_versions": 2}, []
    while event:
        answers.append(module.handler(event, Context("sweep")))
        event = module.functions.invoked.pop() if module.functions.invoked else None

    assert [answer["is_complete"] for answer in answers] == [False, False, True]
    assert sum(answer["requeued"] for answer in answers) == 5
    assert sorted(upload.key for upload in aws.queued()) == sorted(upload.key for upload in uploads)


def test_the_schedules_event_leaves_recent_uploads_alone(aws, module):
    aws.upload("prices/LSE/ABC.csv", PRICES)

    assert module.handler({}, Context("sweep")) == {"listed": 1, "requeued": 0, "ended": 0, "is_complete": True}
    assert module.functions.invoked == []


def test_a_pass_does_not_go_on_for_ever(aws, module):
    for number in range(2):
        aws.upload(f"prices/LSE/{number}.csv", PRICES)

    with pytest.raises(RuntimeError, match="not complete after 1000 runs"):
        module.handler({"max_versions": 1, "run": 1000}, Context("sweep"))
    assert module.functions.invoked == []


def test_a_run_by_hand_goes_on_under_the_alias(aws, module):
    for number in range(2):
        aws.upload(f"prices/LSE/{number}.csv", PRICES)

    unqualified = Context("sweep")
    unqualified.invoked_function_arn = ARN.removesuffix(":live")

    module.handler({"max_versions": 1}, unqualified)

    [event] = module.functions.invoked
    assert (event["run"], event["max_versions"]) == (2, 1)


def expect_uploads(module, monkeypatch) -> list[Dataset]:
    """Makes every dataset expect an upload a day."""
    expecting = [dataclasses.replace(each, expected=timedelta(days=1)) for each in module.catalogue]
    monkeypatch.setattr(module, "catalogue", expecting)
    return expecting


def test_each_pass_tells_once_how_many_datasets_are_overdue_and_the_log_which(aws, module, monkeypatch, capsys):
    expecting = expect_uploads(module, monkeypatch)
    aws.clock.now -= 60
    for number in range(2):
        accept(aws.intake(), aws.upload(f"prices/LSE/{number}.csv", PRICES))
    log = io.StringIO()
    monkeypatch.setattr(module.logger.registered_handler, "stream", log)

    module.handler({"max_versions": 1}, Context("sweep"))
    [event] = module.functions.invoked
    module.handler(event, Context("sweep"))

    values = of(read(capsys.readouterr().out), environment="test", service="process")
    assert values == {"OverdueDatasets": [len(expecting) - 1]}
    [line] = [json.loads(line) for line in log.getvalue().splitlines() if "overdue" in line]
    assert line["datasets"] == [each.name for each in expecting if each.name != "prices"]


def test_what_is_lost_is_found_where_nobody_can_say_what_is_overdue(aws, module, monkeypatch):
    expect_uploads(module, monkeypatch)
    uploads = [aws.upload(f"prices/LSE/{number}.csv", PRICES) for number in range(2)]
    monkeypatch.setattr(module, "reader", LedgerReader(aws.dynamodb, "no such table"))

    with pytest.raises(ClientError, match="ResourceNotFound"):
        module.handler({"min_age_seconds": -60, "max_versions": 1}, Context("sweep"))

    assert [upload.key for upload in aws.queued()] == [uploads[0].key]
    assert len(module.functions.invoked) == 1


def test_what_the_sweep_ends_is_counted(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    spend(aws, upload)

    assert run(aws).ended == 1
    assert [(each.id, outcome.state) for each, outcome in aws.counted] == [(upload.id, "FAILED")]


def test_all_runs_of_a_pass_have_one_correlation_id(aws, module, monkeypatch):
    for number in range(2):
        aws.upload(f"prices/LSE/{number}.csv", PRICES)
    log = io.StringIO()
    monkeypatch.setattr(module.logger.registered_handler, "stream", log)
    first, second = Context("sweep"), Context("sweep")
    second.aws_request_id = "another"

    module.handler({"max_versions": 1}, first)
    module.handler(module.functions.invoked[0], second)

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["correlation_id"] for line in lines] == [first.aws_request_id] * len(lines) and len(lines) == 2
