"""A plan where a creation has failed: by hand, or by a release that was to be kept for somebody to look at."""

import json

import pytest

from delivery.plan import PlanError, Request, make
from local import cloud as local_cloud
from support.deployed import until

QUEUE = {"Queue": {"Type": "AWS::SQS::Queue"}}
WITHOUT_CODE = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Role": "arn:aws:iam::111122223333:role/any",
        "Runtime": "python3.13",
        "Handler": "a.b",
        "Code": {"S3Bucket": "no-such-bucket", "S3Key": "code.zip"},
    },
}


@pytest.fixture(scope="module")
def cloud():
    with local_cloud.start() as running:
        yield running


def status(cloudformation, name: str) -> str:
    return cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


def plan(cloud, environment: str):
    cloudformation = cloud.client("cloudformation")
    name = f"sluice-{environment}"
    broken = {"Resources": {**QUEUE, "Broken": WITHOUT_CODE}}
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(broken))
    until(lambda: status(cloudformation, name) == "ROLLBACK_COMPLETE")
    request = Request(
        stack=name,
        environment=environment,
        template=json.dumps({"Resources": QUEUE}),
        parameters={},
        tags={},
        role_arn="arn:aws:iam::111122223333:role/cloudformation",
        is_kept=True,
    )
    return make(cloudformation, cloud.client("s3"), request)


def test_outside_of_production_the_stack_is_replaced(cloud):
    made = plan(cloud, "staging")

    cloudformation = cloud.client("cloudformation")
    cloudformation.execute_change_set(StackName="sluice-staging", ChangeSetName=made.change_set)
    until(lambda: status(cloudformation, "sluice-staging") == "CREATE_COMPLETE")
    assert [change.path for change in made.changes] == ["Queue"]


def test_in_production_it_stays_for_somebody_to_look_at(cloud):
    with pytest.raises(PlanError, match="sluice-production is ROLLBACK_COMPLETE: .* Delete what is left of it"):
        plan(cloud, "production")

    assert status(cloud.client("cloudformation"), "sluice-production") == "ROLLBACK_COMPLETE"
