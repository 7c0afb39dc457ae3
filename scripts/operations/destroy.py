"""`scripts/sluice destroy`: removes a deployment with its data, never production's."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from delivery import stack as stacks
from delivery.plan import PRODUCTION
from operations.deployment import Client, clients, walk
from operations.exits import CommandError
from operations.options import Environment, JsonOption
from operations.output import print_json, say

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

Say = Callable[[str], None]


class DestroyError(Exception):
    """The deployment is not removed, or not wholly; the message says why and what to do."""


def destroy_command(
    environment: Annotated[Environment, typer.Option("--environment", help="Of the stack sluice-<environment>.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a deployment with its buckets, its ledger and its database; never production's.

    Where the stack's name is typed, or with --yes.
    """
    stack = f"sluice-{environment}"
    done: list[str] = []
    tell = say if as_json else _print
    try:
        if environment == PRODUCTION:
            raise DestroyError("production is never removed by this command: README.md says how it can be done by hand")

        def note(text: str) -> None:
            done.append(text)
            tell(text)

        destroy(clients(), stack, lambda data: yes or _is_meant(stack, data, tell), note)
    except DestroyError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print_json({"stack": stack, "done": done})


def destroy(client: Client, stack: str, is_meant: Callable[[list[str]], bool], say: Say) -> None:
    """Removes what holds data, every version in it, and then the stack; `client` makes a boto3 client of a service.

    The data goes first, because only the stack knows where it is: what was interrupted can be done again. `is_meant` is
    asked with the names of the buckets, tables, clusters and their keys. Raises DestroyError where the stack is of
    production, protected or being changed, where it is not meant, and where something cannot be removed.
    """
    cloudformation = client("cloudformation")
    found = stacks.describe(cloudformation, stack)
    if found is None:
        say(f"there is no stack {stack}")
        return
    if stacks.parameters_of(found).get("Environment") == PRODUCTION:
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


def _data(cloudformation: Any, stack: str) -> Iterator[tuple[str, str]]:
    """(type, name) of what holds data in a stack and in those nested in it, and of the key that it needs to be read."""
    found = list(walk(cloudformation, stack))
    kinds: dict[str, set[str]] = defaultdict(set)
    for resource in found:
        kinds[resource.stack].add(resource.kind)
    for resource in found:
        if resource.kind in _REMOVALS and (resource.kind != _KEY or _keeps_its_key(kinds[resource.stack])):
            yield resource.kind, resource.name


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


def _is_meant(stack: str, data: list[str], tell: Say) -> bool:
    tell(f"This removes the stack {stack} and all data in:")
    for name in data:
        tell(f"  {name}")
    tell("Type the stack's name to go on:")
    try:
        return input() == stack
    except EOFError:
        return False


def _print(text: str) -> None:
    print(text, flush=True)
