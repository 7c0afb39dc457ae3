"""Sends one file through a deployment and removes its traces; where it comes out right, the stack is protected, and
where it does not, the last good release is deployed again.

In the artifact bucket:
- good/<stack>.json: {template, parameters, tags} of the stack as it was when this test passed last;
- tested/<digest>: the stamp that the artifact has passed outside of production, which production asks for.

CodePipeline's own rollback of a stage would not do: it needs an earlier success in the same structure of the pipeline,
and runs the actions with that execution's variables, whose change set has been executed.
"""

import argparse
import contextlib
import functools
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from delivery import assumed, configuration, plan, subscriber

PREFIX = "smoke/"
# All of it is good: operators are mailed of what is not.
FILE = b"number,word\n1,first\n2,\n"
ROWS = 2
_WAIT_SECONDS = 120
# A new subscription may miss what is published at once, and what it misses is not repeated.
_AGAIN_SECONDS = 30
_POLL_SECONDS = 0.5

Client = Callable[[str], Any]
Say = Callable[[str], None]


class SmokeError(Exception):
    """The deployment does not work, or not as it should; the message says what was seen."""


def smoke_test(client: Client, outputs: dict[str, str], say: Say = print) -> None:
    """Upload a file, await its notification, its final state and its result; remove all of it.

    `client` makes a boto3 client of a service, `outputs` are the root stack's. Raises SmokeError.
    """
    key = f"{PREFIX}{uuid.uuid4()}.csv"
    with _listening(client, outputs["TopicArn"]) as receive, contextlib.ExitStack() as traces:
        for bucket in (outputs["UploadsBucket"], outputs["ResultsBucket"]):
            traces.callback(_remove, client("s3"), bucket, key)
        items: dict[str, dict] = {}
        dynamodb, table = client("dynamodb"), outputs["LedgerTable"]

        def upload() -> None:
            version = client("s3").put_object(Bucket=outputs["UploadsBucket"], Key=key, Body=FILE)["VersionId"]
            items[version] = {"upload_key": {"S": f"{outputs['UploadsBucket']}/{key}"}, "version_id": {"S": version}}
            traces.callback(dynamodb.delete_item, TableName=table, Key=items[version])
            say(f"uploaded {key}")

        def notification() -> dict | None:
            if len(items) == 1 and time.monotonic() > again:
                upload()
            return next((one for one in receive() if one["key"] == key), None)

        again = time.monotonic() + _AGAIN_SECONDS
        upload()
        told = _await(notification, "no notification came")
        item = items[told["version_id"]]
        seen = told["state"], told["rows_good"], told["rows_rejected"]
        if seen != ("SUCCEEDED", ROWS, 0):
            raise SmokeError(f"{key} ended as {told['state']}: {told['reason']}")

        # It is announced before the final state is written.
        def state() -> str | None:
            found = dynamodb.get_item(TableName=table, Key=item, ConsistentRead=True).get("Item", {})
            return found.get("state", {}).get("S") if found.get("state", {}).get("S") != "PROCESSING" else None

        if (final := _await(state, "the ledger has no final state")) != "SUCCEEDED":
            raise SmokeError(f"{key} was announced as SUCCEEDED, but is {final} in the ledger")
        result = client("s3").get_object(Bucket=outputs["ResultsBucket"], Key=key)["Body"].read()
        if result != FILE:
            raise SmokeError(f"the result is {result!r}, not {FILE!r}")
    say("the notification, the ledger and the result are as they should be")


def _await(look: Callable[[], Any], otherwise: str) -> Any:
    """What `look` finds; raises SmokeError where it finds nothing in time."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            raise SmokeError(f"{otherwise} within {_WAIT_SECONDS} seconds")
        time.sleep(_POLL_SECONDS)
    return found


@contextlib.contextmanager
def _listening(client: Client, topic: str) -> Iterator[Callable[[], list[dict]]]:
    """A queue that hears what the topic tells, for as long as it is needed; gives what receives from it."""
    sqs, sns = client("sqs"), client("sns")
    name = f"smoke-{topic.rpartition(':')[2]}"[:60] + f"-{uuid.uuid4().hex[:12]}"
    queue, queue_arn = subscriber.create(sqs, topic, name)

    def receive() -> list[dict]:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = answer.get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(json.loads(message["Body"])["Message"]) for message in messages]

    try:
        subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, ReturnSubscriptionArn=True)
        try:
            yield receive
        finally:
            sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    finally:
        sqs.delete_queue(QueueUrl=queue)


def _remove(s3: Any, bucket: str, key: str) -> None:
    """Remove every version of the objects whose keys begin so: an upload's, and those of its error report."""
    found = s3.list_object_versions(Bucket=bucket, Prefix=key)
    for version in found.get("Versions", []):
        s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def remember(client: Client, s3: Any, bucket: str, stack: str, digest: str) -> None:
    """Record the stack as it is as good; stamp the artifact as tested, but in production.

    `s3` is the boto3 client for the artifact bucket.
    """
    cloudformation = client("cloudformation")
    [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]}
    good = {
        "template": cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"],
        "parameters": parameters,
        "tags": {one["Key"]: one["Value"] for one in described.get("Tags", [])},
    }
    s3.put_object(Bucket=bucket, Key=_good_key(stack), Body=json.dumps(good).encode(), ContentType="application/json")
    if parameters["Environment"] != plan.PRODUCTION:
        s3.put_object(Bucket=bucket, Key=plan.tested_key(digest), Body=b"")


