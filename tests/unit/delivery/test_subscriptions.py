"""Who is subscribed to a topic: the forms in which SNS lists it."""

import pytest

from delivery.subscriptions import Subscription, subscriptions

ARN = "arn:aws:sns:us-east-1:123456789012:uploads:1234"


class Sns:
    """Lists one subscription."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def get_paginator(self, operation: str) -> "Sns":
        assert operation == "list_subscriptions_by_topic"
        return self

    def paginate(self, TopicArn: str) -> list[dict]:
        one = {"Protocol": "email", "Endpoint": "a@example.org", "SubscriptionArn": self._arn}
        return [{"Subscriptions": []}, {"Subscriptions": [one]}]


@pytest.mark.parametrize(
    ("listed", "arn"), [(ARN, ARN), ("PendingConfirmation", None), ("pending confirmation", None)]
)
def test_one_that_is_pending_has_no_arn(listed, arn):
    assert list(subscriptions(Sns(listed), "topic")) == [Subscription("topic", "email", "a@example.org", arn)]


def test_who_has_unsubscribed_is_left_out():
    assert list(subscriptions(Sns("Deleted"), "topic")) == []
