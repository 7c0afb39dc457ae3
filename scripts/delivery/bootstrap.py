"""Creates or updates a pipeline: the stack of what bounds the application's roles (templates/boundary.yaml), that of
what acts on the application (templates/target.yaml), then the pipeline's own (pipeline.yaml), and says what is left to
do by hand.

AWS credentials, region and endpoint come from the usual places (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, ~/.aws/...).
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3

from delivery import assumed, stack
from delivery.advice import AWS_ERRORS, advice, region
from delivery.stack import StackError
from delivery.subscriptions import subscriptions

ENVIRONMENTS = ("staging", "production")
ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "pipeline.yaml"
BOUNDARY = ROOT / "templates" / "boundary.yaml"
TARGET = ROOT / "templates" / "target.yaml"

# What it takes.
_RIGHTS = (
    "Use credentials that may manage what pipeline.yaml, templates/target.yaml and templates/boundary.yaml create: "
    "IAM, S3, SNS, KMS and more"
)

Client = Callable[[str], Any]


def deploy_pipeline(
    client: Client,
    target: Client,
    parameters: Mapping[str, str],
    say: Callable[[str], None] = print,
    *,
    stack_name: str | None = None,
) -> dict[str, str]:
    """Bring the target's two stacks and the pipeline's to `parameters` and return the pipeline's outputs by name.

    `client` makes a boto3 client of a service in the pipeline's account, `target` in the application's, which may be
    the same. `parameters` are those of pipeline.yaml but what the target's stacks put out. See `stack.deploy` for the
    rest.
    """
    environment = parameters["Environment"]
    name = stack_name or f"sluice-pipeline-{environment}"
    _check_name(name)
    _check_target(client, target, name)
    account = client("sts").get_caller_identity()["Account"]
    given = {"Environment": environment, "PipelineAccount": account, "PipelineStack": name}
    cloudformation, own = target("cloudformation"), f"sluice-target-{environment}"
    boundary = stack.deploy(cloudformation, f"{own}-boundary", BOUNDARY, {"Environment": environment}, say)
    roles = stack.deploy(cloudformation, own, TARGET, {**given, **boundary}, say)
    return stack.deploy(client("cloudformation"), name, PIPELINE, {**parameters, **boundary, **roles}, say)


def update(
    client: Client,
    target: Client,
    parameters: Mapping[str, str],
    say: Callable[[str], None] = print,
    *,
    stack_name: str,
) -> None:
    """What a pipeline runs first: as `deploy_pipeline`, but raises StackError where its own stages were updated.

    CodePipeline cancels the execution that it happens in and starts another one (RestartExecutionOnUpdate). Should it
    not cancel, this one must not go on either: it would deploy by the old stages what was pushed with the new ones.
    """
    # CloudFormation starts the other execution before it is done with the stack that holds the pipeline.
    for name in (f"sluice-target-{parameters['Environment']}-boundary", f"sluice-target-{parameters['Environment']}"):
        stack.settled(target("cloudformation"), name, say)
    before = stack.settled(client("cloudformation"), stack_name, say)
    if before is None:
        raise StackError(f"there is no stack {stack_name} to update")
    outputs = deploy_pipeline(client, target, parameters, say, stack_name=stack_name)
    if outputs["PipelineVersion"] != stack.outputs_of(before).get("PipelineVersion"):
        raise StackError("the stages of the pipeline have changed: it starts again with the new ones")


def _check_target(client: Client, target: Client, name: str) -> None:
    """Or the pipeline of one account would silently turn to another."""
    role = stack.parameters_of(stack.describe(client("cloudformation"), name) or {}).get("CloudFormationRoleArn")
    account = role and role.split(":")[4]
    if account and account != target("sts").get_caller_identity()["Account"]:
        raise StackError(f"{name} deploys into the account {account}: name a profile of it by --target-profile")


def _check_name(name: str) -> None:
    first = name.partition("-")[0]
    # The target's stack knows the pipeline's bucket and roles by how they begin: with this name, unless it is too long.
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,35}", name):
        raise StackError(f"{name!r}: use at most 36 lower-case letters, digits and hyphens, a letter first")
    # target.yaml lets CloudFormation change every role whose name begins like that, so also the pipeline's own.
    if re.match(rf"sluice-(target-)?({'|'.join(ENVIRONMENTS)})(-|$)", name):
        raise StackError(f"{name} is a name of what is deployed: name the pipeline's stack like sluice-pipeline-...")
    # Of the name, CodePipeline keeps 20 characters in the keys that pipeline.yaml expires by their first part.
    if len(first) > 19:
        raise StackError(f"{name}: the part before the first hyphen may have 19 characters at most")


def _tested_bucket(cloudformation: Any, name: str) -> dict[str, str]:
    """The parameter TestedBucket of a production pipeline that has none: staging's bucket, where there is one."""
    has_one = stack.parameters_of(stack.describe(cloudformation, name) or {}).get("TestedBucket")
    staging = stack.describe(cloudformation, "sluice-pipeline-staging")
    return {} if has_one or not staging else {"TestedBucket": stack.outputs_of(staging)["ArtifactBucket"]}


