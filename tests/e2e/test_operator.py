"""`scripts/sluice` on a deployment: what a person on call and a person who uploads do."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from delivery import subscriber
from operations.cli import app
from support.deployed import counts, items, send, until
from support.runbook import commands

SCRIPT = Path(__file__).parents[2] / "scripts" / "sluice"
GOOD, BAD = b"id,email\n1,a@b.example\n", b"id,email\n1,a@b.example\n2,nobody\n"


@pytest.fixture
def sluice(deployment, monkeypatch):
    """Runs a command in this process, which is quicker; returns its exit code and what it printed."""
    for name, value in deployment.cloud.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout

    return run


@pytest.fixture(autouse=True)
def drained(deployment):
    """Leaves nothing to be told to the tests after it."""
    yield
    while deployment.receive(wait=0):
        pass


@pytest.fixture(scope="module")
def uploaded(deployment, tmp_path_factory) -> Path:
    """A good and a bad file, uploaded by the script itself under the keys that their paths end with."""
    folder = tmp_path_factory.mktemp("files") / "people"
    folder.mkdir()
    for name, body in (("operator good.csv", GOOD), ("operator-bad.csv", BAD)):
        (folder / name).write_bytes(body)
    done = subprocess.run(
        [SCRIPT, "upload", *folder.iterdir(), "--json", "--timeout", "60"],
        env={**os.environ, **deployment.cloud.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    told = {one["key"]: one for one in json.loads(done.stdout)["uploads"]}
    assert told["people/operator good.csv"]["state"] == "SUCCEEDED"
    assert [error["row"] for error in told["people/operator-bad.csv"]["first_errors"]] == [3]
    return folder


def test_status_errors_and_logs_tell_of_an_upload(sluice, uploaded):
    key = "people/operator-bad.csv"

    _, listed = sluice("status", "--state", "PARTIAL", "--dataset", "people", "--json")
    _, errors = sluice("errors", key)
    _, logged = sluice("logs", key, "--json")

    assert key in [upload["key"] for upload in json.loads(listed)["uploads"]]
    assert '"nobody"' in errors
    events = [line["event"] for line in json.loads(logged)["lines"]]
    assert [(event["message"], event["state"]) for event in events] == [("upload concluded", "PARTIAL")]


def test_who_subscribes_to_rejections_is_told_of_those_alone(deployment, sluice, uploaded, tmp_path):
    sqs = deployment.cloud.client("sqs")
    queue, arn = subscriber.create(sqs, deployment.outputs()["TopicArn"], "operator")
    rejected = tmp_path / "rejected.csv"
    rejected.write_bytes(b"nothing\n")

    code, _ = sluice("subscribe", arn, "--state", "REJECTED,FAILED", "--dataset", "people")
    assert code == 0
    assert sluice("upload", rejected, "--dataset", "people")[0] == 5
    assert sluice("upload", uploaded / "operator-bad.csv")[0] == 3

    [message] = until(lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"))
    assert json.loads(json.loads(message["Body"])["Message"])["key"] == "people/rejected.csv"
    assert not sqs.receive_message(QueueUrl=queue).get("Messages")


def test_what_failed_is_redriven_and_every_command_of_the_runbook_works(deployment, sluice, uploaded, tmp_path):
    key = "people/operator good.csv"
    meant = {"KEY": key, "dashboard.png": tmp_path / "dashboard.png"}
    fail(deployment, key)

    ours = dict.fromkeys(tuple(words[1:]) for words in commands() if words[0] == "scripts/sluice")
    for words in ours:
        if "production" in words:
            continue
        # Other tests have uploads that failed, too.
        of_this_key = ["--key", key] if words[0] == "redrive" else []
        code, out = sluice(*(meant.get(word, word) for word in words), *of_this_key)
        # What doctor finds here is up to the tests before this one.
        assert code == 0 or words[0] == "doctor", (words, out)
        if words == ("redrive", "--dry-run"):
            assert f"FAILED     {key}" in out

    until(lambda: state(deployment, key) == "SUCCEEDED")


def test_the_dashboard_is_drawn_of_what_has_run_here(deployment, sluice, uploaded, tmp_path):
    deployment.cloud.client("lambda").invoke(FunctionName=f"{deployment.outputs()['SweepFunction']}:live")
    picture = tmp_path / "dashboard.png"

    code, out = until(lambda: _drawn(sluice, picture))

    assert code == 0 and picture.stat().st_size > 10_000
    widgets = {widget["title"]: widget for widget in json.loads(out)["widgets"]}
    assert {title: widget["remark"] for title, widget in widgets.items() if widget["remark"]} == {}
    states = {series["label"] for series in widgets["Uploads by state"]["series"]}
    assert {"SUCCEEDED", "PARTIAL"} <= states


def _drawn(sluice, picture) -> tuple[int, str] | None:
    """Queues are measured every few seconds."""
    code, out = sluice("dashboard", "--png", picture, "--json")
    age = next(one for one in json.loads(out)["widgets"] if one["title"].startswith("Age of the oldest"))
    return None if age["remark"] else (code, out)


def test_doctor_finds_what_is_wrong_and_says_the_command_that_mends_it(deployment, sluice):
    before = findings(sluice)
    functions = deployment.cloud.client("lambda")
    alarm = deployment.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    alarm = next(one["AlarmName"] for one in alarm if "Backlog" in one["AlarmName"])
    [mapping] = functions.list_event_source_mappings(FunctionName=f"{deployment.outputs()['ProcessFunction']}:live")[
        "EventSourceMappings"
    ]
    waiting = counts(deployment, "DeadLetterQueueUrl")
    send(deployment, "to nobody")
    until(lambda: counts(deployment, "DeadLetterQueueUrl") > waiting)

    deployment.cloud.client("cloudwatch").disable_alarm_actions(AlarmNames=[alarm])
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        found = [one["mend"] for one in findings(sluice) if one not in before]
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
        deployment.cloud.client("cloudwatch").enable_alarm_actions(AlarmNames=[alarm])
        deployment.cloud.client("sqs").purge_queue(QueueUrl=deployment.outputs()["DeadLetterQueueUrl"])

    assert f"aws lambda update-event-source-mapping --enabled --uuid {mapping['UUID']}" in found
    assert f"aws cloudwatch enable-alarm-actions --alarm-names {alarm}" in found
    assert "scripts/sluice redrive --stack sluice-staging" in found


def findings(sluice) -> list[dict]:
    return json.loads(sluice("doctor", "--json")[1])["findings"]


def state(deployment, key: str) -> str:
    [found] = [item["state"] for (name, _), item in items(deployment).items() if name == key]
    return found


def fail(deployment, key: str) -> None:
    """Writes into the ledger that all attempts at an upload have failed, which takes minutes otherwise."""
    [item] = [item for (name, _), item in items(deployment).items() if name == key]
    deployment.cloud.client("dynamodb").update_item(
        TableName=deployment.outputs()["LedgerTable"],
        Key={name: {"S": item[name]} for name in ("upload_key", "version_id")},
        UpdateExpression="SET #state = :failed",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":failed": {"S": "FAILED"}},
    )
