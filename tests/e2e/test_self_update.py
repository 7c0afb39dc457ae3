"""Pushes that change the pipeline itself: its stacks first, and the rest by the new stages."""

from collections.abc import Iterator

import pytest

from local.deployment import Deployment
from support.checkout import Checkout
from support.deployed import GOOD

STACKS = ("sluice-target-staging", "sluice-pipeline-staging")

# Its code is not there.
BROKEN = """  Broken:
    Type: AWS::Lambda::Function
    Properties:
      Role: !GetAtt BuildRole.Arn
      Runtime: python3.13
      Handler: a.b
      Code:
        S3Bucket: !Ref Artifacts
        S3Key: none.zip
"""


def actions(execution: dict) -> list[str]:
    return [f"{action['stage']}/{action['action']}" for action in execution["actions"]]


def log(execution: dict) -> str:
    """What the update of the stacks told."""
    [lines] = [action["log"] for action in execution["actions"] if action["action"] == "Update"]
    return "\n".join(lines)


@pytest.fixture(scope="module", autouse=True)
def pristine(deployment: Deployment, checkout: Checkout) -> Iterator[None]:
    """Puts tree, pipeline and application back in the end."""
    commit = checkout.commit("before")
    yield
    checkout.back_to(commit)
    assert deployment.push(checkout.folder)["status"] == "Succeeded"


def allow(checkout: Checkout, action: str) -> None:
    """Gives the target's role of the smoke test another right."""
    known = "            - dynamodb:GetItem\n"
    checkout.replace("templates/target.yaml", known, f"{known}            - {action}\n")


def test_a_push_brings_the_rights_and_the_stages_that_it_needs(deployment: Deployment, checkout: Checkout) -> None:
    known = len(deployment.executions())
    # The smoke test does what its role was not allowed before.
    checkout.replace(
        "scripts/delivery/smoke.py",
        "        smoke_test(client, outputs, _say)",
        '        client("dynamodb").describe_table(TableName=outputs["LedgerTable"])\n'
        "        smoke_test(client, outputs, _say)",
    )
    allow(checkout, "dynamodb:DescribeTable")
    checkout.replace("pipeline.yaml", "      - Name: Release\n", "      - Name: Delivery\n")
    checkout.replace("lambda/sluice/contract/check.py", "rows are valid", "rows are updated")
    checkout.commit("a smoke test that needs another right, and another name of a stage")

    execution = deployment.push(checkout.folder)

    updating, deploying = deployment.executions()[known:]
    assert (updating["status"], actions(updating)) == ("Cancelled", ["Source/Source", "SelfUpdate/Update"])
    assert all(f"{name} is UPDATE_COMPLETE" in log(updating) for name in STACKS)
    assert "it starts again with the new ones" in log(updating)
    assert execution == deploying and deploying["status"] == "Succeeded", deploying["message"]
    assert all(f"{name} is up to date" in log(deploying) for name in STACKS)
    assert actions(deploying)[-2:] == ["Delivery/Deploy", "Delivery/Smoke"]
    [ending] = deployment.process({"prices/LSE/updated.csv": GOOD})
    assert ending.reason == "all 12 rows are updated"


def test_rights_alone_are_no_reason_to_start_again(deployment: Deployment, checkout: Checkout) -> None:
    known = len(deployment.executions())
    allow(checkout, "dynamodb:Query")
    checkout.replace("buildspec.yml", "echo sh scripts/lint", "exit 1")
    checkout.commit("a right that nothing needs, and a build that is over soon")

    execution = deployment.push(checkout.folder)

    assert deployment.executions()[known:] == [execution]
    assert actions(execution) == ["Source/Source", "SelfUpdate/Update", "Build/Build"]
    assert f"{STACKS[0]} is UPDATE_COMPLETE" in log(execution) and f"{STACKS[1]} is up to date" in log(execution)


def test_a_pipeline_that_cannot_be_deployed_stays_as_it_was(deployment: Deployment, checkout: Checkout) -> None:
    known = len(deployment.executions())
    checkout.replace("pipeline.yaml", "  Pipeline:\n    Type", f"{BROKEN}  Pipeline:\n    Type")
    checkout.replace("pipeline.yaml", "    - ArtifactsPolicy\n", "    - ArtifactsPolicy\n    - Broken\n")
    checkout.replace("pipeline.yaml", "      - Name: Delivery\n", "      - Name: Never\n")
    checkout.commit("a pipeline that cannot be deployed")

    execution = deployment.push(checkout.folder)

    assert deployment.executions()[known:] == [execution]
    assert (execution["status"], actions(execution)) == ("Failed", ["Source/Source", "SelfUpdate/Update"])
    assert "sluice-pipeline-staging ended as UPDATE_ROLLBACK_COMPLETE. Broken: " in log(execution)
