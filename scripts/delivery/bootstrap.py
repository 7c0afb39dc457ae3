"""Creates or updates the pipeline's stack (pipeline.yaml) and says what is left to do by hand.

AWS credentials, region and endpoint come from the usual places (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, ~/.aws/...).
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore import exceptions as aws
from botocore.exceptions import ClientError

ENVIRONMENTS = ("staging", "production")
TEMPLATE = Path(__file__).parents[2] / "pipeline.yaml"

_CHANGE_SET = "bootstrap"
_SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
# What CloudFormation and its predecessors say of a change set that changes nothing.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class BootstrapError(Exception):
    """The pipeline's stack is not as asked for; the message says what to do."""


def deploy_pipeline(
    cloudformation: Any,
    parameters: Mapping[str, str],
    say: Callable[[str], None] = print,
    *,
    stack_name: str | None = None,
    template: Path = TEMPLATE,
) -> dict[str, str]:
    """Bring the pipeline's stack to `parameters` and return its outputs by name.

    `cloudformation` is a boto3 client, `parameters` are those of pipeline.yaml; what an existing stack has and is not
    given here stays. `say` is told of the progress, a line at a time. Where nothing changes, nothing is done. A stack
    whose creation failed is made anew. Raises BootstrapError, and what boto3 raises of credentials and connections.
    """
    name = stack_name or f"sluice-pipeline-{parameters['Environment']}"
    _check_name(name)
    stack = _usable_stack(cloudformation, name, say)
    change_set = _create_change_set(cloudformation, name, stack, parameters, template.read_text())
    if change_set is None:
        say(f"{name} is up to date")
    else:
        _execute(cloudformation, name, change_set, say)
    stack = _describe(cloudformation, name)
    if not stack.get("EnableTerminationProtection"):
        # Without its CloudFormation role the application's stack could be neither updated nor deleted.
        cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=True)
    return _outputs(stack)


def _check_name(name: str) -> None:
    first = name.partition("-")[0]
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", name):
        raise BootstrapError(f"{name!r} is no stack name: use letters, digits and hyphens, a letter first")
    # pipeline.yaml lets CloudFormation change every role whose name begins like that, so also the pipeline's own.
    if re.match(rf"sluice-({'|'.join(ENVIRONMENTS)})(-|$)", name):
        raise BootstrapError(f"{name} is a name of the stack to deploy: name the pipeline's like sluice-pipeline-...")
    # Of the name, CodePipeline keeps 20 characters in the keys that pipeline.yaml expires by their first part.
    if len(first) > 19:
        raise BootstrapError(f"{name}: the part before the first hyphen may have 19 characters at most")


def _usable_stack(cloudformation: Any, name: str, say: Callable[[str], None]) -> dict | None:
    """The stack if it can be updated, None if it is to be created."""
    stack = _describe(cloudformation, name)
    status = stack["StackStatus"] if stack else "REVIEW_IN_PROGRESS"
    if status == "REVIEW_IN_PROGRESS":
        return None
    if status in _SETTLED:
        return stack
    if status == "ROLLBACK_COMPLETE":
        say(f"{name} was never created (ROLLBACK_COMPLETE): deleting what is left of it")
        events = _new_events(cloudformation, stack["StackId"])
        cloudformation.delete_stack(StackName=name)
        status, failures = _await_end(stack["StackId"], events, say)
        if status != "DELETE_COMPLETE":
            raise BootstrapError(f"{name} ended as {status}. {'; '.join(failures)}. Delete it, then run this again")
        return None
    if status.endswith("_IN_PROGRESS"):
        raise BootstrapError(f"{name} is {status}: wait until that is done, then run this again")
    if status == "UPDATE_ROLLBACK_FAILED":
        raise BootstrapError(
            f"{name} is {status}: remove what hinders it (see its events), run "
            f"`aws cloudformation continue-update-rollback --stack-name {name}`, then this again"
        )
    raise BootstrapError(f"{name} is {status}: see its events, delete the stack, then run this again")


