"""Subsegments, as the daemon that Lambda runs receives them."""

import json
import socket
from types import SimpleNamespace

import botocore.session
import pytest
from botocore.exceptions import ClientError

from sluice import tracing
from sluice.clients import make_client

TRACE = "Root=1-581cf771-a006649127e371903a2de979;Parent=70de5b6f19ff9a0a;Sampled=1;Lineage=a:0"


@pytest.fixture
def daemon(aws, monkeypatch):
    """Call it for the documents that have been received since the last call."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")

        def receive() -> list[dict]:
            found = []
            while True:
                try:
                    header, _, document = server.recv(65_536).partition(b"\n")
                except BlockingIOError:
                    return found
                assert json.loads(header) == {"format": "json", "version": 1}
                found.append(json.loads(document))

        yield receive


@pytest.fixture
def traced(aws, monkeypatch):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def table(aws):
    """A client that is followed, of a table that is there."""
    session = botocore.session.get_session()
    tracing.follow(session)
    return session.create_client("dynamodb", "us-east-1")


def test_a_call_within_an_upload_is_a_part_of_it(daemon, traced, table):
    with tracing.subsegment("upload", annotations={"upload_id": "0a"}):
        table.describe_table(TableName="ledger")

    call, upload = daemon()
    assert (upload["trace_id"], upload["parent_id"]) == ("1-581cf771-a006649127e371903a2de979", "70de5b6f19ff9a0a")
    assert (upload["type"], upload["name"], upload["annotations"]) == ("subsegment", "upload", {"upload_id": "0a"})
    assert (call["trace_id"], call["parent_id"]) == (upload["trace_id"], upload["id"])
    assert (call["name"], call["namespace"], call["http"]["response"]["status"]) == ("DynamoDB", "aws", 200)
    assert call["aws"].pop("request_id")
    assert call["aws"] == {
        "operation": "DescribeTable",
        "region": "us-east-1",
        "table_name": "ledger",
        "retries": 0,
    }
    assert upload["start_time"] <= call["start_time"] <= call["end_time"] <= upload["end_time"]
    assert len({call["id"], upload["id"]}) == 2 and len(call["id"]) == 16


def test_a_call_by_itself_is_a_part_of_the_function(daemon, traced, table):
    table.describe_table(TableName="ledger")

    [call] = daemon()
    assert call["parent_id"] == "70de5b6f19ff9a0a"


def test_a_call_that_is_refused_is_an_error(daemon, traced, table):
    with pytest.raises(ClientError):
        table.describe_table(TableName="nowhere")

    [call] = daemon()
    assert (call["error"], call["fault"], call["http"]["response"]["status"]) == (True, False, 400)


def test_what_fails_is_a_fault_without_a_word_of_it(daemon, traced):
    with pytest.raises(ValueError), tracing.subsegment("upload"):
        raise ValueError("4111 1111")

    [document] = daemon()
    assert document["fault"] is True
    assert "4111" not in json.dumps(document)


def test_a_call_without_an_answer_is_a_fault(daemon, traced):
    context: dict = {}
    model = SimpleNamespace(name="GetObject", service_model=SimpleNamespace(service_id="S3"))
    tracing._call({"Bucket": "uploads", "Key": "a"}, model, context)
    tracing._unanswered(context)

    [document] = daemon()
    assert (document["name"], document["aws"]["bucket_name"], document["fault"]) == ("S3", "uploads", True)


@pytest.mark.parametrize("trace", ["", TRACE.replace("Sampled=1", "Sampled=0"), "Sampled=1", "nonsense"])
def test_what_is_not_sampled_is_not_sent(daemon, monkeypatch, table, trace):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    with tracing.subsegment("upload"):
        table.describe_table(TableName="ledger")

    assert daemon() == []


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "127.0.0.1:none", None])
def test_without_a_daemon_everything_goes_on(monkeypatch, traced, table, address):
    if address:
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address)
    with tracing.subsegment("upload"):
        assert table.describe_table(TableName="ledger")


def test_the_clients_of_the_functions_are_followed_and_pass_the_trace_on(daemon, traced, aws, monkeypatch):
    """SQS keeps the header as AWSTraceHeader, by which Lambda links what receives the message."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "sweep")
    client, headers = make_client("sqs"), []
    client.meta.events.register("before-send", lambda request, **_: headers.append(request.headers))

    client.send_message(QueueUrl=aws.queue, MessageBody="{}")

    [call] = daemon()
    assert (call["name"], call["aws"]["queue_url"]) == ("SQS", aws.queue)
    assert [sent["X-Amzn-Trace-Id"] for sent in headers] == [TRACE.encode()]
