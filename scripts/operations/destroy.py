"""`scripts/sluice destroy`: removes a deployment with its data, never production's."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError

from delivery.bootstrap import ENVIRONMENTS
from delivery.changes import STACK
from delivery.plan import PRODUCTION

_BUCKET, _TABLE = "AWS::S3::Bucket", "AWS::DynamoDB::Table"
_CLUSTER, _KEY, _STREAM = "AWS::RDS::DBCluster", "AWS::KMS::Key", "AWS::Kinesis::Stream"
# The last is of a key that is to be deleted already.
_GONE = ("NoSuchBucket", "ResourceNotFoundException", "DBClusterNotFoundFault", "KMSInvalidStateException")
# The least that KMS takes.
_KEY_DAYS = 7
# What is being processed meanwhile may still write a result.
_EMPTYINGS = 10
_PAUSE_SECONDS = 3
_PATIENTLY = {"Delay": _PAUSE_SECONDS, "MaxAttempts": 200}
_VERY_PATIENTLY = {"Delay": _PAUSE_SECONDS, "MaxAttempts": 1200}

Client = Callable[[str], Any]
Say = Callable[[str], None]


class DestroyError(Exception):
    """The deployment is not removed, or not wholly; the message says why and what to do."""


def add_command(commands: argparse._SubParsersAction) -> None:
    """Adds `destroy` to the commands of `scripts/sluice`."""
    help_text = "remove a deployment with its buckets, its ledger and its database; never production's"
    command = commands.add_parser("destroy", help=help_text, description=f"destroy: {help_text}")
    command.add_argument("--environment", choices=ENVIRONMENTS, required=True, help="of the stack sluice-<environment>")
    command.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace, session: boto3.Session) -> int:
    """Removes the deployment where the stack's name is typed, or with --yes; 0 where it is gone, 1 where it is not."""
    stack = f"sluice-{options.environment}"
    try:
        if options.environment == PRODUCTION:
            raise DestroyError("production is never removed by this command: README.md says how it can be done by hand")
        destroy(session.client, stack, lambda data: options.yes or _is_meant(stack, data), _say)
    except DestroyError as error:
        print(f"scripts/sluice destroy: {error}", file=sys.stderr)
        return 1
    return 0


def destroy(client: Client, stack: str, is_meant: Callable[[list[str]], bool], say: Say) -> None:
    """Removes what holds data, every version in it, and then the stack; `client` makes a boto3 client of a service.

    The data goes first, because only the stack knows where it is: what was interrupted can be done again. `is_meant` is
    asked with the names of the buckets, tables, clusters and their keys. Raises DestroyError where the stack is of
    production, protected or being changed, where it is not meant, and where something cannot be removed.
    """
    cloudformation = client("cloudformation")
    found = _find(cloudformation, stack)
    if found is None:
        say(f"there is no stack {stack}")
        return
    values = {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])}
    if values.get("Environment") == PRODUCTION:
        raise DestroyError(f"{stack} is of production: it stays as it is")
    if found.get("EnableTerminationProtection"):
        raise DestroyError(
            f"{stack} is protected against termination: it stays as it is. If it is to go, run `aws cloudformation "
            f"update-termination-protection --no-enable-termination-protection --stack-name {stack}`, then this again"
        )
    # REVIEW_IN_PROGRESS: planned, and never created.
    if found["StackStatus"].endswith("_IN_PROGRESS") and found["StackStatus"] != "REVIEW_IN_PROGRESS":
        raise DestroyError(f"{stack} is being changed ({found['StackStatus']}): try again when that is done")
    data = list(_data(cloudformation, found["StackId"]))
    if not is_meant([name for _, name in data]):
        raise DestroyError(f"nothing is removed: {stack} was not typed")
    for kind, name in data:
        service, remove = _REMOVALS[kind]
        remove(client(service), name, say)
    _remove_stack(cloudformation, found["StackId"], stack, say)


