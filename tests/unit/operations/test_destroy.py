"""`scripts/sluice destroy`: what it refuses, and what becomes of data that is hard to remove.

The buckets and the table are moto's; the stacks are a fake, as moto's CloudFormation needs packages that clash.
"""

from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError

from operations import destroy as module
from operations.destroy import DestroyError, destroy
from support.deployment import mocked

STACK = "sluice-staging"
# By stack: (type, physical id, status).
RESOURCES = {
    STACK: [
        ("AWS::CloudFormation::Stack", "Buckets", "CREATE_COMPLETE"),
        ("AWS::CloudFormation::Stack", "Ledger", "UPDATE_COMPLETE"),
        ("AWS::CloudFormation::Stack", "Notifications", "UPDATE_COMPLETE"),
        ("AWS::SQS::Queue", "https://queue", "CREATE_COMPLETE"),
    ],
    "Buckets": [
        ("AWS::S3::Bucket", "uploads", "CREATE_COMPLETE"),
        ("AWS::S3::Bucket", "results", "UPDATE_COMPLETE"),
        ("AWS::S3::Bucket", "replaced", "DELETE_COMPLETE"),
        ("AWS::S3::Bucket", "", "CREATE_FAILED"),
    ],
    "Ledger": [("AWS::DynamoDB::Table", "ledger", "CREATE_COMPLETE")],
    # A key that the stack deletes itself.
    "Notifications": [("AWS::KMS::Key", "of-the-topics", "CREATE_COMPLETE")],
}


class CloudFormation:
    """One stack, by name or id; deleting it takes two looks."""

    def __init__(self) -> None:
        self.stack = {"StackId": STACK, "StackStatus": "UPDATE_COMPLETE", "Parameters": []}
        self.ends_as = "DELETE_COMPLETE"
        self._deletion: list[str] = []
        self.deleted = False

    def describe_stacks(self, StackName: str) -> dict:
        if self._deletion:
            self.stack["StackStatus"] = self._deletion.pop(0)
        return {"Stacks": [self.stack]}

    def delete_stack(self, StackName: str) -> None:
        self.deleted = True
        self._deletion = ["DELETE_IN_PROGRESS", self.ends_as]

    def get_paginator(self, operation: str) -> "CloudFormation":
        assert operation == "list_stack_resources"
        return self

    def paginate(self, StackName: str) -> list[dict]:
        """One resource a page."""
        return [
            {
                "StackResourceSummaries": [
                    {
                        "LogicalResourceId": name,
                        "ResourceType": kind,
                        "PhysicalResourceId": name,
                        "ResourceStatus": status,
                    }
                ]
            }
            for kind, name, status in RESOURCES[StackName]
        ]


@pytest.fixture
def cloudformation() -> CloudFormation:
    return CloudFormation()


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    with mocked(monkeypatch) as aws:
        yield aws


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(aws, cloudformation, said):
    """Removes the deployment; returns the names that were asked about."""

    def call(is_meant: bool = True, **clients) -> list[str]:
        asked: list[str] = []

        def ask(data: list[str]) -> bool:
            asked.extend(data)
            return is_meant

        known = {"cloudformation": cloudformation, "s3": aws.s3, "dynamodb": aws.dynamodb}
        known |= {service: boto3.client(service) for service in ("rds", "kms")} | clients
        destroy(known.__getitem__, STACK, ask, said.append)
        return asked

    return call


def left(aws) -> tuple[list[str], list[str]]:
    return sorted(one["Name"] for one in aws.s3.list_buckets()["Buckets"]), aws.dynamodb.list_tables()["TableNames"]


def test_buckets_and_tables_of_nested_stacks_go_before_the_stack(aws, run, cloudformation, said):
    for _ in range(2):
        for number in range(600):
            aws.s3.put_object(Bucket="uploads", Key=f"a/{number}.csv", Body=b"")
    aws.s3.delete_object(Bucket="uploads", Key="a/0.csv")
    aws.s3.create_multipart_upload(Bucket="results", Key="a.csv")

    assert run() == ["uploads", "results", "ledger"]

    assert left(aws) == ([], [])
    assert said == [
        "removed the bucket uploads with 1,201 versions and delete markers",
        "removed the bucket results with 0 versions and delete markers",
        "removed the table ledger",
        f"removed the stack {STACK}",
    ]


def test_a_database_goes_without_a_snapshot_and_its_key_after_it(run, monkeypatch, said):
    rds, kms = boto3.client("rds"), boto3.client("kms")
    engine = {"DBClusterIdentifier": "cluster", "Engine": "aurora-mysql"}
    rds.create_db_cluster(**engine, MasterUsername="admin", MasterUserPassword="not a secret")
    rds.create_db_instance(**engine, DBInstanceIdentifier="writer", DBInstanceClass="db.serverless")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    database = [
        ("AWS::RDS::DBInstance", "writer", "CREATE_COMPLETE"),
        ("AWS::RDS::DBCluster", "cluster", "CREATE_COMPLETE"),
        ("AWS::KMS::Key", key, "CREATE_COMPLETE"),
    ]
    nested = ("AWS::CloudFormation::Stack", "Database", "CREATE_COMPLETE")
    monkeypatch.setitem(RESOURCES, STACK, [*RESOURCES[STACK], nested])
    monkeypatch.setitem(RESOURCES, "Database", database)

    assert run() == ["uploads", "results", "ledger", "cluster", key]

    assert (rds.describe_db_clusters()["DBClusters"], rds.describe_db_instances()["DBInstances"]) == ([], [])
    assert rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"] == []
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert said[-3:] == [
        "removed the database cluster",
        f"the key {key} will be deleted in 7 days",
        f"removed the stack {STACK}",
    ]


