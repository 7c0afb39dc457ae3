"""Whom roles, resources and functions let in: which services, for whom, and which roles; decided off-line."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from templates.cfn import ACCOUNT, REGION, resources
from templates.decisions import admits
from templates.test_resource_policies import OURS, SOMEBODY, STACKS, STRANGER

# What AWS sends no source for, and where it says so.
UNCONDITIONAL = {
    ("notifications", "AlertTopicPolicy", "events.amazonaws.com"): (
        "conditions are not supported: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html"
    ),
    ("pipeline", "AlertTopicPolicy", "events.amazonaws.com"): "likewise",
    ("pipeline", "AlertKey", "events.amazonaws.com"): "likewise, as for the key below",
    ("notifications", "Key", "events.amazonaws.com"): (
        "source conditions are not supported: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html"
    ),
}

ACCOUNT_ONLY, ALSO_WHAT = {"aws:SourceAccount"}, {"aws:SourceAccount", "aws:SourceArn"}
# What each service is held to, and the page of docs.aws.amazon.com that says that it sends that. Without such a page a
# key is compared where it is there: a service that does not send it could do nothing at all.
HELD = {
    "cloudformation": (ALSO_WHAT, ""),
    "cloudwatch": (ALSO_WHAT, "sns/latest/dg/sns-key-management.html"),
    "codebuild": (ALSO_WHAT, "codebuild/latest/userguide/cross-service-confused-deputy-prevention.html"),
    "codedeploy": (ACCOUNT_ONLY, ""),
    "codepipeline": (ACCOUNT_ONLY, ""),
    "lambda": (ACCOUNT_ONLY, ""),
    "s3": (ACCOUNT_ONLY, "AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html"),
    "scheduler": (ACCOUNT_ONLY, "scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html"),
}


def trusts() -> Iterator[tuple[str, str, str, dict]]:
    """(template, logical id, service, condition) of everything that lets an AWS service in."""
    for name, stack in STACKS.items():
        for logical, resource in stack.resources.items():
            properties = resource["Properties"]
            for key in ("AssumeRolePolicyDocument", "PolicyDocument", "KeyPolicy"):
                for statement in properties.get(key, {}).get("Statement", []):
                    principal = statement.get("Principal")
                    if isinstance(principal, dict) and "Service" in principal:
                        yield name, logical, principal["Service"], statement.get("Condition", {})


def test_a_service_is_let_in_for_this_account_only() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html"""
    open_to_all = set()
    for name, logical, service, condition in trusts():
        sources = [values["aws:SourceAccount"] for values in condition.values() if "aws:SourceAccount" in values]
        if not sources:
            open_to_all.add((name, logical, service))
        assert sources in ([ACCOUNT], []), (name, logical, service)
    assert open_to_all == set(UNCONDITIONAL)


def test_a_service_is_held_to_what_it_sends_and_to_nothing_that_it_may_not_send() -> None:
    seen = set()
    for name, logical, service, condition in trusts():
        if (name, logical, service) not in UNCONDITIONAL:
            short = service.removesuffix(".amazonaws.com")
            seen.add(short)
            keys, page = HELD[short]
            operators = {"StringEquals", "ArnLike"} if page else {"StringEqualsIfExists", "ArnLikeIfExists"}
            found = {key: operator for operator, values in condition.items() for key in values}
            assert found.keys() == keys and set(found.values()) <= operators, (name, logical, service)
    assert seen == HELD.keys()


def written(value: Any) -> Iterator[dict]:
    """The statements of all policies in a part of a template, also of those that a condition leaves out."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from written(part)


def test_no_template_lets_a_service_in_without_saying_for_whom() -> None:
    """As written: whatever the parameters are, and with the exceptions above."""
    seen, open_to_all = set(), set()
    for name, logical, resource in resources():
        for statement in written(resource):
            if statement["Effect"] == "Allow" and "Service" in statement.get("Principal", ()):
                service = statement["Principal"]["Service"]
                keys = {key for values in statement.get("Condition", {}).values() for key in values}
                seen.add(service)
                if "aws:SourceAccount" not in keys:
                    open_to_all.add((name, logical, service))
    assert open_to_all == set(UNCONDITIONAL)
    assert len(seen) == 9, sorted(seen)


def test_a_function_is_invoked_for_this_account_only() -> None:
    """By the services that the function's own policy lets in; of an API its ARN holds the account."""
    found = set()
    for name, stack in STACKS.items():
        for resource in stack.resources.values():
            if resource["Type"] == "AWS::Lambda::Permission":
                permission = resource["Properties"]
                found.add((name, permission["Principal"]))
                assert permission["SourceArn"].split(":")[4] == ACCOUNT
    assert found == {("api", "apigateway.amazonaws.com"), ("rotation", "secretsmanager.amazonaws.com")}
    for _, logical, resource in resources("AWS::Lambda::Permission"):
        assert "SourceArn" in resource["Properties"], logical


