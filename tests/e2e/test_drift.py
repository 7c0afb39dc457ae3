"""Somebody changes a resource by hand: the drift check, as its role, finds it and tells the alert topic."""

import json
from collections.abc import Iterator

import pytest

from delivery import subscriber
from local.deployment import ROOT_STACK
from support.deployed import until

RETENTION = "MessageRetentionPeriod"


def check(deployment) -> dict:
    answer = deployment.cloud.client("lambda").invoke(
        FunctionName=f"{deployment.outputs()['DriftFunction']}:live", Payload=json.dumps({"stack": ROOT_STACK}).encode()
    )
    found = json.load(answer["Payload"])
    assert "FunctionError" not in answer, found
    return found


@pytest.fixture
def alerts(deployment) -> Iterator[str]:
    """The URL of a queue that gets what the alert topic tells."""
    sqs, topic = deployment.cloud.client("sqs"), deployment.outputs()["AlertTopicArn"]
    url, arn = subscriber.create(sqs, topic, "alerts")
    sns = deployment.cloud.client("sns")
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    yield url
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def changed(deployment) -> Iterator[None]:
    """The dead-letter queue keeps messages for a day."""
    sqs, url = deployment.cloud.client("sqs"), deployment.outputs()["DeadLetterQueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[RETENTION])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={RETENTION: "86400"})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def test_nothing_has_drifted(deployment):
    found = check(deployment)
    assert (found["drifted"], found["unchecked"]) == ([], [])


def test_what_was_changed_by_hand_is_told(deployment, alerts, changed):
    assert check(deployment)["drifted"] == ["Queue/DeadLetters"]

    sqs = deployment.cloud.client("sqs")
    told = until(lambda: of_drift(sqs.receive_message(QueueUrl=alerts, WaitTimeSeconds=1).get("Messages", [])))
    assert told["Subject"] == "Sluice staging: 1 resource has drifted"
    assert f"Queue/DeadLetters (AWS::SQS::Queue) is MODIFIED: /{RETENTION}" in told["Message"]


def of_drift(messages: list[dict]) -> dict | None:
    """What is told of drift: alarms are told of on the same topic."""
    told = [json.loads(message["Body"]) for message in messages]
    return next((one for one in told if "drifted" in one["Subject"]), None)
