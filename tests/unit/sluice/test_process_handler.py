"""The handler: a batch of queue messages in, the messages that must come back out."""

import copy
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from local.invocation import Context
from sluice.upload import Loaded
from support.deployment import PRICES
from support.metrics import of, read

EVENTS = Path(__file__).parents[2] / "events"
CLEAN = {"prices/LSE/ABC.csv": PRICES, "people/staff.csv": b"id,email\n1,ann@example.org\n"}


@pytest.fixture
def log() -> io.StringIO:
    """What the function logs."""
    return io.StringIO()


@pytest.fixture
def sqs_refuses() -> bool:
    """Whether SQS refuses to say when messages come back."""
    return False


@pytest.fixture
def database_secret() -> str:
    """The secret with which the function comes to its database; none where it has none."""
    return ""


@pytest.fixture
def process(aws, load, log, sqs_refuses, database_secret, monkeypatch):
    """The handler on a queue of real messages: call it with bodies, get the bodies that came back and their delays."""
    module = load(
        "process",
        LEDGER_TABLE="ledger",
        RESULTS_BUCKET="results",
        TOPIC_ARN=aws.topic,
        QUEUE_URL=aws.queue,
        ENVIRONMENT="test",
        MAX_ATTEMPTS="3",
        MAX_RECEIVES="8",
        DATABASE_SECRET=database_secret,
    )
    monkeypatch.setattr(module.logger.registered_handler, "stream", log)
    delays: dict[str, int] = {}

    def change_message_visibility(QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        assert QueueUrl == aws.queue
        delays[ReceiptHandle] = VisibilityTimeout
        if sqs_refuses:
            raise ClientError({"Error": {"Code": "InvalidParameterValue"}}, "ChangeMessageVisibility")

    monkeypatch.setattr(module, "sqs", SimpleNamespace(change_message_visibility=change_message_visibility))

    def call(*bodies: str, receives: tuple[int, ...] = ()) -> dict[int, int]:
        delays.clear()
        template = json.loads((EVENTS / "queue-message.json").read_text())["Records"][0]
        records = []
        for number, body in enumerate(bodies):
            record = copy.deepcopy(template)
            record.update(messageId=str(number), receiptHandle=str(number), body=body)
            if receives:
                record["attributes"]["ApproximateReceiveCount"] = str(receives[number])
            records.append(record)
        answer = module.handler({"Records": records}, Context())
        failed = [item["itemIdentifier"] for item in answer["batchItemFailures"]]
        assert failed == list(delays)
        return {int(number): delay for number, delay in delays.items()}

    return call


def notification(upload) -> str:
    event = json.loads((EVENTS / "put.json").read_text())
    event["Records"][0]["s3"]["bucket"]["name"] = upload.bucket
    event["Records"][0]["s3"]["object"].update(
        key=upload.key, versionId=upload.version_id, sequencer=upload.sequencer, size=upload.size
    )
    return json.dumps(event)


def test_a_clean_file_costs_five_requests(aws, process, requests):
    bodies = [notification(aws.upload(key, body)) for key, body in CLEAN.items()]
    requests.clear()

    assert process(*bodies) == {}

    assert requests == ["UpdateItem", "GetObject", "PutObject", "Publish", "UpdateItem"] * len(CLEAN)


def test_a_file_with_bad_rows_costs_two_more_for_its_report(aws, process, requests):
    body = notification(aws.upload("people/staff.csv", b"id,email\n1,ann@example.org\nx,bob@example.org\n"))
    requests.clear()

    assert process(body) == {}

    # The head is the look before the first of two objects is written.
    assert requests == ["UpdateItem", "GetObject", "HeadObject", "PutObject", "PutObject", "Publish", "UpdateItem"]


def test_what_has_come_back_most_often_goes_first(aws, process, log):
    names = ["first", "back", "new"]
    bodies = [notification(aws.upload(f"prices/LSE/{name}.csv", PRICES)) for name in names]

    process(*bodies, receives=(1, 4, 1))

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    done = [line["key"] for line in lines if line["message"] == "upload concluded"]
    assert done == [f"prices/LSE/{name}.csv" for name in ("back", "first", "new")]


def test_one_poison_message_in_ten_comes_back_alone(aws, process):
    uploads = [aws.upload(f"prices/LSE/{n}.csv", PRICES) for n in range(9)]
    bodies = [notification(upload) for upload in uploads]

    assert process(*bodies[:4], "poison", *bodies[4:]) == {4: 0}

    assert sorted(item["state"] for item in aws.items()) == ["SUCCEEDED"] * 9
    assert len(aws.told()) == 9


@pytest.mark.parametrize("sqs_refuses", [True])
def test_a_message_that_sqs_will_not_hasten_comes_back_alone_too(aws, process):
    assert process("poison", notification(aws.upload("prices/LSE/1.csv", PRICES))) == {0: 0}

    assert [item["state"] for item in aws.items()] == ["SUCCEEDED"]


def test_a_batch_of_nothing_but_poison_is_no_error_of_the_function(process):
    assert process("poison", "{}", "[" * 100_000) == {0: 0, 1: 0, 2: 0}


def test_the_test_event_is_noted_and_not_announced(aws, process):
    body = (EVENTS / "test-event.json").read_text()

    assert process(body, body) == {}

    [item] = aws.items()
    assert (item["upload_key"], item["version_id"], item["state"]) == ("uploads-example/", "s3:TestEvent", "IGNORED")
    assert aws.told() == []


def test_what_cannot_be_accounted_for_comes_back_later(aws, process):
    upload = aws.upload("prices/LSE/ABC.csv", PRICES)
    aws.dynamodb.delete_table(TableName="ledger")

    assert process(notification(upload)) == {0: 10}


def test_logs_name_the_upload_and_never_its_rows(aws, process, log):
    process(notification(aws.upload("people/staff.csv", b"id,email\n1,ann@example.org\nx,bob@example.org\n")))

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    [concluded] = [line for line in lines if line["message"] == "upload concluded"]
    assert (concluded["key"], concluded["state"], concluded["rows_rejected"]) == ("people/staff.csv", "PARTIAL", 1)
    assert "example.org" not in json.dumps(lines)


def test_a_failed_attempt_is_an_error_of_the_version_and_a_wait_is_none(aws, process, log, monkeypatch):
    """CodeDeploy rolls a version back that logs errors (templates/lambda.yaml)."""
    waits, fails = (aws.upload(f"prices/LSE/{name}.csv", PRICES) for name in ("waits", "fails"))
    aws.ledger.claim(waits, lease=1e9, max_tries=3, sent=0)
    monkeypatch.setitem(sys.modules["sluice.processors"].PROCESSORS, "forecast", SimpleNamespace())

    assert process(notification(waits), notification(fails)) == {0: 10, 1: 10}

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    levels = {line["key"]: line["level"] for line in lines if line["message"] == "message comes back"}
    assert levels == {"prices/LSE/waits.csv": "WARNING", "prices/LSE/fails.csv": "ERROR"}
    assert {line["function_version"] for line in lines} == {"7"}


def test_without_a_database_its_driver_is_not_loaded():
    code = "import sys, sluice.handlers.process; sys.exit('pymysql' in sys.modules)"
    settings = ("LEDGER_TABLE", "RESULTS_BUCKET", "TOPIC_ARN", "QUEUE_URL", "ENVIRONMENT")
    environment = dict.fromkeys(settings, "x") | {"MAX_ATTEMPTS": "3", "MAX_RECEIVES": "8"}
    path = os.pathsep.join(filter(None, sys.path))
    environment |= {"PYTHONPATH": path, "AWS_DEFAULT_REGION": "us-east-1", "DATABASE_SECRET": ""}

    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


@pytest.fixture
def database(monkeypatch) -> list:
    """In the place of the database's adapters, what notes how they are made and tables that load one row."""
    made: list = []

    class Writer:
        write = abort = staticmethod(lambda *_: None)

        def commit(self, rows):
            return Loaded(rows, 0, 0), []

    class Tables:
        def __init__(self, database) -> None:
            made.append(database)

        def create(self, *_):
            return Writer()

    def connect(secrets, secret_id):
        return secrets.meta.service_model.service_name, secret_id

    monkeypatch.setitem(sys.modules, "sluice.database", SimpleNamespace(Database=connect))
    monkeypatch.setitem(sys.modules, "sluice.table", SimpleNamespace(Tables=Tables))
    return made


@pytest.mark.parametrize("database_secret", ["arn:of:a:secret"])
def test_with_a_database_rows_are_loaded(aws, database, process):
    process(notification(aws.upload("people/staff.csv", b"id,email\n1,ann@example.org\n")))

    assert database == [("secretsmanager", "arn:of:a:secret")]
    [item] = aws.items()
    assert (item["state"], item["reason"], item["inserted"]) == ("SUCCEEDED", "1 rows: 1 inserted in people", "1")


def test_a_message_of_two_records_loses_none_when_one_must_come_back(aws, process):
    bad, good = aws.upload("prices/LSE/A.csv", PRICES), aws.upload("prices/LSE/B.csv", PRICES)
    aws.ledger.claim(bad, lease=1e9, max_tries=3, sent=0)
    records = [json.loads(notification(upload))["Records"][0] for upload in (bad, good)]

    assert process(json.dumps({"Records": records})) == {0: 10}

    states = {item["upload_key"]: item["state"] for item in aws.items()}
    assert states == {"uploads/prices/LSE/A.csv": "PROCESSING", "uploads/prices/LSE/B.csv": "SUCCEEDED"}


def test_each_upload_is_counted_and_each_failed_attempt(aws, process, monkeypatch, capsys):
    good, fails = aws.upload("people/staff.csv", CLEAN["people/staff.csv"]), aws.upload("prices/LSE/A.csv", PRICES)
    monkeypatch.setitem(sys.modules["sluice.processors"].PROCESSORS, "forecast", SimpleNamespace())

    process(notification(good), notification(fails), (EVENTS / "test-event.json").read_text())

    values = read(capsys.readouterr().out)
    service = {"environment": "test", "service": "process"}
    assert of(values, **service, state="SUCCEEDED", dataset="people")["Uploads"] == [1]
    measures = of(values, **service)
    assert sorted(measures["FailedAttempts"]) == [0, 1]
    [headroom] = measures["MemoryHeadroom"]
    assert measures["Bytes"] == [good.size] and measures["Duration"][0] > 0 and headroom < 1024
    assert measures["CostPerUpload"][0] > 9


def test_a_line_has_the_id_of_its_message_and_of_the_upload(aws, process, log):
    uploads = [aws.upload(key, body) for key, body in CLEAN.items()]
    process("poison", *map(notification, uploads))

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert {line["correlation_id"]: line.get("upload_id") for line in lines} == {
        "0": None,
        "1": uploads[0].id,
        "2": uploads[1].id,
    }
