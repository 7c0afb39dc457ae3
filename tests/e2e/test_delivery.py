"""Pushes after the first one: what they change, and what becomes of those that go wrong."""

import json

import pytest

from local.deployment import ROOT_STACK
from support.cases import case
from support.cloud import refusal
from support.deployed import GOOD, used
from support.flow import flowing
from templates.roles.reasons import TAKEN

# Published anew by every release of code, with the alarms that watch the new version alone.
VERSIONS = {"Lambda/ProcessVersion", "Lambda/SweepVersion", "Lambda/DriftVersion"}
VERSIONS |= {"Lambda/NewVersionCrashes", "Lambda/NewVersionErrors"}


def leaves(deployment) -> dict[str, dict]:
    """Every resource of the nested stacks that is no stack itself, by `<nested stack>/<logical id>`."""
    cloudformation = deployment.cloud.client("cloudformation")
    found = {}
    for nested in cloudformation.describe_stack_resources(StackName=ROOT_STACK)["StackResources"]:
        stack = nested["PhysicalResourceId"]
        for leaf in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]:
            name = f"{nested['LogicalResourceId']}/{leaf['LogicalResourceId']}"
            found[name] = {"stack": stack, "id": leaf["PhysicalResourceId"]}
    return found


def templates(deployment) -> dict[str, str]:
    """The template of every nested stack."""
    cloudformation = deployment.cloud.client("cloudformation")
    stacks = {leaf["stack"] for leaf in leaves(deployment).values()}
    return {
        stack: json.dumps(cloudformation.get_template(StackName=stack)["TemplateBody"], default=str, sort_keys=True)
        for stack in stacks
    }


def settings(deployment) -> dict[str, dict]:
    """What can be read back of the resources outside of the Lambda stack that a push could change."""
    read, outputs = deployment.cloud.client, deployment.outputs()
    bucket = outputs["UploadsBucket"]
    role = leaves(deployment)["Iam/ProcessRole"]["id"]
    return {
        "notification": read("s3").get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"],
        "queue": read("sqs").get_queue_attributes(QueueUrl=outputs["IntakeQueueUrl"], AttributeNames=["All"])[
            "Attributes"
        ]["RedrivePolicy"],
        "role": read("iam").get_role_policy(RoleName=role, PolicyName="process")["PolicyDocument"],
        "table": read("dynamodb").describe_table(TableName=outputs["LedgerTable"])["Table"]["TableArn"],
    }


def tag(deployment) -> str:
    """The commit that the Lambda stack is tagged with."""
    stack = leaves(deployment)["Lambda/Process"]["stack"]
    [described] = deployment.cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {item["Key"]: item["Value"] for item in described["Tags"]}["sluice:commit"]


def status(deployment) -> str:
    [stack] = deployment.cloud.client("cloudformation").describe_stacks(StackName=ROOT_STACK)["Stacks"]
    return stack["StackStatus"]


def failed_action(execution: dict) -> str:
    [action] = [action for action in execution["actions"] if action["status"] == "Failed"]
    return f"{action['stage']}/{action['action']}"


def processes(deployment, key: str) -> str:
    [ending] = deployment.process({key: GOOD}, timeout=60)
    return ending.reason


def physical(deployment, stack: str, logical_id: str) -> str:
    """The name of a resource of the pipeline's own stacks."""
    found = deployment.cloud.client("cloudformation").describe_stack_resource(
        StackName=f"sluice-{stack}-staging", LogicalResourceId=logical_id
    )
    return found["StackResourceDetail"]["PhysicalResourceId"]


@pytest.mark.parametrize(("stack", "logical_id"), TAKEN)
def test_a_step_takes_what_its_role_is_granted(deployment, stack, logical_id):
    """But for what tests/templates/roles/reasons.py gives a reason for."""
    role = physical(deployment, stack, logical_id)

    assert set(TAKEN[stack, logical_id].split()) <= used(deployment, role, "Allow")


def test_the_role_of_the_build_cannot_replace_what_it_has_stored(deployment):
    cloud, bucket = deployment.cloud, deployment.pipeline["ArtifactBucket"]
    project = f"arn:aws:codebuild:{cloud.region}:{cloud.account}:project/{physical(deployment, 'pipeline', 'Build')}"
    role = f"arn:aws:iam::{cloud.account}:role/{physical(deployment, 'pipeline', 'BuildRole')}"
    thief = cloud.client("s3", cloud.assume(role, "thief", service="codebuild.amazonaws.com", source_arn=project))
    stored = cloud.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    for folder in ("artifacts/", "releases/", "templates/"):
        [key, *_] = [one["Key"] for one in stored if one["Key"].startswith(folder)]

        assert refusal(thief.put_object, Bucket=bucket, Key=key, Body=b"") == "AccessDenied"
        assert refusal(thief.put_object, Bucket=bucket, Key=key, Body=b"", IfNoneMatch="*") == "PreconditionFailed"
    thief.put_object(Bucket=bucket, Key=f"artifacts/{'0' * 64}.zip", Body=b"", IfNoneMatch="*")


