"""The rules of one upload: states, attempts, order, announcements."""

import dataclasses
import json
import re

import pytest
from botocore.exceptions import ClientError

from sluice import intake as rules
from sluice.contract import check, keys
from sluice.datasets import Catalogue
from sluice.errors import Retry
from sluice.processors import NEEDS, PROCESSORS, Processor
from sluice.upload import Outcome, RowError
from support.deployment import DATASETS, PRICES, invocation


def accept(intake, upload, receives=1, remaining=(900.0,), sent=0.0):
    return intake.accept(upload, receives=receives, sent=sent, invocation=invocation(*remaining))


def test_a_good_file_succeeds_and_everyone_is_told_once(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)

    outcome = accept(aws.intake(), upload)

    assert (outcome.state, outcome.rows_good, outcome.rows_rejected) == ("SUCCEEDED", 12, 0)
    assert aws.results() == ["prices/LSE/ABC_predicted.csv"]
    assert len(aws.result("prices/LSE/ABC_predicted.csv").splitlines()) == 3
    [item] = aws.items()
    assert (item["state"], item["attempt"], item["upload_key"]) == ("SUCCEEDED", "1", "uploads/prices/LSE/ABC.csv")
    [told] = aws.told()
    assert told["state"] == "SUCCEEDED"
    assert told["result"] == "s3://results/prices/LSE/ABC_predicted.csv"
    assert told["attributes"] == {
        "dataset": "prices",
        "state": "SUCCEEDED",
        "environment": "test",
        "source": "file",
    }
    assert (told["upload_id"], told["attempt"]) == (upload.id, 1)


def test_bad_rows_are_reported_and_the_others_processed(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES + b"ABC,2026-01-13,ten pounds\n")

    outcome = accept(aws.intake(), upload)

    assert (outcome.state, outcome.rows_good, outcome.rows_rejected) == ("PARTIAL", 12, 1)
    report = [json.loads(line) for line in aws.result("prices/LSE/ABC.csv.errors.jsonl").splitlines()]
    assert [(error["row"], error["field"], error["error"], error["text"]) for error in report] == [
        (13, "date", "type-error", "2026-01-13"),
        (13, "price", "type-error", "ten pounds"),
    ]
    [told] = aws.told()
    assert told["error_report"] == "s3://results/prices/LSE/ABC.csv.errors.jsonl"
    assert [error["row"] for error in told["first_errors"]] == [13, 13]
    assert "ten pounds" not in json.dumps(told), "the offending text stays in the report"


@pytest.mark.parametrize(
    ("key", "body", "state", "reason"),
    [
        ("prices/LSE/ABC.csv", b"", "REJECTED", "the file is empty"),
        ("prices/LSE/ABC.csv", b"\n\n", "REJECTED", "needs 10 valid rows, the file has 0"),
        ("prices/LSE/ABC.csv", PRICES[:84], "REJECTED", "needs 10 valid rows, the file has 4"),
        ("prices/LSE/ABC.csv", b"\x89PNG\r\n\x1a\n\x00\x00", "REJECTED", "not text"),
        ("prices/LSE/ABC.csv", PRICES.decode().encode("utf-16"), "REJECTED", "UTF-16"),
        ("people/staff.csv", b"id,email\n", "REJECTED", "no row is valid"),
        ("people/staff.csv", b"id;email\n1;a@b.org\n", "REJECTED", "header must be id,email; it has 1 cells"),
        (
            "people/staff.csv",
            b"1,a@b.org\n2,c@d.org\n",
            "REJECTED",
            "line 1: the header must be id,email; cell 1 and 2",
        ),
        ("prices/LSE/", b"", "IGNORED", "a folder marker"),
        ("holiday/photo.jpg", b"\xff\xd8", "IGNORED", "no dataset"),
        ("prices/ABC.csv", PRICES, "IGNORED", "no dataset"),
        (f"people/{'x' * 1013}.csv", b"id,email\n1,a@b.org\n", "REJECTED", "key is too long"),
    ],
)
def test_what_cannot_be_processed_ends_in_one_state_with_its_reason(aws, key, body, state, reason):
    outcome = accept(aws.intake(), aws.upload(key, body))

    assert outcome.state == state
    assert reason in outcome.reason
    [item], [told] = aws.items(), aws.told()
    assert item["state"] == told["state"] == state
    assert item["reason"] == told["reason"] == outcome.reason
    assert not [key for key in aws.results() if not key.endswith(".errors.jsonl")]


