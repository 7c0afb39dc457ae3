"""Who is subscribed to a topic."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Subscription:
    """A subscription; one that nobody has confirmed yet has no `arn`."""

    topic: str
    protocol: str
    endpoint: str
    arn: str | None


def subscriptions(sns: Any, topic: str) -> Iterator[Subscription]:
    """The subscriptions to a topic, given by its ARN.

    https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    for one in (one for page in pages for one in page["Subscriptions"]):
        # Who has unsubscribed is listed for some days.
        if one["SubscriptionArn"] != "Deleted":
            # "PendingConfirmation", and with a space in some answers.
            arn = one["SubscriptionArn"] if one["SubscriptionArn"].startswith("arn:") else None
            yield Subscription(topic, one["Protocol"], one["Endpoint"], arn)
