"""The function runs as its role: take away any action that the local cloud enforces, and it shows.

What the local cloud does not enforce is in tests/templates/roles/reasons.py, and has its line in the table beside it.
"""

import copy
import json
from collections.abc import Callable

import pytest

from local.deployment import Deployment
from support.cloud import refusal
from support.deployed import GOOD, actions, held_to_what_it_takes, notification, role_name, send, until, used

# Its result has more than one part.
LARGE = b"id,email\n" + b"".join(b"%d,%s@%s.%s.org\n" % (n, b"x" * 60, b"y" * 60, b"z" * 60) for n in range(95_000))
GONE = "3sL4kqtJlcpXroDTDmJ.xUz.rjDHrrrr"


def upload(body: bytes) -> Callable[[Deployment, str], None]:
    return lambda deployment, name: deployment.upload(name, body) and None


def upload_again(deployment: Deployment, name: str) -> None:
    """A result stands at the key already."""
    bucket = deployment.outputs()["ResultsBucket"]
    deployment.cloud.client("s3").put_object(Bucket=bucket, Key=name.replace(".csv", "_predicted.csv"), Body=b"")
    deployment.upload(name, GOOD)


def upload_superseded(deployment: Deployment, name: str) -> None:
    """A newer version's result stands at the key already: the parts are dropped."""
    newer = {"upload-id": "another", "sequencer": "FF" * 8, "last-modified": "2100-01-01T00:00:00+00:00"}
    bucket = deployment.outputs()["ResultsBucket"]
    deployment.cloud.client("s3").put_object(Bucket=bucket, Key=name, Body=b"", Metadata=newer)
    deployment.upload(name, LARGE)


def name_what_is_gone(deployment: Deployment, name: str) -> None:
    send(deployment, notification(deployment, name, GONE))


def send_poison(deployment: Deployment, name: str) -> None:
    send(deployment, name)


# (action, the bucket it is about where it is granted on two) -> what makes the function take it.
SCENARIOS = {
    ("s3:GetObjectVersion", ""): upload(GOOD),
    ("s3:PutObject", ""): upload(GOOD),
    ("s3:GetObject", ""): upload_again,
    ("s3:AbortMultipartUpload", ""): upload_superseded,
    ("s3:ListBucket", "uploads"): name_what_is_gone,
    ("s3:ListBucket", "results"): upload(LARGE),
    ("dynamodb:UpdateItem", ""): upload(GOOD),
    ("sns:Publish", ""): upload(GOOD),
    ("sqs:ChangeMessageVisibility", ""): send_poison,
}


LARGE_ONES = {("s3:AbortMultipartUpload", ""), ("s3:ListBucket", "results")}


def key_of(action: str, about: str, word: str) -> str:
    """A key of the dataset that the scenario's file is of."""
    folder = "people" if (action, about) in LARGE_ONES else "prices/LSE"
    return f"{folder}/{word}-{action.replace(':', '-')}-{about}.csv"


@pytest.fixture(scope="module")
def role(deployment) -> str:
    return role_name(deployment, "ProcessRole")


@pytest.fixture(scope="module")
def granted(deployment, role) -> dict:
    """The role's policy as deployed, once every scenario has gone well under it."""
    for number, ((action, about), scenario) in enumerate(SCENARIOS.items()):
        scenario(deployment, key_of(action, about, f"granted-{number}"))
    until(lambda: used(deployment, role, "Allow") == {action for action, _ in SCENARIOS})
    assert used(deployment, role, "ImplicitDeny") == set()
    return deployment.cloud.client("iam").get_role_policy(RoleName=role, PolicyName="process")["PolicyDocument"]


def without(policy: dict, action: str, about: str) -> dict:
    """The policy less one action, on the resources that are about something."""
    policy = copy.deepcopy(policy)
    for statement in policy["Statement"]:
        if action not in actions(statement):
            continue
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        kept = [resource for resource in resources if about not in resource]
        if about and kept:
            statement["Resource"] = kept
        else:
            statement["Action"] = [other for other in actions(statement) if other != action]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
    return policy


def test_every_granted_action_is_taken_or_listed(deployment, granted):
    held_to_what_it_takes(deployment, "ProcessRole")


@pytest.mark.parametrize(("action", "about"), SCENARIOS)
def test_an_action_taken_away_is_missed(deployment, role, granted, action, about):
    iam = deployment.cloud.client("iam")
    reduced = without(granted, action, about)
    assert reduced != granted
    iam.put_role_policy(RoleName=role, PolicyName="process", PolicyDocument=json.dumps(reduced))
    try:
        SCENARIOS[action, about](deployment, key_of(action, about, "denied"))

        until(lambda: action in used(deployment, role, "ImplicitDeny", about))
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="process", PolicyDocument=json.dumps(granted))


def test_a_role_that_is_given_everything_keeps_within_the_boundary(deployment, role, granted):
    """As by a policy that nobody has looked at."""
    cloud, bucket = deployment.cloud, deployment.outputs()["UploadsBucket"]
    iam, everything = cloud.client("iam"), {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_role_policy(RoleName=role, PolicyName="everything", PolicyDocument=document)
    try:
        arn = iam.get_role(RoleName=role)["Role"]["Arn"]
        credentials = cloud.assume(arn, "thief", service="lambda.amazonaws.com")
        s3, own, key = cloud.client("s3", credentials), cloud.client("iam", credentials), "prices/LSE/bounded.csv"

        version = s3.put_object(Bucket=bucket, Key=key, Body=b"")["VersionId"]
        taken = {
            "its upload again": (s3.delete_object, {"Bucket": bucket, "Key": key, "VersionId": version}),
            "an artifact": (s3.put_object, {"Bucket": deployment.pipeline["ArtifactBucket"], "Key": "x", "Body": b""}),
            "a role": (own.create_role, {"RoleName": "x", "AssumeRolePolicyDocument": "{}"}),
            "a policy": (own.put_role_policy, {"RoleName": role, "PolicyName": "x", "PolicyDocument": document}),
            "its freedom": (own.delete_role_permissions_boundary, {"RoleName": role}),
        }
        refused = {what: refusal(call, **arguments) for what, (call, arguments) in taken.items()}
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="everything")
    assert set(refused.values()) <= {"AccessDenied", "AccessDeniedException"}, refused