def _create_change_set(
    cloudformation: Any, name: str, stack: dict | None, parameters: Mapping[str, str], template: str
) -> str | None:
    """ARN of a change set that is ready to be executed; None when it would change nothing."""
    known = {one["ParameterKey"] for one in cloudformation.get_template_summary(TemplateBody=template)["Parameters"]}
    kept = {one["ParameterKey"] for one in (stack or {}).get("Parameters", [])} & known - parameters.keys()
    try:
        change_set = cloudformation.create_change_set(
            StackName=name,
            ChangeSetName=f"{_CHANGE_SET}-{int(time.time() * 1000)}",
            ChangeSetType="UPDATE" if stack else "CREATE",
            TemplateBody=template,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                *({"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()),
                *({"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)),
            ],
            Tags=[
                {"Key": "Project", "Value": "sluice"},
                {"Key": "Environment", "Value": parameters["Environment"]},
            ],
        )["Id"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise BootstrapError(f"CloudFormation does not accept this: {_message(error)}") from error
    for _ in _moments():
        state = cloudformation.describe_change_set(ChangeSetName=change_set)
        if state["Status"] == "CREATE_COMPLETE":
            return change_set
        if state["Status"] == "FAILED":
            break
    cloudformation.delete_change_set(ChangeSetName=change_set)
    reason = state.get("StatusReason", "no reason given")
    if any(text in reason for text in _NO_CHANGES):
        return None
    raise BootstrapError(f"CloudFormation cannot plan this: {reason}")


def _execute(cloudformation: Any, name: str, change_set: str, say: Callable[[str], None]) -> None:
    plan = cloudformation.describe_change_set(ChangeSetName=change_set)
    for change in (one["ResourceChange"] for one in plan["Changes"]):
        replaced = " (replace)" if change.get("Replacement") == "True" else ""
        say(f"{change['Action'].lower()}{replaced} {change['LogicalResourceId']}, {change['ResourceType']}")
    events = _new_events(cloudformation, plan["StackId"])
    cloudformation.execute_change_set(ChangeSetName=change_set)
    status, failures = _await_end(plan["StackId"], events, say)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        why = "; ".join(failures) or "See its events"
        raise BootstrapError(f"{name} ended as {status}. {why}. Remove the cause, then run this again")
    say(f"{name} is {status}")


def _await_end(stack_id: str, events: Iterator[list[dict]], say: Callable[[str], None]) -> tuple[str, list[str]]:
    """Tell of each resource that is done, until the stack itself is: its status and what failed, in order."""
    failures = []
    for _ in _moments():
        for event in next(events):
            status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
            if status.endswith("_IN_PROGRESS"):
                continue
            if event["PhysicalResourceId"] == stack_id:
                return status, failures
            what = f"{event['LogicalResourceId']}: {status} {reason}".rstrip(" .")
            say(f"  {what}")
            if status.endswith("_FAILED") and "cancelled" not in reason:
                failures.append(what)


def _new_events(cloudformation: Any, stack_id: str) -> Iterator[list[dict]]:
    """At each step, the stack's events since the last, oldest first; those of before now are left out."""
    seen: set[str] = set()

    def fetch() -> list[dict]:
        pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
        new = []
        for event in (event for page in pages for event in page["StackEvents"]):
            if event["EventId"] in seen:
                break
            new.append(event)
        seen.update(event["EventId"] for event in new)
        return new[::-1]

    fetch()
    return iter(fetch, None)


def _moments() -> Iterator[None]:
    """Waits between two looks at AWS: short at first, at most 5 s."""
    delay = 0.1
    while True:
        yield
        time.sleep(delay)
        delay = min(delay * 1.5, 5)


def _describe(cloudformation: Any, name: str) -> dict | None:
    try:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in _message(error):
            return None
        raise


def _tested_bucket(cloudformation: Any, name: str) -> dict[str, str]:
    """The parameter TestedBucket of a production pipeline that has none: staging's bucket, where there is one."""
    stack, staging = _describe(cloudformation, name), _describe(cloudformation, "sluice-pipeline-staging")
    has_one = any(
        one["ParameterKey"] == "TestedBucket" and one["ParameterValue"] for one in (stack or {}).get("Parameters", [])
    )
    return {} if has_one or not staging else {"TestedBucket": _outputs(staging)["ArtifactBucket"]}


def _outputs(stack: dict) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


def _message(error: ClientError) -> str:
    return error.response["Error"]["Message"]


def steps_left(client: Callable[[str], Any], stack: dict) -> list[str]:
    """What somebody has to do by hand before a push is deployed and mails arrive, in order.

    `client` makes a boto3 client of a service, `stack` is the pipeline's, as CloudFormation describes it.
    """
    outputs = _outputs(stack)
    values = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    return [
        *_connection_steps(client, outputs, stack["StackId"].split(":")[3]),
        *_mail_steps(client, outputs, values.get("AlertEmail", "")),
    ]


def _connection_steps(client: Callable[[str], Any], outputs: dict[str, str], region: str) -> Iterator[str]:
    arn = outputs["ConnectionArn"]
    connection = client(arn.split(":")[2]).get_connection(ConnectionArn=arn)["Connection"]
    if connection["ConnectionStatus"] != "AVAILABLE":
        yield (
            f"Authorise the connection {connection['ConnectionName']} (it is {connection['ConnectionStatus']}): open "
            f"https://console.aws.amazon.com/codesuite/settings/connections?region={region}, choose it, "
            "then 'Update pending connection'"
        )
        yield (
            "Then start the pipeline, whose first run found no connection: push, or run `aws codepipeline "
            f"start-pipeline-execution --region {region} --name {outputs['Pipeline']}`"
        )


def _mail_steps(client: Callable[[str], Any], pipeline: dict[str, str], address: str) -> Iterator[str]:
    if not address:
        return
    stack = _describe(client("cloudformation"), pipeline["ApplicationStack"])
    topics = [value for key, value in _outputs(stack or {}).items() if key in ("TopicArn", "AlertTopicArn")]
    is_deployed = bool(topics)
    topics.append(pipeline["AlertTopicArn"])
    if not is_deployed:
        yield (
            f"After the first deployment, confirm the two subscriptions that AWS mails to {address}: the links in them "
            "expire after two days"
        )
    for topic in topics:
        pages = client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        for subscription in (one for page in pages for one in page["Subscriptions"]):
            pending = subscription["SubscriptionArn"] in ("PendingConfirmation", "pending confirmation")
            if pending and subscription["Endpoint"] == address:
                yield f"Confirm the subscription to {topic} that AWS has mailed to {address}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bootstrap",
        description="Creates or updates the pipeline that deploys a branch, and says what is left to do by hand.",
    )
    parser.add_argument("--repository", required=True, help="GitHub repository, as owner/name")
    parser.add_argument("--branch", required=True, help="branch whose pushes are deployed")
    parser.add_argument("--environment", required=True, choices=ENVIRONMENTS)
    parser.add_argument("--connection-arn", help="authorised connection to GitHub (default: as before, or a new one)")
    parser.add_argument("--alert-email", help="address for alarms and failed uploads, '' for none (default: as before)")
    parser.add_argument(
        "--tested-bucket",
        help="production: artifact bucket of staging's pipeline, with the stamps of what it has tested (default: as "
        "before, or that of sluice-pipeline-staging)",
    )
    parser.add_argument(
        "--allow-untested-artifact", metavar="DIGEST", help="production: artifact that needs no such stamp"
    )
    parser.add_argument(
        "--allowed-replacements", metavar="PATHS",
        help="production: resources with data that may be replaced or removed, as Buckets/Uploads,Ledger/Ledger",
    )  # fmt: skip
    parser.add_argument("--stack-name", help="name of the pipeline's stack (default: sluice-pipeline-<environment>)")
    parser.add_argument("--region", help="AWS region (default: the configured one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object: stack, outputs, left_to_do")
    options = parser.parse_args(arguments)
    given = {
        "Repository": options.repository,
        "Branch": options.branch,
        "Environment": options.environment,
        "ConnectionArn": options.connection_arn,
        "AlertEmail": options.alert_email,
        "TestedBucket": options.tested_bucket,
        "AllowUntestedArtifact": options.allow_untested_artifact,
        "AllowedReplacements": options.allowed_replacements,
    }
    parameters = {key: value for key, value in given.items() if value is not None}
    name = options.stack_name or f"sluice-pipeline-{options.environment}"
    try:
        client = boto3.Session(region_name=options.region).client
        if options.environment == "production" and "TestedBucket" not in parameters:
            parameters |= _tested_bucket(client("cloudformation"), name)
        outputs = deploy_pipeline(client("cloudformation"), parameters, _say, stack_name=name)
        left = steps_left(client, _describe(client("cloudformation"), name))
    except BootstrapError as error:
        sys.exit(f"bootstrap: {error}")
    except (aws.BotoCoreError, ClientError) as error:
        sys.exit(f"bootstrap: {_advice(error)}")
    _report(options.json, name, outputs, left)


def _report(as_json: bool, name: str, outputs: dict[str, str], left: list[str]) -> None:
    if as_json:
        print(json.dumps({"stack": name, "outputs": outputs, "left_to_do": left}, indent=2))
        return
    for key, value in outputs.items():
        print(f"{key:<23}{value}")
    print("\nLeft to do:" if left else "\nNothing left to do: a push to the branch deploys it.")
    for number, step in enumerate(left, 1):
        print(f"{number}. {step}.")


def _advice(error: Exception) -> str:
    """What went wrong between us and AWS, and what to do about it."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if isinstance(error, aws.NoRegionError):
        return "no AWS region is configured: give --region, or set AWS_REGION"
    if isinstance(error, (aws.EndpointConnectionError, aws.ConnectTimeoutError)):
        return f"cannot reach AWS: {error}. Check the network, the region's name and AWS_ENDPOINT_URL"
    if code in ("AccessDenied", "AccessDeniedException"):
        return f"{error}. Use credentials that may manage what pipeline.yaml creates: IAM, S3, SNS, KMS and more"
    if code in ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"):
        return f"AWS does not take your credentials: {error}. Renew them: `aws sso login`, or `aws configure`"
    if "redential" in type(error).__name__ or "SSO" in type(error).__name__ or isinstance(error, aws.ProfileNotFound):
        return f"no AWS credentials: {error}. Run `aws configure` or `aws sso login`, or set AWS_PROFILE"
    return str(error)


def _say(text: str) -> None:
    # Not on stdout, which with --json belongs to a program.
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