def steps_left(client: Client, target: Client, pipeline: dict) -> list[str]:
    """What somebody has to do by hand before a push is deployed and mails arrive, in order.

    `client` and `target` are those of `deploy_pipeline`, `pipeline` is its stack, as CloudFormation describes it.
    """
    outputs = stack.outputs_of(pipeline)
    return [
        *_connection_steps(client, outputs, pipeline["StackId"].split(":")[3]),
        *_mail_steps(client, target, outputs, stack.parameters_of(pipeline).get("AlertEmail", "")),
    ]


def _connection_steps(client: Client, outputs: dict[str, str], region: str) -> Iterator[str]:
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


def _mail_steps(client: Client, target: Client, pipeline: dict[str, str], address: str) -> Iterator[str]:
    if not address:
        return
    outputs = stack.outputs_of(stack.describe(target("cloudformation"), pipeline["ApplicationStack"]) or {})
    topics = [(target, value) for key, value in outputs.items() if key in ("TopicArn", "AlertTopicArn")]
    if not topics:
        yield (
            f"After the first deployment, confirm the two subscriptions that AWS mails to {address}: the links in them "
            "expire after two days"
        )
    for owner, topic in (*topics, (client, pipeline["AlertTopicArn"])):
        for subscription in subscriptions(owner("sns"), topic):
            if subscription.arn is None and subscription.endpoint == address:
                yield f"Confirm the subscription to {topic} that AWS has mailed to {address}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bootstrap",
        description="Creates or updates the pipeline that deploys a branch, and says what is left to do by hand.",
    )
    parser.add_argument("--repository", help="GitHub repository, as owner/name")
    parser.add_argument("--branch", help="branch whose pushes are deployed")
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
    parser.add_argument(
        "--target-profile", metavar="PROFILE",
        help="AWS profile of the account that the application runs in (default: the pipeline's account)",
    )  # fmt: skip
    parser.add_argument(
        "--update", action="store_true",
        help="bring both stacks to the templates of this tree, and nothing else: what the pipeline itself runs. Exit "
        "status 1 where its own stages have changed",
    )  # fmt: skip
    parser.add_argument("--assume-role", metavar="ARN", help="with --update: role that may update the target's stack")
    parser.add_argument("--stack-name", help="name of the pipeline's stack (default: sluice-pipeline-<environment>)")
    parser.add_argument("--region", help="AWS region (default: the configured one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object: stack, outputs, left_to_do")
    options = parser.parse_args(arguments)
    if not (options.update or (options.repository and options.branch)):
        parser.error("--repository and --branch are required, unless with --update")
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
        own = boto3.Session(region_name=options.region or region())
        client = target = own.client
        if options.target_profile:
            target = boto3.Session(profile_name=options.target_profile, region_name=own.region_name).client
        if options.assume_role:
            target = assumed.session(options.assume_role).client
        if options.update:
            return update(client, target, parameters, _say, stack_name=name)
        if options.environment == "production" and "TestedBucket" not in parameters:
            parameters |= _tested_bucket(client("cloudformation"), name)
        outputs = deploy_pipeline(client, target, parameters, _say, stack_name=name)
        left = steps_left(client, target, stack.describe(client("cloudformation"), name))
    except StackError as error:
        sys.exit(f"bootstrap: {error}")
    except AWS_ERRORS as error:
        sys.exit(f"bootstrap: {advice(error, _RIGHTS)}")
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


def _say(text: str) -> None:
    # Not on stdout, which with --json belongs to a program.
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