@case(
    "a deploy in the middle of a batch",
    injected="a release of other code while files are uploaded all the time",
    layer="the pipeline, a git push",
    promised="each file is processed once, by the one or the other release",
)
def test_a_push_that_changes_only_code_changes_only_the_lambda_stack(deployment, checkout, pristine):
    before, settings_before, templates_before = leaves(deployment), settings(deployment), templates(deployment)
    checkout.replace("lambda/sluice/contract/check.py", "rows are valid", "rows are fine")
    commit = checkout.commit("only code")

    with flowing(deployment, "DEPLOY") as books:
        execution = deployment.push(checkout.folder)

    assert execution["status"] == "Succeeded"
    after = leaves(deployment)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == VERSIONS, "everything else is updated in place or left alone"
    assert settings(deployment) == settings_before
    assert templates(deployment) == templates_before
    assert tag(deployment) == commit
    assert processes(deployment, "prices/LSE/code.csv") == "all 12 rows are fine", "the alias runs the new code"
    assert {item["reason"] for item in books.items().values()} == {"all 12 rows are valid", "all 12 rows are fine"}


def test_a_push_whose_build_fails_deploys_nothing(deployment, checkout, pristine):
    before, tag_before, reason = leaves(deployment), tag(deployment), processes(deployment, "prices/LSE/build-1.csv")
    checkout.replace("lambda/sluice/processors/forecast.py", "sorted(prices)[-2]", "sorted(prices)[-1]")
    checkout.commit("a wrong forecast, which a unit test catches")

    execution = deployment.push(checkout.folder)

    assert (execution["status"], failed_action(execution)) == ("Failed", "Build/Build")
    assert (leaves(deployment), tag(deployment)) == (before, tag_before)
    assert processes(deployment, "prices/LSE/build-2.csv") == reason


@case(
    "a rollback in the middle of a batch",
    injected="a release that fails once the alias has moved, while files are uploaded all the time",
    layer="the pipeline, a git push",
    promised="each file is processed once, by whichever release was there",
)
def test_a_push_with_a_broken_template_rolls_back_and_the_old_version_works(deployment, checkout, pristine):
    before, tag_before, reason = leaves(deployment), tag(deployment), processes(deployment, "prices/LSE/roll-1.csv")
    checkout.replace("lambda/sluice/contract/check.py", "rows are valid", "rows are new")
    # Valid to every static check, and refused by Lambda, once the alias has moved already: this code has a version.
    checkout.replace(
        "templates/lambda.yaml",
        "Outputs:\n",
        "  Broken:\n"
        "    Type: AWS::Lambda::Version\n"
        "    DependsOn: ProcessAlias\n"
        "    DeletionPolicy: Delete\n"
        "    UpdateReplacePolicy: Delete\n"
        "    Properties:\n"
        "      FunctionName: !Ref Process\n"
        "Outputs:\n",
    )
    checkout.replace("buildspec.yml", "sh scripts/test", "echo sh scripts/test")
    checkout.commit("a template that cannot be deployed")

    with flowing(deployment, "ROLLBACK") as books:
        execution = deployment.push(checkout.folder)

    assert (execution["status"], failed_action(execution)) == ("Failed", "Release/Deploy")
    assert status(deployment) == "UPDATE_ROLLBACK_COMPLETE"
    after = leaves(deployment)
    assert {name: leaf["id"] for name, leaf in after.items() if name not in VERSIONS} == {
        name: leaf["id"] for name, leaf in before.items() if name not in VERSIONS
    }
    assert tag(deployment) == tag_before
    assert processes(deployment, "prices/LSE/roll-2.csv") == reason
    assert {item["state"] for item in books.items().values()} == {"SUCCEEDED"}


def test_the_stack_can_be_updated_after_a_rollback(deployment, checkout):
    execution = deployment.push(checkout.folder)

    assert execution["status"] == "Succeeded"
    assert processes(deployment, "prices/LSE/after.csv") == "all 12 rows are valid"
