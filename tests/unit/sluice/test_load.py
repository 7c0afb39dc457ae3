"""Uploads that are loaded into a table: what Intake makes of what the database says."""

import dataclasses
import json

import pytest

from sluice import intake as rules
from sluice.contract.descriptor import Target
from sluice.datasets import Catalogue
from sluice.errors import Retry, TransientError
from sluice.processors import NEEDS
from sluice.upload import Loaded, RowError
from support.deployment import DATASETS, invocation

PEOPLE = b"id,email\n1,a@b.org\nx,c@d.org\n2,e@f.org\n\n1,g@h.org\n"


class FakeTables:
    """A database that loads each upload once, and finds in each the duplicates that it is told of."""

    def __init__(self, loaded: Loaded, duplicates: tuple[int, ...] = ()) -> None:
        self._loaded, self._duplicates = loaded, duplicates
        self.committed: dict[str, tuple[bytes, int]] = {}
        self.aborted = 0
        self.fails = 0

    def create(self, upload, dataset, position):
        return FakeWriter(self, upload)


class FakeWriter:
    def __init__(self, tables: FakeTables, upload) -> None:
        self._tables, self._upload, self._data = tables, upload, b""

    def write(self, data: bytes) -> None:
        self._data += data

    def commit(self, rows):
        if self._tables.fails:
            self._tables.fails -= 1
            raise TransientError("the database went away")
        self._tables.committed.setdefault(self._upload.id, (self._data, rows))
        message = "repeats the primary key (id) of another row"
        numbers = [int(line.partition(b",")[0]) for line in self._data.splitlines()]
        errors = [
            RowError(numbers[place - 1], None, "duplicate-row", message, "secret")
            for place in self._tables._duplicates
        ]
        return self._tables._loaded, errors

    def abort(self) -> None:
        self._tables.aborted += 1


def accept(intake, upload, receives=1):
    return intake.accept(upload, receives=receives, sent=0.0, invocation=invocation(900.0))


def lines(aws, upload):
    report = aws.result(f"{upload.key}.{upload.id}.errors.jsonl")
    return [(error["row"], error["error"]) for error in map(json.loads, report.splitlines())]


def test_a_load_is_accounted_for_everywhere(aws):
    tables = FakeTables(Loaded(2, 0, 1), (3,))
    upload = aws.upload("people/staff.csv", PEOPLE)

    outcome = accept(aws.intake(tables=tables), upload)

    assert tables.committed[upload.id][1] == 3
    assert (outcome.state, outcome.result) == ("PARTIAL", None)
    assert outcome.reason == "1 of 4 rows break the contract; 3 rows: 2 inserted, 1 duplicates of rows in people"
    assert lines(aws, upload) == [(3, "type-error"), (6, "duplicate-row")]
    [item], [told] = aws.items(), aws.told()
    assert (item["inserted"], item["updated"], item["duplicates"]) == ("2", "0", "1")
    assert (told["inserted"], told["updated"], told["duplicates"]) == (2, 0, 1)
    assert [error["row"] for error in told["first_errors"]] == [3, 6]
    assert "secret" not in json.dumps(told)
    assert aws.results() == [f"people/staff.csv.{upload.id}.errors.jsonl"]


def test_duplicates_are_no_violation(aws):
    tables = FakeTables(Loaded(1, 1, 1), (2,))
    upload = aws.upload("people/staff.csv", PEOPLE.replace(b"x,c@d.org\n", b""))

    outcome = accept(aws.intake(tables=tables), upload)

    assert (outcome.state, outcome.rows_good) == ("SUCCEEDED", 3)
    assert outcome.reason == "3 rows: 1 inserted, 1 updated, 1 duplicates of rows in people"
    assert lines(aws, upload) == [(3, "duplicate-row")]


def test_other_datasets_have_no_load_in_ledger_and_notification(aws):
    upload = aws.upload("people/staff.csv", b"id,email\n1,a@b.org\n")

    outcome = accept(aws.intake(), upload)

    assert outcome.loaded is None
    [item], [told] = aws.items(), aws.told()
    assert not {"inserted", "updated", "duplicates"} & (item.keys() | told.keys())


