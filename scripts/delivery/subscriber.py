"""A queue that hears what a topic tells."""

import json
from typing import Any


def create(sqs: Any, topic: str, name: str) -> tuple[str, str]:
    """Create a queue that a topic, given by its ARN, may send to, beside the topic; return the queue's URL and ARN.

    Subscribing it is left to the caller. `sqs` is a boto3 client.
    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
    """
    partition, _, region, account, _ = topic.removeprefix("arn:").split(":")
    arn = f"arn:{partition}:sqs:{region}:{account}:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"], arn
