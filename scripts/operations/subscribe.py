"""`scripts/sluice subscribe`: who is told how uploads end."""

import json
import re
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from delivery.subscriptions import subscriptions
from operations.deployment import find
from operations.exits import CommandError
from operations.keys import unknown
from operations.options import STATES, EnvironmentOption, JsonOption, StackOption, parse_states
from operations.output import print_json, printable, say
from sluice.upload import FINAL_STATES

# https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
_PROTOCOLS = {
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "https": re.compile(r"https://\S+"),
    "sqs": re.compile(r"arn:[a-z0-9-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+"),
}
_CONFIRM = {
    "email": "AWS has mailed a link there; somebody has to follow it within two days",
    "https": "AWS has posted a SubscribeURL there; it has to be visited within two days",
    "sqs": "AWS has sent a SubscribeURL there, as the queue is another account's; it has to be visited within two days",
}


def _states(text: str) -> tuple[str, ...]:
    states = parse_states(text)
    if unannounced := set(states) - FINAL_STATES:
        raise typer.BadParameter(f"{', '.join(unannounced)} is never announced; the others are: {', '.join(STATES)}")
    return states


def subscribe(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="An e-mail address, an https:// URL, or a queue's ARN.")
    ],
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    state: Annotated[
        tuple | None,
        typer.Option("--state", metavar="STATE,...", parser=_states, help="Tell only of these: REJECTED,FAILED."),
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", metavar="NAME", help="Tell only of this dataset; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell somebody how uploads end; who is subscribed already gets the new choice of states and datasets."""
    protocol = next((name for name, pattern in _PROTOCOLS.items() if pattern.fullmatch(address)), None)
    if protocol is None:
        raise typer.BadParameter(f"{address} is no e-mail address, https:// URL or ARN of a queue")
    deployment = find(environment, stack)
    sns, topic = deployment.client("sns"), deployment.outputs["TopicArn"]
    # Batches of readings would be a mail every few seconds: only to who names their dataset.
    source = ["file"] if protocol == "email" and not dataset else []
    chosen = {"state": state, "dataset": dataset, "source": source}
    policy = {name: list(values) for name, values in chosen.items() if values}
    arn = _subscribe(sns, topic, protocol, address, policy)
    pending = [one for one in subscriptions(sns, topic) if one.arn is None]
    if as_json:
        waiting = [{"protocol": one.protocol, "address": one.endpoint} for one in pending]
        print_json({"topic": topic, "subscription": arn, "filter_policy": policy, "pending": waiting})
    else:
        chosen = ", ".join(f"{name} {' or '.join(values)}" for name, values in policy.items()) or "every upload"
        print(f"{address} is subscribed: {printable(chosen)}")
    if warning := unknown(dataset or ()):
        say(f"{warning}. If it is a slip, do this again with the right name, or nothing is told")
    for one in pending:
        say(f"pending confirmation: {one.endpoint}. {_CONFIRM.get(one.protocol, 'It has to be confirmed there')}")
    if protocol == "sqs" and not _admits(deployment.client("sqs"), address, topic):
        say(
            f"the policy of {address} does not name the topic {topic}: let sns.amazonaws.com send messages of it there "
            "(https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html), or none arrive"
        )


def _subscribe(sns: Any, topic: str, protocol: str, address: str, policy: dict) -> str | None:
    """Subscribes an address, or gives its subscription the policy; the ARN, None while it is pending."""
    text = json.dumps(policy)
    known = [one for one in subscriptions(sns, topic) if (one.protocol, one.endpoint) == (protocol, address)]
    for one in known:
        if one.arn:
            sns.set_subscription_attributes(SubscriptionArn=one.arn, AttributeName="FilterPolicy", AttributeValue=text)
            return one.arn
    attributes = {"FilterPolicy": text} if policy else {}
    try:
        answer = sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=address, Attributes=attributes)
    except ClientError as error:
        if not known or error.response["Error"]["Code"] not in ("InvalidParameter", "InvalidParameterException"):
            raise
        raise CommandError(
            f"{address} is pending confirmation with another choice of states and datasets: have it confirmed, or wait "
            "until it has expired, two days after it was asked for; then do this again"
        ) from error
    arn = answer["SubscriptionArn"]
    return arn if arn.startswith("arn:") else None


def _admits(sqs: Any, arn: str, topic: str) -> bool:
    """Whether a queue's policy names the topic; also where it may not be looked at."""
    *_, account, name = arn.split(":")
    try:
        url = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
    except sqs.exceptions.QueueDoesNotExist:
        return False
    except ClientError:
        return True
    return topic in attributes.get("Policy", "")
