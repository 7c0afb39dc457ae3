"""What merging this tree would change in staging, for the reviewers of a pull request.

Nothing is stored that could be deployed. A nested template that staging does not run yet goes under pull-requests/ in
the artifact bucket; one that it runs is named as it is deployed, so that only real change shows. Of the Lambda artifact
the digest is enough.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from delivery import artifact, configuration, plan, prefix_lists, templates

STACK = "sluice-staging"
CONFIGURATION = artifact.ROOT / "environments" / "staging.json"

# The next job gets it as an environment variable, of which Linux takes 128 KiB. A comment holds less.
_OUTPUT_CHARACTERS = 100_000


class PreviewError(Exception):
    """There can be no plan; the message says what to do."""


def preview(
    client: Callable[[str], Any], packaged: templates.Packaged, digest: str, say: Callable[[str], None] = print
) -> plan.Plan:
    """Plan the deployment of packaged templates and an artifact, by its SHA-256, to the staging that there is.

    `client` makes a boto3 client of a service. Bucket, role and parameters that nothing here sets are those of the
    deployed stack. Raises PreviewError where staging is not deployed, and PlanError where there can be no plan.
    """
    cloudformation, s3 = client("cloudformation"), client("s3")
    stack = _deployed(cloudformation)
    current = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    settings = configuration.read(CONFIGURATION)
    parameters = prefix_lists.completed(client, current | settings["Parameters"] | {"ArtifactDigest": digest})
    known = templates.parameters(packaged.root)
    request = plan.Request(
        stack=STACK,
        environment="staging",
        template=_store(cloudformation, s3, current["ArtifactBucket"], packaged, say),
        parameters={key: value for key, value in parameters.items() if key in known},
        tags=settings["Tags"],
        role_arn=stack["RoleARN"],
    )
    return plan.make(cloudformation, s3, request, say)


def _deployed(cloudformation: Any) -> dict:
    try:
        [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        stack = {}
    if "RoleARN" not in stack:
        raise PreviewError(f"{STACK} was not deployed by its pipeline yet: let that run first, then start this again")
    return stack


def _store(
    cloudformation: Any, s3: Any, bucket: str, packaged: templates.Packaged, say: Callable[[str], None]
) -> str:
    """Upload the nested templates that the stack does not run; the root template's text, which names them there."""
    root = packaged.root
    deployed = str(cloudformation.get_template(StackName=STACK, TemplateStage="Original")["TemplateBody"])
    for digest, text in packaged.children.items():
        if templates.child_key(digest) not in deployed:
            key = f"pull-requests/{digest}.yaml"
            s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="application/yaml")
            say(f"stored s3://{bucket}/{key}")
            root = root.replace(templates.child_key(digest), key)
    return root


def hand_over(text: str) -> None:
    """Make a text the output `plan` of a step of a GitHub workflow, where this is one.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings
    """
    if "GITHUB_OUTPUT" in os.environ:
        end = secrets.token_hex(16)
        with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.write(f"plan<<{end}\n{text[:_OUTPUT_CHARACTERS]}\n{end}\n")


def main(arguments: list[str] | None = None) -> None:
    argparse.ArgumentParser(
        prog="scripts/preview",
        description=f"Prints what merging this tree would change in {STACK}, and makes it the output `plan` of a step "
        "of a GitHub workflow. Deploys nothing.",
    ).parse_args(arguments)
    try:
        packaged = templates.package(artifact.ROOT / "templates")
        built = artifact.build(artifact.named_target("lambda"), artifact.ROOT / "build")
        made = preview(boto3.client, packaged, built.digest, _say)
    except (
        artifact.ArtifactError, templates.TemplateError, configuration.ConfigurationError, PreviewError, plan.PlanError,
        BotoCoreError, ClientError,
    ) as error:  # fmt: skip
        hand_over(f"### No plan for `{STACK}`\n\n{error}")
        sys.exit(f"preview: {error}")
    hand_over(made.as_markdown())
    print(made.as_markdown())


def _say(text: str) -> None:
    print(f"preview: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
