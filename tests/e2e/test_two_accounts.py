"""A pipeline in one account, and what it deploys in another."""

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from local import cloud as local_cloud
from local.cloud import Cloud
from local.deployment import Deployment
from support.checkout import Checkout
from support.deployed import GOOD

TARGET = "444455556666"


@pytest.fixture(scope="module")
def apart(checkout: Checkout) -> Iterator[Deployment]:
    """A pipeline whose application is in another account, in a cloud of their own; nothing deployed yet."""
    with local_cloud.start() as cloud:
        yield Deployment(cloud, print, target=cloud.of(TARGET))


def stacks(cloud: Cloud) -> set[str]:
    """The stacks that are not nested in the application's."""
    found = {one["StackName"] for one in cloud.client("cloudformation").describe_stacks()["Stacks"]}
    return {name for name in found if not name.startswith("sluice-staging-")}


def test_a_push_deploys_into_the_other_account(apart: Deployment, checkout: Checkout) -> None:
    execution = apart.push(checkout.folder)

    assert execution["status"] == "Succeeded", execution["message"]
    apart.subscribe()
    [ending] = apart.process({"prices/LSE/there.csv": GOOD})
    assert ending.state == "SUCCEEDED"
    assert stacks(apart.cloud) == {"sluice-pipeline-staging"}
    assert stacks(apart.target) == {
        *("sluice-target-staging-boundary", "sluice-target-staging", "sluice-staging"),
    }
    # The smoke test has passed there, and left its stamp here.
    bucket = apart.pipeline["ArtifactBucket"]
    assert apart.cloud.client("s3").list_objects_v2(Bucket=bucket, Prefix="tested/")["KeyCount"] == 1


def test_a_role_that_may_assume_all_is_let_into_none_of_the_target(apart: Deployment) -> None:
    iam = apart.cloud.client("iam")
    root = f"arn:aws:iam::{apart.cloud.account}:root"
    anybody = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}]}  # fmt: skip
    everything = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}  # fmt: skip
    arn = iam.create_role(RoleName="sluice-other", AssumeRolePolicyDocument=json.dumps(anybody))["Role"]["Arn"]
    iam.put_role_policy(RoleName="sluice-other", PolicyName="all", PolicyDocument=json.dumps(everything))
    sts = apart.cloud.client("sts", apart.cloud.assume(arn, "tester"))
    outputs = apart.target.client("cloudformation").describe_stacks(StackName="sluice-target-staging")["Stacks"][0]
    roles = [one["OutputValue"] for one in outputs["Outputs"]]
    assert len(roles) == 5 and all(f"::{TARGET}:" in role for role in roles)
    for role in roles:
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=role, RoleSessionName="tester")