def test_a_deleted_version_is_ignored_but_a_delete_marker_is_no_obstacle(aws):
    gone, marked = aws.upload("prices/LSE/A.csv", PRICES), aws.upload("prices/LSE/B.csv", PRICES)
    aws.s3.delete_object(Bucket="uploads", Key=gone.key, VersionId=gone.version_id)
    aws.s3.delete_object(Bucket="uploads", Key=marked.key)

    assert accept(aws.intake(), gone).state == "IGNORED"
    assert accept(aws.intake(), marked).state == "SUCCEEDED"


def test_a_duplicate_changes_nothing(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    accept(aws.intake(), upload)
    before = aws.items()
    aws.told()

    assert accept(aws.intake(), upload) is None

    assert aws.items() == before
    assert aws.told() == []
    assert [(each, outcome.state) for each, outcome in aws.counted] == [(upload, "SUCCEEDED")]


def test_an_older_version_that_comes_late_leaves_the_newer_result(aws):
    old, new = aws.upload("prices/LSE/ABC.csv", PRICES), aws.upload("prices/LSE/ABC.csv", PRICES[21:])
    intake = aws.intake()
    accept(intake, new)
    newest = aws.result("prices/LSE/ABC_predicted.csv")

    outcome = accept(intake, old)

    assert outcome.state == "IGNORED"
    assert "superseded" in outcome.reason
    assert aws.result("prices/LSE/ABC_predicted.csv") == newest


def test_a_newer_version_replaces_the_older_result(aws):
    old, new = aws.upload("prices/LSE/ABC.csv", PRICES), aws.upload("prices/LSE/ABC.csv", PRICES[21:])
    intake = aws.intake()

    assert [accept(intake, old).state, accept(intake, new).state] == ["SUCCEEDED", "SUCCEEDED"]

    assert aws.s3.head_object(Bucket="results", Key="prices/LSE/ABC_predicted.csv")["Metadata"]["upload-id"] == new.id


class Failing:
    """An adapter, one of whose calls fails a number of times before or after doing its work."""

    def __init__(self, inner, method, times, *, after=False, error=None):
        self._inner, self._method, self.left, self._after = inner, method, times, after
        self._error = error or ClientError({"Error": {"Code": "InternalError", "Message": "no"}}, method)

    def __getattr__(self, name):
        real = getattr(self._inner, name)
        if name != self._method:
            return real

        def call(*args, **kwargs):
            if self.left:
                self.left -= 1
                if self._after:
                    real(*args, **kwargs)
                raise self._error
            return real(*args, **kwargs)

        return call


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("adapter", "method"), [("storage", "open"), ("notifier", "publish"), ("ledger", "finish")])
def test_a_transient_failure_is_retried_and_then_succeeds(aws, adapter, method, after):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    intake = aws.intake(**{adapter: Failing(getattr(aws, adapter), method, 1, after=after)})

    with pytest.raises(Retry) as retry:
        accept(intake, upload)
    second = accept(intake, upload, receives=2)

    assert retry.value.delay == 10
    [item] = aws.items()
    assert item["state"] == "SUCCEEDED"
    if (adapter, after) == ("ledger", True):
        assert second is None, "the final state was written before the failure"
    told = {(message["attempt"], message["state"]) for message in aws.told()}
    assert {state for _, state in told} == {"SUCCEEDED"}


