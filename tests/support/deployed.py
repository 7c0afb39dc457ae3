"""Looking into, and reaching into, a deployment in the local cloud."""

import json
import time
from collections.abc import Set
from urllib.parse import quote_plus

from local.deployment import ROOT_STACK
from templates.roles.reasons import FUNCTIONS

GOOD = b"".join(b"ABC,%02d-01-2026,%d.50\n" % (day, 10 + day) for day in range(1, 13))


def items(deployment) -> dict[tuple[str, str], dict]:
    """The ledger by (key, version id)."""
    table = deployment.outputs()["LedgerTable"]
    bucket = deployment.outputs()["UploadsBucket"]
    pages = deployment.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    plain = [
        {name: next(iter(value.values())) for name, value in item.items()} for page in pages for item in page["Items"]
    ]
    return {(item["upload_key"].removeprefix(f"{bucket}/"), item["version_id"]): item for item in plain}


def until(condition, seconds: float = 30):
    """Waits until the condition gives something, and returns it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return found


def notification(deployment, key: str, version: str, sequencer: str = "00A0") -> str:
    """The body S3 would send for an object version."""
    bucket = deployment.outputs()["UploadsBucket"]
    item = {"key": quote_plus(key, safe="/"), "size": 1, "versionId": version, "sequencer": sequencer}
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": item}}
    return json.dumps({"Records": [record]})


def send(deployment, *bodies: str) -> None:
    queue = deployment.outputs()["IntakeQueueUrl"]
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    assert not deployment.cloud.client("sqs").send_message_batch(QueueUrl=queue, Entries=entries).get("Failed")


def counts(deployment, output: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = deployment.cloud.client("sqs").get_queue_attributes(
        QueueUrl=deployment.outputs()[output], AttributeNames=names
    )
    return sum(int(answer["Attributes"][name]) for name in names)


def resource(deployment, nested: str, logical_id: str) -> str:
    """The physical id of a resource in one of the nested stacks."""
    cloudformation = deployment.cloud.client("cloudformation")
    stack = ROOT_STACK
    for name in (nested, logical_id):
        stack = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=name)[
            "StackResourceDetail"
        ]["PhysicalResourceId"]
    return stack


def role_name(deployment, logical_id: str) -> str:
    """The name of a role of iam.yaml."""
    return resource(deployment, "Iam", logical_id)


def used(deployment, role: str, decision: str, about: str = "") -> set[str]:
    """The actions the role took, or was refused, on resources whose ARN holds a word."""
    return {
        entry["action"]
        for entry in deployment.cloud.decisions()
        if entry["role"] == role and entry["decision"] == decision and about in entry["resource"]
    }


def granted(deployment, role: str) -> set[str]:
    """The actions that the role's inline policies allow."""
    iam = deployment.cloud.client("iam")
    policies = [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    return {action for policy in policies for statement in policy["Statement"] for action in actions(statement)}


def held_to_what_it_takes(deployment, logical_id: str, refused: Set[str] = frozenset(), about: str = "") -> None:
    """Fails where a function's role is granted more than it was seen to take, and what there is a reason for.

    Whatever it was refused has to be in `refused`: what a test has taken away, or asked for on purpose. With `about`,
    only the actions that begin with it are compared.
    """
    role = role_name(deployment, logical_id)
    listed = {action for actions in FUNCTIONS[logical_id] for action in actions.split()}
    expected = {action for action in granted(deployment, role) - listed if action.startswith(about)}
    taken = {action for action in used(deployment, role, "Allow") if action.startswith(about)}
    assert expected and taken == expected, f"never taken: {expected - taken}; taken though listed: {taken - expected}"
    more = used(deployment, role, "ImplicitDeny") - refused
    assert not more, f"asked for, and not granted: {more}"


def actions(statement: dict) -> list[str]:
    """The actions of a policy's statement, which may be written as one."""
    return [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
