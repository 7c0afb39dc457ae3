"""A pull request's plan, made as the role that its token is good for."""

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from delivery import templates
from delivery.artifact import ROOT
from delivery.preview import preview
from local.deployment import ROOT_STACK, Deployment

SUBJECT = "repo:example@123456/sluice@456789:pull_request"
HOST = "token.actions.githubusercontent.com"


def token(subject: str, audience: str = "sts.amazonaws.com") -> str:
    """As GitHub makes it, but for the signature, which the local cloud does not look at."""
    claims = {"iss": f"https://{HOST}", "aud": audience, "sub": subject}
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims, {}))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.fixture(scope="module")
def deployed_role(deployment: Deployment) -> str:
    """ARN of CloudFormation's role."""
    [pipeline] = [
        stack
        for stack in deployment.cloud.client("cloudformation").describe_stacks()["Stacks"]
        if stack["StackName"] == "sluice-pipeline-staging"
    ]
    return next(one["OutputValue"] for one in pipeline["Outputs"] if one["OutputKey"] == "CloudFormationRoleArn")


@pytest.fixture(scope="module")
def planner(deployment: Deployment, deployed_role: str) -> str:
    """ARN of the role, made from its template."""
    cloudformation, account = deployment.cloud.client("cloudformation"), deployment.cloud.account
    given = {
        "Subject": SUBJECT,
        # The local cloud has no identity providers; its STS knows GitHub by its address.
        "ProviderArn": f"arn:aws:iam::{account}:oidc-provider/{HOST}",
        "ArtifactBucket": artifact_bucket(deployment),
        "CloudFormationRoleArn": deployed_role,
    }
    cloudformation.create_stack(
        StackName="sluice-github",
        TemplateBody=(ROOT / "templates" / "github-oidc.yaml").read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="sluice-github", WaiterConfig={"Delay": 1})
    [stack] = cloudformation.describe_stacks(StackName="sluice-github")["Stacks"]
    return stack["Outputs"][0]["OutputValue"]


def artifact_bucket(deployment: Deployment) -> str:
    [stack] = deployment.cloud.client("cloudformation").describe_stacks(StackName=ROOT_STACK)["Stacks"]
    return next(one["ParameterValue"] for one in stack["Parameters"] if one["ParameterKey"] == "ArtifactBucket")


def assume(deployment: Deployment, planner: str, web_identity: str) -> dict:
    return deployment.cloud.client("sts").assume_role_with_web_identity(
        RoleArn=planner, RoleSessionName="GitHubActions", WebIdentityToken=web_identity
    )["Credentials"]


def as_planner(deployment: Deployment, planner: str, service: str) -> Any:
    return deployment.cloud.client(service, assume(deployment, planner, token(SUBJECT)))


def test_a_pull_request_sees_what_it_would_change_and_changes_nothing(
    deployment: Deployment, planner: str, deployed_role: str
) -> None:
    cloudformation = as_planner(deployment, planner, "cloudformation")
    # The local cloud does not say by which role a stack was deployed.
    cloudformation.meta.events.register(
        "after-call.cloudformation.DescribeStacks",
        lambda parsed, **_: [stack.update(RoleARN=deployed_role) for stack in parsed.get("Stacks", [])],
    )
    packaged = templates.package(ROOT / "templates")
    [(old, text)] = [one for one in packaged.children.items() if "VisibilityTimeout: 5400" in one[1]]
    changed = text.replace("VisibilityTimeout: 5400", "VisibilityTimeout: 5500")
    digest = "0" * 64
    packaged = templates.Packaged(packaged.root.replace(old, digest), "", {**packaged.children, digest: changed})
    before = deployment.cloud.client("cloudformation").get_template(StackName=ROOT_STACK)["TemplateBody"]

    clients = {"cloudformation": cloudformation, "s3": as_planner(deployment, planner, "s3")}
    planned = preview(clients.__getitem__, packaged, "ef" * 32)

    assert planned.lane == "infrastructure"
    certain = {change.path: change for change in planned.changes if change.is_certain}
    assert "VisibilityTimeout" in certain["Queue/Intake"].properties
    assert "Lambda/Process" in certain
    assert not {path for path in certain if path.split("/")[0] not in ("Queue", "Lambda")}
    root = deployment.cloud.client("cloudformation")
    assert root.get_template(StackName=ROOT_STACK)["TemplateBody"] == before
    left = root.list_change_sets(StackName=ROOT_STACK)["Summaries"]
    assert not [one for one in left if one["ChangeSetName"].startswith("look-")]


@pytest.mark.parametrize(
    "web_identity",
    [
        token("repo:example@123456/sluice@456789:ref:refs/heads/main"),
        token("repo:example/sluice:pull_request"),
        token(SUBJECT, "https://github.com/example"),
    ],
)
def test_another_token_is_not_let_in(deployment: Deployment, planner: str, web_identity: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(deployment, planner, web_identity)


def test_it_cannot_execute_a_change_set_nor_touch_what_is_deployed(
    deployment: Deployment, planner: str, deployed_role: str
) -> None:
    cloudformation, s3 = (as_planner(deployment, planner, service) for service in ("cloudformation", "s3"))
    cloudformation.create_change_set(
        StackName=ROOT_STACK, ChangeSetName="look-1", ChangeSetType="UPDATE", RoleARN=deployed_role,
        TemplateBody=json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}),
    )  # fmt: skip
    refused = (
        lambda: cloudformation.execute_change_set(StackName=ROOT_STACK, ChangeSetName="look-1"),
        lambda: cloudformation.delete_stack(StackName=ROOT_STACK),
        lambda: s3.put_object(Bucket=artifact_bucket(deployment), Key=f"templates/{'0' * 64}.yaml", Body=b""),
    )
    for attempt in refused:
        with pytest.raises(ClientError, match="AccessDenied|not authorized"):
            attempt()
    cloudformation.delete_change_set(StackName=ROOT_STACK, ChangeSetName="look-1")