def _find(cloudformation: Any, stack: str) -> dict | None:
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _data(cloudformation: Any, stack: str) -> Iterator[tuple[str, str]]:
    """(type, name) of what holds data in a stack and in those nested in it, and of the key that it needs to be read."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    found = [
        (resource["ResourceType"], resource["PhysicalResourceId"])
        for page in pages
        for resource in page["StackResourceSummaries"]
        # A resource whose creation failed has no name.
        if resource.get("PhysicalResourceId") and resource["ResourceStatus"] != "DELETE_COMPLETE"
    ]
    kinds = {kind for kind, _ in found}
    for kind, name in found:
        if kind == STACK:
            yield from _data(cloudformation, name)
        elif kind in _REMOVALS and (kind != _KEY or _keeps_its_key(kinds)):
            yield kind, name


def _keeps_its_key(kinds: set[str]) -> bool:
    """Whether the key in a stack of such resources outlives it: like a cluster and a bucket, and unlike a stream."""
    return _STREAM not in kinds and not kinds.isdisjoint((_CLUSTER, _BUCKET))


def _remove_bucket(s3: Any, bucket: str, say: Say) -> None:
    removed = 0
    for _ in range(_EMPTYINGS):
        try:
            removed += _empty(s3, bucket)
            s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _GONE:
                say(f"{bucket} is gone already")
                return
            if code != "BucketNotEmpty":
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            say(f"removed the bucket {bucket} with {removed:,} versions and delete markers")
            return
    raise DestroyError(f"objects keep coming into {bucket}: stop who uploads there, then try again")


def _empty(s3: Any, bucket: str) -> int:
    """Removes every version and delete marker, and what was uploaded in part; how many of the former there were."""
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    removed = 0
    # A page is at most the 1,000 that one request removes.
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        objects = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for one in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ]
        if not objects:
            continue
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := answer.get("Errors"):
            first = f"{errors[0]['Key']}: {errors[0]['Code']}"
            raise DestroyError(f"{len(errors)} objects of {bucket} are not removed; the first is {first}")
        removed += len(objects)
    return removed


def _remove_table(dynamodb: Any, table: str, say: Say) -> None:
    try:
        dynamodb.delete_table(TableName=table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig=_PATIENTLY)
        say(f"removed the table {table}")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        say(f"{table} is gone already")


def _remove_cluster(rds: Any, cluster: str, say: Say) -> None:
    """Without the final snapshot that deleting the stack would make."""
    try:
        [found] = rds.describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
        if found["Status"] != "deleting":
            for member in found["DBClusterMembers"]:
                rds.delete_db_instance(DBInstanceIdentifier=member["DBInstanceIdentifier"])
            rds.delete_db_cluster(DBClusterIdentifier=cluster, SkipFinalSnapshot=True)
        rds.get_waiter("db_cluster_deleted").wait(DBClusterIdentifier=cluster, WaiterConfig=_VERY_PATIENTLY)
        say(f"removed the database {cluster}")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        say(f"{cluster} is gone already")


def _remove_key(kms: Any, key: str, say: Say) -> None:
    try:
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=_KEY_DAYS)
        say(f"the key {key} will be deleted in {_KEY_DAYS} days")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
        say(f"{key} is gone already")


def _remove_stack(cloudformation: Any, stack_id: str, stack: str, say: Say) -> None:
    """Deletes a stack as the role that it was deployed with, and waits; by its id, as its name ends with it."""
    cloudformation.delete_stack(StackName=stack_id)
    while True:
        [found] = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
        if found["StackStatus"] == "DELETE_COMPLETE":
            say(f"removed the stack {stack}")
            return
        if found["StackStatus"] == "DELETE_FAILED":
            reason = found.get("StackStatusReason", "CloudFormation gives no reason")
            raise DestroyError(f"{stack} is not deleted: {reason}. Remove the cause, then try again")
        time.sleep(_PAUSE_SECONDS)


_REMOVALS = {
    _BUCKET: ("s3", _remove_bucket),
    _TABLE: ("dynamodb", _remove_table),
    _CLUSTER: ("rds", _remove_cluster),
    _KEY: ("kms", _remove_key),
}


def _is_meant(stack: str, data: list[str]) -> bool:
    print(f"This removes the stack {stack} and all data in:", *data, sep="\n  ")
    try:
        return input("Type the stack's name to go on: ") == stack
    except EOFError:
        return False


def _say(text: str) -> None:
    print(text, flush=True)