def test_the_samples_key_goes_with_their_bucket_and_the_streams_with_its_stack(aws, run, monkeypatch):
    kms = boto3.client("kms")
    of_samples, of_stream = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    for bucket in ("samples", "lake"):
        aws.s3.create_bucket(Bucket=bucket)
    nested = {
        "Samples": [("AWS::KMS::Key", of_samples), ("AWS::S3::Bucket", "samples")],
        "Stream": [
            ("AWS::KMS::Key", of_stream),
            ("AWS::Kinesis::Stream", "stream"),
            ("AWS::S3::Bucket", "lake"),
            ("AWS::DynamoDB::Table", "windows"),
        ],
    }
    stacks = [("AWS::CloudFormation::Stack", name, "CREATE_COMPLETE") for name in nested]
    monkeypatch.setitem(RESOURCES, STACK, stacks)
    for name, resources in nested.items():
        monkeypatch.setitem(RESOURCES, name, [(*one, "CREATE_COMPLETE") for one in resources])

    assert run() == [of_samples, "samples", "lake", "windows"]

    states = [kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in (of_samples, of_stream)]
    # CloudFormation could not delete a key that is about to go.
    assert states == ["PendingDeletion", "Enabled"]


def test_a_database_and_a_key_that_are_gone_do_not_hinder(run, monkeypatch, said):
    def schedule_key_deletion(**_) -> None:
        raise ClientError({"Error": {"Code": "KMSInvalidStateException"}}, "ScheduleKeyDeletion")

    database = [("AWS::RDS::DBCluster", "cluster", "CREATE_COMPLETE"), ("AWS::KMS::Key", "key", "CREATE_COMPLETE")]
    monkeypatch.setitem(RESOURCES, STACK, [("AWS::CloudFormation::Stack", "Database", "CREATE_COMPLETE")])
    monkeypatch.setitem(RESOURCES, "Database", database)

    run(kms=SimpleNamespace(schedule_key_deletion=schedule_key_deletion))

    assert said == ["cluster is gone already", "key is gone already", f"removed the stack {STACK}"]


@pytest.mark.parametrize(
    ("stack", "reason"),
    [
        ({"Parameters": [{"ParameterKey": "Environment", "ParameterValue": "production"}]}, "is of production"),
        ({"EnableTerminationProtection": True}, "is protected .*`aws cloudformation .* --no-enable-termination-prote"),
        ({"StackStatus": "UPDATE_IN_PROGRESS"}, "is being changed"),
    ],
)
def test_a_stack_that_must_stay_keeps_its_data(aws, run, cloudformation, stack, reason):
    cloudformation.stack |= stack

    with pytest.raises(DestroyError, match=reason):
        run()

    assert left(aws) == (["results", "uploads"], ["ledger"]) and not cloudformation.deleted


def test_what_is_not_meant_is_not_done(aws, run, cloudformation):
    with pytest.raises(DestroyError, match="nothing is removed"):
        run(is_meant=False)

    assert left(aws) == (["results", "uploads"], ["ledger"]) and not cloudformation.deleted


def test_a_stack_that_was_only_planned_goes(aws, run, cloudformation, said):
    cloudformation.stack["StackStatus"] = "REVIEW_IN_PROGRESS"

    run()

    assert f"removed the stack {STACK}" in said


def test_what_was_interrupted_goes_on(aws, run, said):
    aws.s3.delete_bucket(Bucket="uploads")
    aws.dynamodb.delete_table(TableName="ledger")

    run()

    assert left(aws) == ([], [])
    assert "uploads is gone already" in said and "ledger is gone already" in said


def test_a_result_that_is_written_meanwhile_goes_too(aws, run, monkeypatch):
    """The bucket is emptied again, for as long as that may take."""
    writes = iter(range(3))

    def delete_bucket(Bucket: str) -> None:
        if next(writes, None) is not None:
            aws.s3.put_object(Bucket=Bucket, Key="late.csv", Body=b"")
        boto3.client("s3").delete_bucket(Bucket=Bucket)

    run(s3=_with(aws.s3, delete_bucket=delete_bucket))

    assert left(aws) == ([], [])


def test_a_bucket_that_never_gets_empty_ends_it_before_the_stack_is_touched(aws, run, cloudformation):
    def delete_bucket(Bucket: str) -> None:
        raise ClientError({"Error": {"Code": "BucketNotEmpty"}}, "DeleteBucket")

    with pytest.raises(DestroyError, match="objects keep coming into uploads"):
        run(s3=_with(aws.s3, delete_bucket=delete_bucket))

    assert not cloudformation.deleted


def test_objects_that_s3_does_not_remove_are_told(aws, run, cloudformation):
    aws.s3.put_object(Bucket="uploads", Key="kept.csv", Body=b"")

    def delete_objects(**_) -> dict:
        return {"Errors": [{"Key": "kept.csv", "Code": "AccessDenied"}]}

    with pytest.raises(DestroyError, match="kept.csv: AccessDenied"):
        run(s3=_with(aws.s3, delete_objects=delete_objects))

    assert not cloudformation.deleted


def test_a_stack_that_cloudformation_does_not_delete_is_told_with_the_reason(run, cloudformation):
    cloudformation.ends_as = "DELETE_FAILED"
    cloudformation.stack["StackStatusReason"] = "The following resource(s) failed to delete: [Iam]."

    with pytest.raises(DestroyError, match=r"failed to delete: \[Iam\]"):
        run()


def _with(client, **methods) -> SimpleNamespace:
    """A client with some of its methods replaced."""
    names = ["get_paginator", "delete_objects", "delete_bucket", "abort_multipart_upload"]
    return SimpleNamespace(**{name: getattr(client, name) for name in names} | methods)
