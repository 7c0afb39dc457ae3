"""`scripts/sluice logs`."""

import json
import time

import pytest


@pytest.fixture
def log(aws, stacks):
    """Writes lines into the process function's log."""
    import boto3

    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="process")
    logs.create_log_stream(logGroupName="process", logStreamName="one")
    logs.create_log_group(logGroupName="sweep")
    stacks.nested["Logs"] = {
        "Process": ("AWS::Logs::LogGroup", "process"),
        "Sweep": ("AWS::Logs::LogGroup", "sweep"),
    }

    def write(*lines: str, age: float = 0) -> None:
        events = [{"timestamp": int((time.time() - age) * 1000), "message": line} for line in lines]
        logs.put_log_events(logGroupName="process", logStreamName="one", logEvents=events)

    return write


def test_the_lines_of_an_upload_are_shown_and_no_others(sluice, end, log):
    mine, other = end("people/a.csv"), end("people/b.csv")
    always = {"timestamp": "x", "service": "process", "location": "x:1", "function_name": "f", "key": mine.key}
    log(
        json.dumps({"level": "ERROR", "message": "it \x1b[31mfailed", **always, "upload_id": mine.id, "delay": 10}),
        json.dumps({"level": "INFO", "message": "other", "upload_id": other.id}),
        json.dumps({"level": "INFO", "message": "with trace", "exception": "Traceback:\n  File", "upload_id": mine.id}),
        json.dumps({"_aws": {"CloudWatchMetrics": []}, "upload_id": mine.id}),
        f"plain text of {mine.id}",
    )

    lines = [line[25:] for line in sluice("logs", "people/a.csv").out.splitlines()]

    assert lines[0] == "ERROR    it \\x1b[31mfailed  delay=10"
    assert lines[1] == "INFO     with trace"
    assert "_aws" not in "".join(lines)
    assert lines[-1] == f"plain text of {mine.id}"
    assert "    Traceback:" in sluice("logs", "people/a.csv").out


def test_json_has_the_lines_as_they_are(sluice, end, log):
    mine = end("people/a.csv")
    log(json.dumps({"message": "x", "upload_id": mine.id}), f"plain {mine.id}")

    document = sluice("logs", mine.id, "--json").document

    assert document["upload"]["key"] == "people/a.csv"
    assert [(line["group"], line["event"]) for line in document["lines"]] == [
        ("process", {"message": "x", "upload_id": mine.id}),
        ("process", f"plain {mine.id}"),
    ]


def test_no_line_is_an_error_with_what_to_do(sluice, end, log):
    end("people/a.csv")

    assert "`scripts/sluice status` has the ledger's reason" in sluice("logs", "people/a.csv", code=1).err
