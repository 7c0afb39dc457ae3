"""`scripts/sluice subscribe`."""

import json

import pytest
from botocore.exceptions import ClientError

from delivery.subscriptions import Subscription
from operations import deployment
from operations import subscribe as module

QUEUE = "arn:aws:sqs:us-east-1:123456789012:mine"


@pytest.fixture
def queue(aws):
    """A queue that may be sent to by anybody whom its policy names."""

    def make(policy: str = "") -> str:
        return aws.sqs.create_queue(QueueName="mine", Attributes={"Policy": policy} if policy else {})["QueueUrl"]

    return make


def policy(aws, address: str) -> dict:
    [one] = [one for one in aws.sns.list_subscriptions_by_topic(TopicArn=aws.topic)["Subscriptions"]
             if one["Endpoint"] == address]  # fmt: skip
    attributes = aws.sns.get_subscription_attributes(SubscriptionArn=one["SubscriptionArn"])["Attributes"]
    return json.loads(attributes.get("FilterPolicy", "{}"))


def test_a_queue_is_subscribed_with_a_choice(aws, sluice, queue):
    queue(f'{{"Statement": [{{"Condition": {{"ArnEquals": {{"aws:SourceArn": "{aws.topic}"}}}}}}]}}')

    answer = sluice("subscribe", QUEUE, "--state", "REJECTED,failed", "--dataset", "prices", "--dataset", "people")

    assert answer.out == f"{QUEUE} is subscribed: state REJECTED or FAILED, dataset prices or people\n"
    assert policy(aws, QUEUE) == {"state": ["REJECTED", "FAILED"], "dataset": ["prices", "people"]}
    assert "policy" not in answer.err


def test_the_choice_is_changed_by_subscribing_again(aws, sluice, queue):
    queue(f'{{"Statement": "{aws.topic}"}}')
    sluice("subscribe", QUEUE, "--state", "FAILED")

    assert sluice("subscribe", QUEUE, "--state", "REJECTED", "--json").document["filter_policy"] == {
        "state": ["REJECTED"]
    }
    assert policy(aws, QUEUE) == {"state": ["REJECTED"]}
    sluice("subscribe", QUEUE)
    assert policy(aws, QUEUE) == {}


def test_a_dataset_that_this_tree_does_not_have_may_be_a_slip(sluice, queue):
    queue()

    assert "called poeple, stuff; these are: people, " in sluice(
        "subscribe", QUEUE, "--dataset", "poeple", "--dataset", "none", "--dataset", "stuff"
    ).err
    assert "no dataset" not in sluice("subscribe", QUEUE, "--dataset", "people").err


@pytest.mark.parametrize(
    ("address", "options", "policy"),
    [
        ("you@example.org", [], {"source": ["file"]}),
        ("you@example.org", ["--state", "FAILED"], {"state": ["FAILED"], "source": ["file"]}),
        ("you@example.org", ["--dataset", "temperature"], {"dataset": ["temperature"]}),
        ("https://example.org/hook", [], {}),
    ],
)
def test_batches_of_readings_are_mailed_to_who_names_their_dataset(sluice, address, options, policy):
    assert sluice("subscribe", address, *options, "--json").document["filter_policy"] == policy


@pytest.mark.parametrize("policy_text", ["", '{"Statement": "arn:aws:sns:us-east-1:123456789012:other"}', None])
def test_a_queue_that_does_not_admit_the_topic_is_told(sluice, queue, policy_text):
    if policy_text is not None:
        queue(policy_text)

    assert f"the policy of {QUEUE} does not name the topic" in sluice("subscribe", QUEUE).err


def test_what_is_pending_is_said_with_what_to_do(sluice, monkeypatch):
    def pending(sns, topic):
        yield Subscription(topic, "email", "ops@example.org", None)
        yield Subscription(topic, "https", "https://example.org/hook", None)

    monkeypatch.setattr(module, "subscriptions", pending)

    answer = sluice("subscribe", "ops@example.org", "--json")

    assert answer.document["pending"] == [
        {"protocol": "email", "address": "ops@example.org"},
        {"protocol": "https", "address": "https://example.org/hook"},
    ]
    assert "pending confirmation: ops@example.org. AWS has mailed a link there" in answer.err
    assert "pending confirmation: https://example.org/hook. AWS has posted a SubscribeURL" in answer.err


def test_a_pending_one_with_another_choice_has_to_be_confirmed_first(aws, sluice, monkeypatch):
    def refuse(**_):
        message = "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
        raise ClientError({"Error": {"Code": "InvalidParameter", "Message": message}}, "Subscribe")

    known = Subscription(aws.topic, "email", "ops@example.org", None)
    monkeypatch.setattr(module, "subscriptions", lambda sns, topic: iter([known]))
    monkeypatch.setattr(deployment.clients()("sns"), "subscribe", refuse)

    assert "have it confirmed, or wait until it has expired" in sluice("subscribe", "ops@example.org", code=1).err


@pytest.mark.parametrize("address", ["nonsense", "http://example.org", "arn:aws:sns:us-east-1:123456789012:topic"])
def test_what_is_no_address_is_refused(sluice, address):
    assert "is no e-mail address" in sluice("subscribe", address, code=2).err.replace("\n", " ")


def test_a_state_that_is_never_announced_is_refused(sluice):
    assert "PROCESSING is never announced" in sluice("subscribe", QUEUE, "--state", "PROCESSING", code=2).err
