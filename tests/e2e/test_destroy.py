"""`scripts/sluice destroy`: nothing of a deployment is left, and production stays."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from delivery import templates
from local import cloud as local_cloud
from local.cloud import Cloud

ROOT = Path(__file__).parents[2]
DIGEST = "ab" * 32
# An artifact that nobody runs.
EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A cloud of its own, whose artifact bucket has the real templates."""
    with local_cloud.start() as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="artifacts")
        s3.put_object(Bucket="artifacts", Key=f"artifacts/{DIGEST}.zip", Body=EMPTY_ZIP)
        for digest, text in templates.package(ROOT / "templates").children.items():
            s3.put_object(Bucket="artifacts", Key=templates.child_key(digest), Body=text.encode())
        yield cloud


def deploy(cloud: Cloud, stack: str, environment: str) -> dict[str, str]:
    """Creates the stack and returns its outputs."""
    cloudformation = cloud.client("cloudformation")
    values = {
        "ArtifactBucket": "artifacts",
        "ArtifactDigest": DIGEST,
        "CommitId": "0" * 40,
        "Environment": environment,
        "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/PowerUserAccess",
    }
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=templates.package(ROOT / "templates").root,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    while (found := cloudformation.describe_stacks(StackName=stack)["Stacks"][0])["StackStatus"] != "CREATE_COMPLETE":
        assert found["StackStatus"] == "CREATE_IN_PROGRESS", found
        time.sleep(0.2)
    return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}


def destroy(cloud: Cloud, environment: str, *options: str, typed: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [ROOT / "scripts" / "sluice", "destroy", "--environment", environment, *options],
        env={**os.environ, **cloud.environment()},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def fill(cloud: Cloud, bucket: str) -> None:
    """Versions, a delete marker, and an upload in parts that is not finished."""
    s3 = cloud.client("s3")
    for number in range(3):
        s3.put_object(Bucket=bucket, Key="people/a ü.csv", Body=b"id,email\n%d,a@b.org\n" % number)
    s3.delete_object(Bucket=bucket, Key="people/a ü.csv")
    s3.create_multipart_upload(Bucket=bucket, Key="people/b.csv")


def exists(cloud: Cloud, outputs: dict[str, str]) -> list[bool]:
    """Whether the buckets, the table, the queue and the function are there."""
    asked = [
        lambda: cloud.client("s3").head_bucket(Bucket=outputs["UploadsBucket"]),
        lambda: cloud.client("s3").head_bucket(Bucket=outputs["ResultsBucket"]),
        lambda: cloud.client("dynamodb").describe_table(TableName=outputs["LedgerTable"]),
        lambda: cloud.client("sqs").get_queue_attributes(QueueUrl=outputs["IntakeQueueUrl"], AttributeNames=["All"]),
        lambda: cloud.client("lambda").get_function(FunctionName=outputs["ProcessFunction"]),
    ]

    def is_there(ask) -> bool:
        try:
            ask()
        except ClientError:
            return False
        return True

    return [is_there(ask) for ask in asked]


def test_staging_goes_with_its_data_once_its_name_is_typed(cloud):
    outputs = deploy(cloud, "sluice-staging", "staging")
    fill(cloud, outputs["UploadsBucket"])

    refused = destroy(cloud, "staging", typed="staging\n")
    assert refused.returncode == 1 and "nothing is removed" in refused.stderr
    assert outputs["UploadsBucket"] in refused.stdout and outputs["LedgerTable"] in refused.stdout
    assert exists(cloud, outputs) == [True] * 5

    done = destroy(cloud, "staging", typed="sluice-staging\n")
    assert done.returncode == 0, done.stderr
    assert f"removed the bucket {outputs['UploadsBucket']} with 4 versions" in done.stdout
    assert exists(cloud, outputs) == [False] * 5

    again = destroy(cloud, "staging", "--yes")
    assert (again.returncode, again.stdout) == (0, "there is no stack sluice-staging\n")


def test_production_stays_whatever_its_stack_is_called(cloud):
    assert destroy(cloud, "production", "--yes").returncode == 1
    outputs = deploy(cloud, "sluice-staging", "production")

    refused = destroy(cloud, "staging", "--yes")

    assert refused.returncode == 1 and "is of production" in refused.stderr
    assert exists(cloud, outputs) == [True] * 5
