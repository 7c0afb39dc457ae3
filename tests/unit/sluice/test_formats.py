"""Uploads in every format through the intake: what decides is what they hold, not what they are called."""

import gzip
import json

import pytest
from backports import zstd

from sluice.datasets import Catalogue
from sluice.processors import NEEDS
from support.deployment import invocation

ROWS = b"id,email\n1,a@b.org\nx,c@d.org\n3,e@f.org\n"
DESCRIPTOR = """
name: staff
schema:
  fields:
    - {name: id, type: integer, constraints: {required: true}}
    - {name: email, type: string, format: email}
sluice:key: staff/{name}
sluice:processor: clean
"""
TYPES = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv", "jsonl": "application/jsonl"}


@pytest.fixture
def intake(aws, tmp_path):
    def make(more: str = "") -> object:
        (tmp_path / "staff.yaml").write_text(DESCRIPTOR + more, encoding="utf-8")
        return aws.intake(catalogue=Catalogue(tmp_path, NEEDS))

    return make


def accept(intake, upload):
    return intake.accept(upload, receives=1, sent=0.0, invocation=invocation(900.0))


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("staff/plain.csv", ROWS),
        ("staff/really-plain.csv.gz", ROWS),
        ("staff/compressed.csv.gz", gzip.compress(ROWS, mtime=0)),
        ("staff/really-compressed.csv", gzip.compress(ROWS, mtime=0)),
        ("staff/compressed.zst", zstd.compress(ROWS)),
    ],
)
def test_compression_is_recognised_by_what_a_file_holds(aws, intake, key, body):
    outcome = accept(intake("sluice:format: csv"), aws.upload(key, body))

    assert (outcome.state, outcome.rows_good, outcome.rows_rejected) == ("PARTIAL", 2, 1)
    assert aws.result(f"{key}.csv") == b"id,email\n1,a@b.org\n3,e@f.org\n"
    [error] = map(json.loads, aws.result(f"{key}.errors.jsonl").splitlines())
    assert (error["row"], error["field"]) == (3, "id")


@pytest.mark.parametrize("form", TYPES)
def test_a_result_lies_under_the_key_of_its_upload(aws, intake, form):
    outcome = accept(intake(f"sluice:format: {form}"), aws.upload("staff/a b.csv", ROWS))

    assert outcome.result.key == f"staff/a b.csv.{form}"
    stored = aws.s3.get_object(Bucket="results", Key=outcome.result.key)
    assert stored["ContentType"].partition(";")[0] == TYPES[form]


def test_a_result_is_parquet_unless_the_dataset_says_otherwise(aws, intake):
    outcome = accept(intake(), aws.upload("staff/a.csv", ROWS))

    assert outcome.result.key == "staff/a.csv.parquet"
    assert aws.result(outcome.result.key)[:4] == b"PAR1"


@pytest.mark.parametrize("form", TYPES)
def test_a_retry_writes_the_same_bytes(aws, intake, form):
    upload = aws.upload("staff/a.csv", ROWS.replace(b"id,email\n", b"id,email\n" + b"7,x@y.org\n" * 50_000))
    intake = intake(f"sluice:format: {form}")
    first = accept(intake, upload)

    aws.dynamodb.delete_item(
        TableName="ledger", Key={"upload_key": {"S": f"uploads/{upload.key}"}, "version_id": {"S": upload.version_id}}
    )
    second = accept(intake, upload)

    assert second.result == first.result
    assert second.error_report == first.error_report


@pytest.mark.parametrize(
    ("form", "body", "reason"),
    [
        ("csv", gzip.compress(ROWS, mtime=0)[:-5], "the gzip data is cut off"),
        ("json", b'[{"id": 1, "email": "a@b.org"}', "the JSON array has no end"),
        ("parquet", ROWS, "the file is not Parquet"),
    ],
)
def test_a_damaged_file_leaves_nothing_behind(aws, intake, form, body, reason):
    outcome = accept(intake(f"format: {form}"), aws.upload("staff/a", body))

    assert (outcome.state, outcome.result) == ("REJECTED", None)
    assert reason in outcome.reason
    assert [key for key in aws.results() if not key.endswith(".errors.jsonl")] == []


def test_a_result_never_replaces_that_of_another_upload(aws, intake):
    """Whatever templates of keys allow: here, the result of one upload has the key of the other's error report."""
    intake = intake("sluice:format: jsonl")
    first = accept(intake, aws.upload("staff/a", ROWS))
    report = aws.result(first.error_report.key)

    second = accept(intake, aws.upload("staff/a.errors", ROWS))

    assert (second.state, second.result) == ("REJECTED", None)
    assert "would replace that of another upload" in second.reason
    assert aws.result(first.error_report.key) == report


def test_an_engine_that_fails_is_tried_again(aws, intake, monkeypatch):
    from sluice import engine
    from sluice.errors import Retry

    def fail(sql: str) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr(engine, "fetch", fail)
    with pytest.raises(Retry, match="MemoryError in "):
        accept(intake(), aws.upload("staff/a.csv", ROWS))
    assert aws.results() == []
