"""Pushes to production: which lane they take, who is asked, and what is refused."""

import json

import pytest

from delivery import configuration
from delivery.artifact import ROOT
from local.deployment import Deployment
from support.deployed import GOOD

# Of the uploads bucket alone.
UPLOADS = "      # No ACLs: an object belongs to the bucket's owner, whoever uploads it.\n"


class Approver:
    """Says yes or no, and keeps what it was asked."""

    def __init__(self) -> None:
        self.is_content = True
        self.asked: list[str] = []

    def __call__(self, summary: str) -> bool:
        self.asked.append(summary)
        return self.is_content


@pytest.fixture(scope="session")
def approver() -> Approver:
    return Approver()


@pytest.fixture(scope="session")
def production(deployment: Deployment, approver: Approver) -> Deployment:
    """A production pipeline beside the one of staging, which takes what that one has tested; nothing deployed yet."""
    parameters = {
        "Branch": "production",
        "Environment": "production",
        "TestedBucket": deployment.pipeline["ArtifactBucket"],
    }
    return Deployment(deployment.cloud, print, parameters, approver)


@pytest.fixture(autouse=True)
def asked_anew(approver: Approver):
    approver.is_content, approver.asked = True, []


def ended(execution: dict) -> dict[str, str]:
    """The status of every action that was begun."""
    return {action["action"]: action["status"] for action in execution["actions"]}


def log(execution: dict, name: str) -> str:
    [lines] = [action["log"] for action in execution["actions"] if action["action"] == name]
    return "\n".join(lines)


def state(deployment: Deployment) -> tuple[str, int]:
    """The stack's status and how much ever happened to it."""
    cloudformation = deployment.cloud.client("cloudformation")
    [stack] = cloudformation.describe_stacks(StackName=deployment.stack)["Stacks"]
    events = cloudformation.describe_stack_events(StackName=deployment.stack)["StackEvents"]
    return stack["StackStatus"], len(events)


def test_the_first_deployment_waits_for_approval(production, approver, checkout):
    execution = production.push(checkout.folder)

    assert execution["status"] == "Succeeded", execution["message"]
    [summary] = approver.asked
    assert summary.startswith("sluice-production, lane infrastructure: add 10: ")
    assert execution["variables"]["Plan"]["LANE"] == "infrastructure"
    assert ended(execution)["Approve"] == ended(execution)["Smoke"] == "Succeeded"


def test_what_works_is_protected(deployment, production):
    policies, terminations = [], []
    for one in (deployment, production):
        cloudformation = one.cloud.client("cloudformation")
        policies.append(json.loads(cloudformation.get_stack_policy(StackName=one.stack)["StackPolicyBody"]))
        [stack] = cloudformation.describe_stacks(StackName=one.stack)["Stacks"]
        terminations.append(stack["EnableTerminationProtection"])

    settings = [configuration.read(ROOT / "environments" / f"{name}.json") for name in ("staging", "production")]
    assert policies == [one["StackPolicy"] for one in settings] and policies[0] != policies[1]
    assert terminations == [False, True]


def test_an_identical_tree_executes_nothing(production, approver, checkout):
    before = state(production)
    checkout.commit("nothing")

    execution = production.push(checkout.folder)

    assert execution["status"] == "Succeeded"
    assert (execution["variables"]["Plan"]["LANE"], execution["skipped"]) == ("none", ["Approve", "Release"])
    assert (state(production), approver.asked) == (before, [])


def test_an_artifact_that_staging_has_not_tested_is_refused(production, checkout, pristine):
    before = state(production)
    checkout.replace("lambda/sluice/contract/check.py", "rows are valid", "rows are untested")
    checkout.commit("code that goes past staging")

    execution = production.push(checkout.folder)

    assert ended(execution)["Plan"] == "Failed" and "has not passed staging's smoke test" in log(execution, "Plan")
    assert state(production) == before


def test_code_that_staging_has_tested_needs_no_approval(deployment, production, approver, checkout, pristine):
    checkout.replace("lambda/sluice/contract/check.py", "rows are valid", "rows are tested")
    checkout.commit("only code")
    assert deployment.push(checkout.folder)["status"] == "Succeeded"

    execution = production.push(checkout.folder)

    assert execution["status"] == "Succeeded", execution["message"]
    assert (execution["variables"]["Plan"]["LANE"], execution["skipped"]) == ("code", ["Approve"])
    assert approver.asked == []
    changes = execution["variables"]["Plan"]["PLAN_SUMMARY"]
    assert "Lambda/ProcessVersion" in changes and "Buckets/" not in changes


def test_a_template_waits_for_approval_and_goes_on_when_approved(production, approver, checkout, pristine):
    before = state(production)
    checkout.replace("templates/ledger.yaml", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false")
    checkout.commit("a template")
    approver.is_content = False

    refused = production.push(checkout.folder)

    assert ended(refused)["Approve"] == "Failed" and "Deploy" not in ended(refused)
    assert state(production) == before
    approver.is_content = True
    checkout.commit("the same, approved")

    approved = production.push(checkout.folder)

    assert approved["status"] == "Succeeded", approved["message"]
    assert len(approver.asked) == 2 and ", Ledger/Ledger" in approver.asked[1]
    assert state(production) > before


def test_a_plan_that_would_replace_the_uploads_bucket_is_refused(production, approver, checkout, pristine):
    before = state(production)
    checkout.replace("templates/buckets.yaml", UPLOADS, f"      BucketName: a-name-of-its-own\n{UPLOADS}")
    checkout.commit("a bucket with a name, which is another bucket")

    execution = production.push(checkout.folder)

    assert ended(execution)["Plan"] == "Failed"
    assert "BLOCKED: Buckets/Uploads (AWS::S3::Bucket) holds data" in log(execution, "Plan")
    assert (state(production), approver.asked) == (before, [])


def test_a_failed_smoke_test_leaves_the_old_code_live(deployment, checkout, pristine):
    [before] = deployment.process({"prices/LSE/smoke-1.csv": GOOD})
    checkout.replace("lambda/sluice/contract/check.py", "rows are valid", "rows are wrong")
    checkout.replace("lambda/sluice/announcement.py", '"rows_good": outcome.rows_good', '"rows_good": 0')
    checkout.commit("code that announces no rows, which no test of this build catches")

    execution = deployment.push(checkout.folder)

    assert (ended(execution)["Deploy"], ended(execution)["Smoke"]) == ("Succeeded", "Failed")
    assert "the last good release is back" in log(execution, "Smoke")
    [after] = deployment.process({"prices/LSE/smoke-2.csv": GOOD})
    assert (after.reason, after.rows_good) == (before.reason, before.rows_good)


def test_the_smoke_test_leaves_nothing_behind(deployment):
    s3, outputs = deployment.cloud.client("s3"), deployment.outputs()
    for bucket in (outputs["UploadsBucket"], outputs["ResultsBucket"]):
        found = s3.list_object_versions(Bucket=bucket, Prefix="smoke/")
        assert not found.get("Versions") and not found.get("DeleteMarkers")
    items = deployment.cloud.client("dynamodb").scan(TableName=outputs["LedgerTable"])["Items"]
    assert items and "/smoke/" not in json.dumps(items)
    assert not [url for url in deployment.cloud.client("sqs").list_queues().get("QueueUrls", []) if "smoke" in url]