def test_nobody_is_let_in_who_could_be_anybody() -> None:
    """`*` is who is refused, never who is allowed: in no policy of a resource, whatever the parameters are."""
    for name, logical, resource in resources():
        # What goes through an endpoint still needs rights of its own.
        if resource["Type"] != "AWS::EC2::VPCEndpoint":
            for statement in written(resource):
                allowed = statement["Effect"] == "Allow" and statement.get("Principal") in ("*", {"AWS": "*"})
                assert not allowed, f"{name}: {logical}"


def test_a_role_is_assumed_by_its_service_only() -> None:
    assumed = {logical: service for _, logical, service, _ in trusts() if logical.endswith("Role")}
    assert assumed == {
        "ProcessRole": "lambda.amazonaws.com",
        "SweepRole": "lambda.amazonaws.com",
        "DriftRole": "lambda.amazonaws.com",
        "MigrateRole": "lambda.amazonaws.com",
        "RotateRole": "lambda.amazonaws.com",
        **{
            f"{function}Role": "lambda.amazonaws.com"
            for function in ("Stream", "Rollup", "Simulate", "Query", "Submit", "Generate")
        },
        "ScheduleRole": "scheduler.amazonaws.com",
        "ReleaseRole": "codedeploy.amazonaws.com",
        "PipelineRole": "codepipeline.amazonaws.com",
        "BuildRole": "codebuild.amazonaws.com",
        "UpdateRole": "codebuild.amazonaws.com",
        "Role": "codebuild.amazonaws.com",
        "PlanRole": "codebuild.amazonaws.com",
        "SmokeRole": "codebuild.amazonaws.com",
        "CloudFormationRole": "cloudformation.amazonaws.com",
    }
    for name, stack in STACKS.items():
        for logical, resource in stack.resources.items():
            if resource["Type"] == "AWS::IAM::Role" and (name, logical) not in ASSUMED:
                [statement] = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
                assert list(statement["Principal"]) == ["Service"], json.dumps(statement)
                assert statement["Action"] == "sts:AssumeRole"


# The target's roles, by the pipeline's roles that assume them.
ASSUMED = {
    ("target", "UpdateRole"): "UpdateRole",
    ("target", "PlanRole"): "PlanRole",
    ("target", "DeployRole"): "PipelineRole",
    ("target", "SmokeRole"): "SmokeRole",
}


@pytest.mark.parametrize(("name", "logical"), ASSUMED)
def test_a_role_of_the_target_is_assumed_by_its_step_of_the_pipeline_only(name: str, logical: str) -> None:
    pipeline = STACKS["pipeline"]
    own = [one["Attributes"]["Arn"] for one in pipeline.resources.values() if one["Type"] == "AWS::IAM::Role"]
    step = pipeline.arn(ASSUMED[name, logical])
    others = [f"arn:aws:iam::{ACCOUNT}:role/Administrator", step[:-13], step.replace("staging", "production")]
    foreign = [arn.replace(f"::{ACCOUNT}:", f"::{STRANGER}:") for arn in own]
    asked = {"sts:AssumeRole": [*own, *others, *foreign, SOMEBODY], "sts:TagSession": [step]}
    document = STACKS[name].properties(logical)["AssumeRolePolicyDocument"]
    policy = {"Statement": [statement | {"Resource": "*"} for statement in document["Statement"]]}
    let_in = [
        (action, principal)
        for action, principals in asked.items()
        for principal in principals
        if admits(policy, principal, action, "*", {}) == "Allow"
    ]
    assert let_in == [("sts:AssumeRole", step)]


@pytest.mark.parametrize(
    ("source", "is_let_in"),
    [
        (f"stack/sluice-staging/{'a' * 8}", True),
        (f"stack/sluice-staging-Buckets-1A2B3C4D5E6F/{'a' * 8}", True),
        (f"stack/sluice-production/{'a' * 8}", False),
        (f"stack/sluice-stagingx/{'a' * 8}", False),
    ],
)
def test_cloudformation_assumes_its_role_for_our_stacks_only(source: str, is_let_in: bool) -> None:
    [statement] = STACKS["target"].properties("CloudFormationRole")["AssumeRolePolicyDocument"]["Statement"]
    context = OURS | {"aws:SourceArn": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:{source}"}
    policy = {"Statement": [statement | {"Resource": "*"}]}
    assert (admits(policy, "cloudformation.amazonaws.com", "sts:AssumeRole", "*", context) == "Allow") is is_let_in