def test_a_file_that_is_rejected_loads_nothing(aws):
    tables = FakeTables(Loaded(0, 0, 0))

    outcome = accept(aws.intake(tables=tables), aws.upload("people/staff.csv", b"id;email\n1;a@b.org\n"))

    assert (outcome.state, tables.committed) == ("REJECTED", {})
    assert tables.aborted


def test_a_late_version_is_loaded_and_has_its_own_report(aws):
    tables = FakeTables(Loaded(1, 0, 1), (1,))
    old, new = aws.upload("people/staff.csv", PEOPLE), aws.upload("people/staff.csv", PEOPLE)
    intake = aws.intake(tables=tables)

    assert [accept(intake, new).state, accept(intake, old).state] == ["PARTIAL", "PARTIAL"]

    assert tables.committed.keys() == {old.id, new.id}
    assert len(aws.results()) == 2


def test_an_attempt_that_dies_after_the_commit_is_followed_by_one_that_says_the_same(aws, monkeypatch):
    tables = FakeTables(Loaded(2, 0, 1), (3,))
    upload = aws.upload("people/staff.csv", PEOPLE)
    intake = aws.intake(tables=tables)
    with monkeypatch.context() as patch:
        patch.setattr(rules._Report, "commit", lambda report: 1 / 0)
        with pytest.raises(Retry):
            accept(intake, upload)

    outcome = accept(intake, upload, receives=2)

    assert (outcome.state, outcome.loaded) == ("PARTIAL", Loaded(2, 0, 1))
    assert lines(aws, upload) == [(3, "type-error"), (6, "duplicate-row")]
    assert len(tables.committed) == 1


def test_a_database_that_fails_is_tried_again(aws):
    tables = FakeTables(Loaded(3, 0, 0))
    tables.fails = 1
    upload = aws.upload("people/staff.csv", PEOPLE)
    intake = aws.intake(tables=tables)

    with pytest.raises(Retry, match="the database went away"):
        accept(intake, upload)
    assert tables.aborted == 1

    assert accept(intake, upload, receives=2).loaded == Loaded(3, 0, 0)


def test_of_very_many_duplicates_the_report_says_that_there_are_more(aws, monkeypatch):
    monkeypatch.setattr(rules, "REPORTED_ERRORS", 2)
    upload = aws.upload("people/staff.csv", PEOPLE.replace(b"x,c@d.org\n", b""))

    outcome = accept(aws.intake(tables=FakeTables(Loaded(0, 0, 3), (1, 2))), upload)

    assert outcome.reason.endswith("3 duplicates of rows in people; the error report ends after 2 errors")
    report = aws.result(f"people/staff.csv.{upload.id}.errors.jsonl").splitlines()
    assert json.loads(report[-1])["message"] == "the report is cut after the first 2 of 3 errors"


def test_a_replay_that_loads_nothing_leaves_no_counts_of_the_load_before(aws):
    upload = aws.upload("people/staff.csv", PEOPLE)
    accept(aws.intake(tables=FakeTables(Loaded(3, 0, 0))), upload)

    accept(aws.intake(), dataclasses.replace(upload, reopens=1))

    [item] = aws.items()
    assert (item["attempt"], "inserted" in item) == ("2", False)


def test_without_a_database_the_descriptor_says_what_becomes_of_the_rows(aws):
    upload = aws.upload("people/staff.csv", PEOPLE)

    assert accept(aws.intake(), upload).result.key == "people/staff.csv"
    assert aws.results() == ["people/staff.csv", "people/staff.csv.errors.jsonl"]


def test_without_a_database_a_dataset_that_can_only_be_loaded_is_rejected(aws):
    catalogue = Catalogue(DATASETS, NEEDS)
    people = catalogue._datasets["people"]
    catalogue._datasets["people"] = dataclasses.replace(people, target=Target("people", "append"))

    outcome = accept(aws.intake(catalogue=catalogue), aws.upload("people/staff.csv", PEOPLE))

    assert (outcome.state, outcome.reason) == (
        "REJECTED",
        "dataset people loads into a database and this deployment has none: deploy with EnableDatabase=true",
    )