def test_spent_attempts_end_in_failed_which_is_final_until_redriven(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    intake = aws.intake(storage=Failing(aws.storage, "open", 3))

    delays = []
    for receives in range(1, 6):
        with pytest.raises(Retry) as retry:
            accept(intake, upload, receives)
        delays.append(retry.value.delay)

    assert delays == [10, 30, 0, 0, 0], "two waits, then straight to the dead-letter queue"
    [told] = aws.told()
    assert (told["state"], told["attempt"], told["attributes"]["dataset"]) == ("FAILED", 4, "prices"), (
        "another attempt than the one that may have spoken"
    )
    assert "InternalError" in told["reason"]
    [item] = aws.items()
    assert item["state"] == "FAILED"
    with pytest.raises(Retry, match="final until it is redriven"):
        accept(intake, upload, receives=1)
    assert aws.told() == [], "another message of before is none that was redriven"

    redriven = aws.clock.now + 1
    assert accept(intake, upload, sent=redriven).state == "SUCCEEDED", "a redriven message starts to count anew"
    [told], [item] = aws.told(), aws.items()
    assert (told["state"], told["attempt"]) == ("SUCCEEDED", 5)
    assert item["state"] == "SUCCEEDED"


def test_the_last_receipt_is_the_last_chance(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)

    with pytest.raises(Retry):
        accept(aws.intake(storage=Failing(aws.storage, "open", 1)), upload, receives=8)

    assert [told["state"] for told in aws.told()] == ["FAILED"]


def test_a_second_delivery_waits_while_the_first_is_at_work(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)

    with pytest.raises(Retry, match="at work"):
        accept(aws.intake(), upload)

    assert aws.told() == []


def test_a_killed_attempt_is_taken_over_when_its_lease_has_passed(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    killed = aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
    aws.clock.now += 331

    assert accept(aws.intake(), upload, receives=2).state == "SUCCEEDED"

    assert not aws.ledger.finish(upload, killed.attempt, Outcome("FAILED", "")), "the late first attempt is fenced off"
    [item] = aws.items()
    assert (item["state"], item["attempt"]) == ("SUCCEEDED", "2")


def test_an_upload_that_kills_its_function_every_time_ends_in_failed(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    for _ in range(3):
        aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
        aws.clock.now += 331

    with pytest.raises(Retry):
        accept(aws.intake(), upload, receives=4)

    [told], [item] = aws.told(), aws.items()
    assert told["state"] == item["state"] == "FAILED"
    assert "killed" in told["reason"]


def test_an_unforeseen_error_names_its_place_but_no_text_of_the_file(aws, monkeypatch):
    def crash(rows, write, dataset, seed):
        int("4111 1111 1111 1111")

    monkeypatch.setitem(PROCESSORS, "forecast", Processor(crash, None))
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)

    with pytest.raises(Retry) as retry:
        accept(aws.intake(), upload)

    assert "ValueError in test_intake.py" in str(retry.value)
    assert "4111" not in str(retry.value)
    assert "4111" not in json.dumps(aws.items())


def test_a_retry_of_a_file_with_bad_rows_writes_the_same_result_and_report(aws):
    upload = aws.upload("people/staff.csv", b"id,email\n1,a@b.org\nx,a@b.org\n2,\xff\n3,c@d.org\n")
    with pytest.raises(Retry):
        accept(aws.intake(ledger=Failing(aws.ledger, "finish", 1)), upload)
    names = ["people/staff.csv", "people/staff.csv.errors.jsonl"]
    first = [aws.result(name) for name in names]
    for name in names:
        aws.s3.delete_object(Bucket="results", Key=name)

    assert accept(aws.intake(), upload, receives=2).state == "PARTIAL"

    assert aws.results() == names, "written anew"
    assert [aws.result(name) for name in names] == first


def test_a_retry_writes_the_same_bytes(aws):
    days = [(day, month) for month in range(1, 13) for day in range(1, 29)]
    body = b"".join(b"ABC,%02d-%02d-2026,%d.25\n" % (day, month, day * month) for day, month in days)
    upload = aws.upload("prices/LSE/ABC.csv", body)
    intake = aws.intake(ledger=Failing(aws.ledger, "finish", 1))
    with pytest.raises(Retry):
        accept(intake, upload)
    first = aws.s3.head_object(Bucket="results", Key="prices/LSE/ABC_predicted.csv")

    accept(intake, upload, receives=2)

    again = aws.s3.head_object(Bucket="results", Key="prices/LSE/ABC_predicted.csv")
    assert (again["ETag"], again["VersionId"]) == (first["ETag"], first["VersionId"]), "not even written again"


def test_lines_that_do_not_add_up_fail_instead_of_succeeding(aws, monkeypatch):
    real = check.Lines.accepted

    def one_less(lines, acceptor):
        run, rows = real(lines, acceptor)
        return run, max(rows - 1, 0)

    monkeypatch.setattr(check.Lines, "accepted", one_less)
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)

    with pytest.raises(Retry, match="12 lines were read but 11 accounted for"):
        accept(aws.intake(), upload)


@pytest.mark.parametrize(("adapter", "method", "after"), [("ledger", "finish", False), ("notifier", "publish", True)])
def test_no_attempt_announces_two_states_even_the_last_one(aws, adapter, method, after):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    intake = aws.intake(max_tries=1, **{adapter: Failing(getattr(aws, adapter), method, 1, after=after)})

    with pytest.raises(Retry):
        accept(intake, upload)

    told = {message["attempt"]: message["state"] for message in aws.told()}
    assert told == {1: "SUCCEEDED", 2: "FAILED"}
    [item] = aws.items()
    assert (item["state"], item["attempt"]) == ("FAILED", "2")


def test_a_last_attempt_that_is_killed_after_it_spoke_is_not_contradicted(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    killed = Failing(aws.ledger, "finish", 1, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        accept(aws.intake(max_tries=1, ledger=killed), upload)
    aws.clock.now += 931

    with pytest.raises(Retry):
        accept(aws.intake(max_tries=1), upload, receives=2)

    assert {message["attempt"]: message["state"] for message in aws.told()} == {1: "SUCCEEDED", 2: "FAILED"}


def test_a_last_attempt_whose_end_was_written_after_all_stands(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)

    assert accept(aws.intake(max_tries=1, ledger=Failing(aws.ledger, "finish", 1, after=True)), upload) is None

    assert [item["state"] for item in aws.items()] == ["SUCCEEDED"]
    assert [message["state"] for message in aws.told()] == ["SUCCEEDED"]


def test_a_failure_that_cannot_be_announced_is_announced_when_it_can(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    intake = aws.intake(max_tries=1, notifier=Failing(aws.notifier, "publish", 3))

    for receives in (1, 2):
        with pytest.raises(Retry) as retry:
            accept(intake, upload, receives)
        assert retry.value.delay > 0
    with pytest.raises(Retry):
        accept(intake, upload, receives=3)

    assert [message["state"] for message in aws.told()] == ["FAILED"]


@pytest.mark.parametrize(
    ("good", "bad", "state", "reason"),
    [
        (2, 3, "PARTIAL", "3 of 5 rows break the contract"),
        (2, 4, "PARTIAL", "4 of 6 rows break the contract; the error report ends after 3 errors"),
        (0, 9, "REJECTED", "no row is valid; the error report ends after 3 errors"),
    ],
)
def test_a_long_report_is_cut_and_says_so_while_the_counts_stay_exact(aws, monkeypatch, good, bad, state, reason):
    monkeypatch.setattr(rules, "REPORTED_ERRORS", 3)
    body = b"id,email\n" + b"1,a@b.org\n" * good + b"x,a@b.org\n" * bad

    outcome = accept(aws.intake(), aws.upload("people/staff.csv", body))

    assert (outcome.state, outcome.reason) == (state, reason)
    assert (outcome.rows_good, outcome.rows_rejected) == (good, bad)
    lines = [json.loads(line) for line in aws.result("people/staff.csv.errors.jsonl").splitlines()]
    assert [line["row"] for line in lines[:3]] == [good + 2, good + 3, good + 4]
    cut = {"row": None, "field": None, "error": "report-cut", "text": ""}
    cut["message"] = f"the report is cut after the first 3 of {bad} errors"
    assert lines[3:] == [cut] * (bad > 3)
    [item], [told] = aws.items(), aws.told()
    assert item["reason"] == told["reason"] == reason
    assert told["rows_rejected"] == bad


def test_a_report_that_is_opened_as_csv_has_no_formulas_and_says_the_same(aws):
    evil = ["=1+1", "+A1", "-A1", "@SUM(A1)", "a, =1+1", "a;=1+1", "it's '=1+1", "x|-1", "=cmd|' /C calc'!A0"]
    body = "id,email\n1,a@b.org\n" + "".join(f'"{text}",a@b.org\n' for text in evil)
    accept(aws.intake(), aws.upload("people/staff.csv", body.encode()))

    report = aws.result("people/staff.csv.errors.jsonl").decode()

    assert [json.loads(line)["text"] for line in report.splitlines()] == evil
    for cell in re.split("[,;|\"']", report):
        assert not cell.strip().startswith(("=", "+", "-", "@")), cell


def test_nothing_is_formatted_for_a_report_that_is_cut(aws, monkeypatch):
    monkeypatch.setattr(rules, "REPORTED_ERRORS", 3)
    formatted = []
    real = RowError.as_dict
    monkeypatch.setattr(RowError, "as_dict", lambda error: formatted.append(error) or real(error))

    accept(aws.intake(), aws.upload("people/staff.csv", b"id,email\n" + b"x,a@b.org\n" * 9))

    assert len(formatted) == 4, "three errors and the last line"


def test_too_little_time_leaves_the_upload_to_a_fresh_invocation(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)

    with pytest.raises(Retry, match="too little time") as retry:
        accept(aws.intake(), upload, remaining=(900, 59))

    assert (retry.value.delay, aws.items()) == (0, [])


def test_the_lease_outlasts_the_invocation(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    killed = Failing(aws.storage, "open", 1, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        accept(aws.intake(storage=killed), upload, remaining=(200,))

    [item] = aws.items()
    assert float(item["lease_until"]) == aws.clock.now + 230


def test_an_older_partial_file_leaves_nothing_beside_a_newer_rejected_one(aws):
    old = aws.upload("prices/LSE/ABC.csv", PRICES + b"broken\n")
    new = aws.upload("prices/LSE/ABC.csv", b"broken\n")
    intake = aws.intake()
    assert accept(intake, new).state == "REJECTED"

    assert accept(intake, old).state == "IGNORED"

    assert aws.results() == ["prices/LSE/ABC.csv.errors.jsonl"]


@pytest.mark.parametrize("key", ["a\nb.txt", "tab\there.csv", "\x7f\x01", "‮gnp.csv", "a//b", " ", "../../x", "%2e"])
def test_odd_keys_end_like_any_other(aws, key):
    assert accept(aws.intake(), aws.upload(key, b"x")).state == "IGNORED"
    assert [message["key"] for message in aws.told()] == [key]


def test_an_upload_is_replayed_by_the_one_message_that_asks_for_it(aws):
    upload, intake = aws.upload("prices/LSE/ABC.csv", PRICES), aws.intake()
    accept(intake, upload)
    before, result = aws.items(), aws.s3.head_object(Bucket="results", Key="prices/LSE/ABC_predicted.csv")
    aws.told()
    replay = dataclasses.replace(upload, reopens=1)

    assert accept(intake, upload, sent=aws.clock.now + 1) is None, "a duplicate of S3's own event is none"
    assert accept(intake, dataclasses.replace(upload, reopens=2)) is None, "nor one for an attempt that does not stand"
    assert aws.items() == before
    assert accept(intake, replay).state == "SUCCEEDED"
    assert accept(intake, replay) is None, "its duplicate finds another attempt"

    [item], [told] = aws.items(), aws.told()
    assert (item["state"], item["attempt"], item["tries"]) == ("SUCCEEDED", "2", "1")
    assert (told["state"], told["attempt"]) == ("SUCCEEDED", 2)
    again = aws.s3.head_object(Bucket="results", Key="prices/LSE/ABC_predicted.csv")
    assert (again["ETag"], again["VersionId"]) == (result["ETag"], result["VersionId"])


def test_a_replay_that_fails_is_retried_as_any_attempt(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    accept(aws.intake(), upload)
    replay, intake = dataclasses.replace(upload, reopens=1), aws.intake(storage=Failing(aws.storage, "open", 1))

    with pytest.raises(Retry):
        accept(intake, replay)
    assert [item["state"] for item in aws.items()] == ["PROCESSING"]
    assert accept(intake, replay, receives=2).state == "SUCCEEDED"

    [item] = aws.items()
    assert (item["state"], item["attempt"], item["tries"]) == ("SUCCEEDED", "3", "2")


def test_the_index_lists_what_has_ended_by_dataset_and_day_newest_first(aws):
    first, second = (aws.upload(f"prices/LSE/{name}.csv", PRICES) for name in "AB")
    other = aws.upload("holiday/photo.jpg", b"")
    aws.ledger.claim(aws.upload("prices/LSE/C.csv", PRICES), lease=330, max_tries=3, sent=0)
    for upload in (first, second, other):
        accept(aws.intake(), upload)
        aws.clock.now += 1

    day = "2023-11-14"
    assert [item["upload_key"] for item in aws.listed("prices", day)] == [
        "uploads/prices/LSE/B.csv",
        "uploads/prices/LSE/A.csv",
    ]
    assert [item["state"] for item in aws.listed("none", day)] == ["IGNORED"]

    aws.ledger.claim(dataclasses.replace(first, reopens=1), lease=330, max_tries=3, sent=0)
    assert [item["upload_key"] for item in aws.listed("prices", day)] == ["uploads/prices/LSE/B.csv"]


def test_one_caller_alone_concludes_a_spent_upload(aws):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    aws.ledger.claim(upload, lease=330, max_tries=1, sent=0)
    assert aws.ledger.claim_spent(upload, lease=60, max_tries=1).status == "BUSY", "its lease has not passed"
    aws.clock.now += 331

    claims = [aws.ledger.claim_spent(upload, lease=60, max_tries=1) for _ in range(2)]

    assert [claim.status for claim in claims] == ["SPENT", "BUSY"]


@pytest.fixture
def people(tmp_path):
    """Makes a catalogue of the dataset people with something more in its descriptor."""

    def make(more: str, old: str = "", new: str = "") -> Catalogue:
        text = (DATASETS / "people.yaml").read_text(encoding="utf-8")
        assert old in text
        (tmp_path / "people.yaml").write_text(text.replace(old, new) + more, encoding="utf-8")
        return Catalogue(tmp_path, NEEDS)

    return make


@pytest.mark.parametrize(
    ("reject", "state", "reason"),
    [
        ("2", "REJECTED", "2 of 4 rows break the contract, and the dataset rejects a file from 2 on"),
        ("3", "PARTIAL", "2 of 4 rows break the contract"),
        ('"50%"', "REJECTED", "2 of 4 rows break the contract, and the dataset rejects a file from 50% on"),
        ('"50.1%"', "PARTIAL", "2 of 4 rows break the contract"),
    ],
)
def test_too_many_bad_rows_reject_the_file_and_are_reported(aws, people, reject, state, reason):
    upload = aws.upload("people/staff.csv", b"id,email\n1,a@b.org\nx,a@b.org\n3,c@d.org\n4,no\n")

    outcome = accept(aws.intake(catalogue=people(f"sluice:reject: {reject}\n")), upload)

    assert (outcome.state, outcome.reason) == (state, reason)
    assert (outcome.rows_good, outcome.rows_rejected) == (2, 2)
    assert aws.results() == ["people/staff.csv"] * (state == "PARTIAL") + ["people/staff.csv.errors.jsonl"]
    [told] = aws.told()
    assert (told["state"], told["error_report"]) == (state, "s3://results/people/staff.csv.errors.jsonl")
    assert len(aws.result("people/staff.csv.errors.jsonl").splitlines()) == 2


LOAD = """\
sluice:processor: load
sluice:load: {table: people, mode: insert-ignore, without-database: clean}
"""


def test_more_rows_than_their_keys_can_be_checked_for_reject_the_file(aws, people, monkeypatch):
    monkeypatch.setattr(keys, "VALUES_LIMIT", 2)
    upload = aws.upload("people/staff.csv", b"id,email\n1,a@b.org\n2,a@b.org\n3,c@d.org\n")

    outcome = accept(aws.intake(catalogue=people("", LOAD, "sluice:processor: clean\n")), upload)

    assert outcome.state == "REJECTED"
    assert "row 4: unique fields and primary keys are checked for 2 different values" in outcome.reason
    assert aws.results() == []