def protect(client: Client, stack: str, environment: str, policy: dict) -> None:
    """Set the stack policy and, in production, protect the stack against termination.

    For a stack that has been shown to work, as a change set carries neither: one that never worked stays removable.
    Outside of production, a protection that somebody has set by hand stays.
    """
    cloudformation = client("cloudformation")
    cloudformation.set_stack_policy(StackName=stack, StackPolicyBody=json.dumps(policy))
    if environment == plan.PRODUCTION:
        cloudformation.update_termination_protection(StackName=stack, EnableTerminationProtection=True)


def go_back(client: Client, s3: Any, bucket: str, stack: str, role_arn: str, say: Say = print) -> str:
    """Deploy the last good release; return what became of it, in words. Raises PlanError where that is not possible.

    `s3` is the boto3 client for the artifact bucket.
    """
    cloudformation = client("cloudformation")
    try:
        good = json.loads(s3.get_object(Bucket=bucket, Key=_good_key(stack))["Body"].read())
    except s3.exceptions.NoSuchKey:
        return "there is no earlier release to go back to, so this one stays"
    made = plan.make(
        cloudformation,
        s3,
        plan.Request(
            stack=stack,
            environment=good["parameters"]["Environment"],
            template=good["template"],
            parameters=good["parameters"],
            tags=good["tags"],
            role_arn=role_arn,
            is_kept=True,
            # It was deployed before.
            allowed_untested=good["parameters"]["ArtifactDigest"],
        ),
        say,
    )
    say(made.summary)
    if made.blocked:
        raise plan.PlanError(made.summary)
    if made.change_set:
        cloudformation.execute_change_set(StackName=stack, ChangeSetName=made.change_set)
        status = _settled(cloudformation, stack)
        if status != "UPDATE_COMPLETE":
            raise plan.PlanError(f"the last good release could not be deployed: {stack} is {status}, see its events")
    return f"the last good release is back, of commit {good['parameters']['CommitId']}"


def _settled(cloudformation: Any, stack: str) -> str:
    while True:
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            return status
        time.sleep(_POLL_SECONDS)


def _good_key(stack: str) -> str:
    return f"good/{stack}.json"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/smoke",
        description="Sends a file through a deployment; protects the stack where that goes well, and deploys the last "
        "good release where it does not.",
    )
    parser.add_argument("--stack", required=True, help="name of the deployed stack")
    parser.add_argument("--bucket", required=True, help="artifact bucket")
    parser.add_argument("--assume-role", metavar="ARN", help="role that may do so (default: your own rights)")
    parser.add_argument("--digest", required=True, help="SHA-256 of the deployed artifact")
    parser.add_argument("--commit", required=True, help="commit that the release is under (parameter CommitId)")
    parser.add_argument("--role-arn", required=True, help="role that CloudFormation deploys with")
    parser.add_argument("--configuration", required=True, type=Path, help="environments/<environment>.json")
    options = parser.parse_args(arguments)
    target = assumed.session(options.assume_role) if options.assume_role else boto3
    client, s3 = functools.cache(target.client), boto3.client("s3")
    try:
        settings = configuration.read(options.configuration)
    except configuration.ConfigurationError as error:
        sys.exit(f"smoke: {error}")
    try:
        [described] = client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"]
        parameters = {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]}
        if (parameters["ArtifactDigest"], parameters["CommitId"]) != (options.digest, options.commit):
            # After a return to the last good release, for one: what it runs would pass in the name of what did not.
            sys.exit(f"smoke: {options.stack} does not run this release, but that of commit {parameters['CommitId']}")
        outputs = {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])}
        smoke_test(client, outputs, _say)
    # What cannot even be asked for, or answers in another shape, does not work either.
    except (SmokeError, BotoCoreError, ClientError, LookupError, TypeError, ValueError) as error:
        _say(f"FAILED: {error}")
        try:
            became = go_back(client, s3, options.bucket, options.stack, options.role_arn, _say)
        except (plan.PlanError, BotoCoreError, ClientError) as failure:
            sys.exit(f"smoke: the release does not work ({error}), and the last good one cannot come back: {failure}")
        sys.exit(f"smoke: the release does not work ({error}); {became}")
    try:
        remember(client, s3, options.bucket, options.stack, options.digest)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"smoke: the release works, but that cannot be recorded: {error}")
    try:
        protect(client, options.stack, parameters["Environment"], settings["StackPolicy"])
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"smoke: the release works, but the stack cannot be protected: {error}")


def _say(text: str) -> None:
    print(f"smoke: {text}", flush=True)


if __name__ == "__main__":
    main()
