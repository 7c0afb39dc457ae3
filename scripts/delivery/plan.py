"""Says what a deployment would change, before anything does, and makes the change set that would do it.

Writes into the output folder:
- plan.json: {stack, environment, change_set, lane, blocked, summary, changes}; each of `changes` has path, type,
  action, properties, stateful and certain (see `delivery.changes.Change`), `blocked` are the reasons why not to deploy;
- plan.md: the same for a reader; it is also stored as plans/<change set>.md in the artifact bucket;
- plan.env: sets LANE, CHANGE_SET, PLAN_SUMMARY and PLAN_URL for a shell to read.

The lane says what the deployment needs: `none` nothing, as nothing would change; `code` no approval, as the templates
are as deployed and only the functions change, with what shifts and watches them; `infrastructure` an approval, where
there is one.
"""

import argparse
import datetime
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from delivery import artifact
from delivery.changes import Change, describe, failure, is_empty, leaves

BLOCKED = 3  # exit status
PRODUCTION = "production"

_PREFIX = "plan-"
_SUMMARY_CHARACTERS = 900
_ORDER = ("remove", "replace", "may replace", "add", "import", "modify")
_LOSSES = {"remove": "would be removed", "replace": "would be replaced", "may replace": "might be replaced"}
_TITLES = {
    "remove": "Removed",
    "replace": "Replaced",
    "may replace": "Replaced, unless a value that is not known yet stays the same",
    "add": "Added",
    "import": "Imported",
    "modify": "Modified",
}


class PlanError(Exception):
    """There can be no plan; the message says what to do."""


@dataclass(frozen=True)
class Request:
    """What is to be deployed.

    `template` is the packaged root template's text; `parameters` and `tags` are the stack's. `is_kept`: the change set
    is to be executed, and so replaces those of earlier plans; otherwise it is deleted once it has been read.
    `allowed_replacements` are the logical paths of stateful resources that may be replaced or removed in production.
    `tested_bucket` holds the stamps of staging's smoke test, `allowed_untested` is a digest that needs none.
    """

    stack: str
    environment: str
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    role_arn: str
    is_kept: bool = False
    allowed_replacements: Sequence[str] = ()
    tested_bucket: str = ""
    allowed_untested: str = ""


@dataclass(frozen=True)
class Plan:
    """`change_set` is its name, empty where there is none to execute."""

    stack: str
    environment: str
    change_set: str
    lane: str
    blocked: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def summary(self) -> str:
        """One line of less than 1,000 characters, the dangerous first."""
        parts = [f"BLOCKED: {reason}" for reason in self.blocked]
        for action in _ORDER:
            paths = [change.path for change in self.changes if change.action == action and change.is_certain]
            if paths:
                parts.append(f"{action} {len(paths)}: {', '.join(paths)}")
        if uncertain := sum(not change.is_certain for change in self.changes):
            parts.append(f"{uncertain} more may be modified")
        text = f"{self.stack}, lane {self.lane}: {'; '.join(parts) or 'nothing changes'}"
        return text if len(text) <= _SUMMARY_CHARACTERS else f"{text[:_SUMMARY_CHARACTERS]} ..."

    def as_dict(self) -> dict:
        """As a JSON object."""
        changes = [
            {
                "path": change.path,
                "type": change.kind,
                "action": change.action,
                "properties": list(change.properties),
                "stateful": change.is_stateful,
                "certain": change.is_certain,
            }
            for change in self.changes
        ]
        own = {name: getattr(self, name) for name in ("stack", "environment", "change_set", "lane")}
        return {**own, "blocked": list(self.blocked), "summary": self.summary, "changes": changes}

    def as_markdown(self) -> str:
        """For an approver and for a pull request."""
        lines = [f"### Plan for `{self.stack}`: {_LANES[self.lane]}", ""]
        lines += [f"> **Blocked**: {reason}" for reason in self.blocked]
        lines += [""] if self.blocked else []
        for action in _ORDER:
            certain = [change for change in self.changes if change.action == action and change.is_certain]
            lines += _table(_TITLES[action], certain)
        lines += _table(
            "May change, by what another nested stack puts out", [one for one in self.changes if not one.is_certain]
        )
        return "\n".join(lines) if self.changes else f"{lines[0]}\n"


_LANES = {
    "none": "nothing changes",
    "code": "code only",
    "infrastructure": "infrastructure changes",
}


def _table(title: str, changes: Sequence[Change]) -> list[str]:
    if not changes:
        return []
    rows = [
        f"| {'**stateful** ' if change.loses_data else ''}`{change.path}` | `{change.kind}` "
        f"| {', '.join(change.properties)} |"
        for change in sorted(changes, key=lambda change: (not change.loses_data, change.path))
    ]
    return [f"**{title}** ({len(changes)})", "", "| resource | type | what |", "|---|---|---|", *rows, ""]


def make(cloudformation: Any, s3: Any, request: Request, say: Callable[[str], None] = print) -> Plan:
    """Create the change set and say what it would do; the clients are boto3's.

    A change set that must not be executed, or need not, is deleted. Raises PlanError where CloudFormation makes none.
    """
    stack = _settled(cloudformation, request.stack, say)
    if request.is_kept:
        _forget_earlier(cloudformation, request.stack, stack, say)
    created = _create(cloudformation, request, stack)
    described = _await(cloudformation, request.stack, created)
    if described["Status"] != "CREATE_COMPLETE" and not is_empty(described):
        reason = failure(cloudformation, described)
        cloudformation.delete_change_set(StackName=request.stack, ChangeSetName=created)
        raise PlanError(f"CloudFormation cannot plan this: {reason}")
    changes = tuple(leaves(cloudformation, described))
    is_same_template = stack is not None and _deployed_template(cloudformation, request.stack) == request.template
    lane = "none" if is_empty(described) else _lane(changes, is_same_template)
    blocked = tuple(_reasons(s3, request, changes)) if lane != "none" and request.environment == PRODUCTION else ()
    is_executed = request.is_kept and lane != "none" and not blocked
    if not is_executed:
        cloudformation.delete_change_set(StackName=request.stack, ChangeSetName=created)
    name = described["ChangeSetName"] if is_executed else ""
    return Plan(request.stack, request.environment, name, lane, blocked, changes)


def _lane(changes: Sequence[Change], is_same_template: bool) -> str:
    """What is modified only if another nested stack puts out something else does not count: it puts out the same."""
    is_code = is_same_template and all(
        change.is_code or (change.action == "modify" and not change.is_certain) for change in changes
    )
    return "code" if is_code else "infrastructure"


def _reasons(s3: Any, request: Request, changes: Sequence[Change]) -> Iterator[str]:
    """Why this must not be deployed to production."""
    for change in changes:
        if change.loses_data and change.path not in request.allowed_replacements:
            yield (
                f"{change.path} ({change.kind}) holds data and {_LOSSES[change.action]}: name it in the pipeline's "
                "parameter AllowedReplacements if that is meant"
            )
    digest = request.parameters.get("ArtifactDigest", "")
    if digest != request.allowed_untested and not _is_tested(s3, request.tested_bucket, digest):
        yield (
            f"the artifact {digest} has not passed staging's smoke test: deploy it to staging first, or name it in the "
            "pipeline's parameter AllowUntestedArtifact"
        )


def _is_tested(s3: Any, bucket: str, digest: str) -> bool:
    if not bucket:
        return False
    try:
        s3.head_object(Bucket=bucket, Key=tested_key(digest))
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def tested_key(digest: str) -> str:
    """Key of the stamp that an artifact has passed the smoke test, in the artifact bucket of the tested environment."""
    return f"tested/{digest}"


def _settled(cloudformation: Any, name: str, say: Callable[[str], None]) -> dict | None:
    """The stack once nothing is in progress, None if it is to be created."""
    while True:
        try:
            stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        status = stack["StackStatus"]
        if status == "REVIEW_IN_PROGRESS":
            return None
        if not status.endswith("_IN_PROGRESS"):
            break
        say(f"waiting: {name} is {status}")
        time.sleep(5)
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        raise PlanError(
            f"{name} is {status}: it was never created, or not deleted, as a whole. Delete what is left of it "
            f"(`aws cloudformation delete-stack --stack-name {name}`), then release the change again"
        )
    if status == "UPDATE_ROLLBACK_FAILED":
        raise PlanError(
            f"{name} is {status}: remove what hinders it (see its events), run `aws cloudformation "
            f"continue-update-rollback --stack-name {name}`, then release the change again"
        )
    return stack


def _forget_earlier(cloudformation: Any, name: str, stack: dict | None, say: Callable[[str], None]) -> None:
    """Delete the change sets of earlier plans: the newest push is what is to be deployed, or nothing is."""
    try:
        pages = list(cloudformation.get_paginator("list_change_sets").paginate(StackName=name))
    except ClientError as error:
        if stack is None and "does not exist" in str(error):
            return
        raise
    for found in (one for page in pages for one in page["Summaries"]):
        if found["ChangeSetName"].startswith(_PREFIX) and found["ExecutionStatus"] in ("AVAILABLE", "OBSOLETE"):
            say(f"deleting {found['ChangeSetName']}, which this plan supersedes")
            cloudformation.delete_change_set(StackName=name, ChangeSetName=found["ChangeSetName"])


def _create(cloudformation: Any, request: Request, stack: dict | None) -> str:
    """ARN of the new change set."""
    now = datetime.datetime.now(datetime.UTC)
    # Where nothing is yet, nothing can be lost: nested stacks are looked into in an update only, as CloudFormation
    # cannot check values that do not exist yet against a nested template's parameters.
    if stack:
        kind: dict[str, Any] = {"ChangeSetType": "UPDATE", "IncludeNestedStacks": True}
    elif request.environment == PRODUCTION:
        kind = {"ChangeSetType": "CREATE"}
    else:
        # A stack that was never created cannot be updated: outside of production, nothing is left of it.
        kind = {"ChangeSetType": "CREATE", "OnStackFailure": "DELETE"}
    try:
        return cloudformation.create_change_set(
            StackName=request.stack,
            ChangeSetName=f"{_PREFIX if request.is_kept else 'look-'}{now:%Y%m%d%H%M%S%f}",
            TemplateBody=request.template,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in request.parameters.items()],
            Tags=[{"Key": key, "Value": value} for key, value in request.tags.items()],
            Capabilities=["CAPABILITY_IAM"],
            RoleARN=request.role_arn,
            **kind,
        )["Id"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise PlanError(f"CloudFormation does not accept this: {error.response['Error']['Message']}") from error


def _await(cloudformation: Any, stack: str, change_set: str) -> dict:
    delay = 0.1
    while (described := describe(cloudformation, change_set, stack))["Status"] not in ("CREATE_COMPLETE", "FAILED"):
        time.sleep(delay)
        delay = min(delay * 1.5, 5)
    return described


def _deployed_template(cloudformation: Any, stack: str) -> str:
    return cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]


def read_configuration(path: Path) -> dict[str, dict]:
    """{Parameters, Tags} of a template configuration file.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-cfn-artifacts.html
    Raises PlanError for anything else in it.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlanError(f"{path}: {error}") from error
    if unknown := sorted(set(settings) - {"Parameters", "Tags"}):
        raise PlanError(f"{path}: {unknown[0]} is not understood; only Parameters and Tags are")
    return {"Parameters": settings.get("Parameters", {}), "Tags": settings.get("Tags", {})}


def _store(s3: Any, bucket: str, name: str, text: str) -> str:
    """Keep the plan for its readers; return the address to read it at."""
    key = f"plans/{name}.md"
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="text/markdown; charset=utf-8")
    region = s3.meta.region_name
    return f"https://{region}.console.aws.amazon.com/s3/object/{bucket}?region={region}&prefix={quote(key)}"


def write(plan: Plan, url: str, out_dir: Path) -> None:
    """Write plan.json, plan.md and plan.env."""
    out_dir.mkdir(exist_ok=True)
    (out_dir / "plan.json").write_text(json.dumps(plan.as_dict(), indent=1) + "\n", encoding="utf-8")
    (out_dir / "plan.md").write_text(plan.as_markdown(), encoding="utf-8")
    # An exported variable of a build must not be empty.
    variables = {
        "LANE": plan.lane,
        "CHANGE_SET": plan.change_set or "none",
        "PLAN_SUMMARY": plan.summary,
        "PLAN_URL": url,
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    (out_dir / "plan.env").write_text("".join(lines), encoding="utf-8")


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/plan",
        description="Says what a deployment would change. Writes build/plan.json, plan.md and plan.env. "
        "Exit status 0: planned; 3: planned, but must not be deployed.",
    )
    parser.add_argument("--stack", required=True, help="name of the stack")
    parser.add_argument("--bucket", required=True, help="artifact bucket, in which the plan is stored")
    parser.add_argument("--template", required=True, type=Path, help="packaged root template (build/root.yaml)")
    parser.add_argument("--configuration", required=True, type=Path, help="environments/<environment>.json")
    parser.add_argument("--role-arn", required=True, help="role that CloudFormation deploys with")
    parser.add_argument(
        "--parameter", action="append", default=[], type=_pair, metavar="KEY=VALUE",
        help="parameter of the template; wins over the configuration's (repeatable)",
    )  # fmt: skip
    parser.add_argument("--environment", help="environment (default: the configuration's)")
    parser.add_argument("--keep", action="store_true", help="keep the change set, for it to be executed")
    parser.add_argument(
        "--allow-replacement", action="append", default=[], metavar="PATH[,PATH]",
        help="stateful resource (Buckets/Uploads) that may be replaced or removed in production",
    )  # fmt: skip
    parser.add_argument("--tested-bucket", default="", help="bucket with staging's stamps of tested artifacts")
    parser.add_argument("--allow-untested", default="", metavar="DIGEST", help="artifact that needs no such stamp")
    parser.add_argument("--json", action="store_true", help="print plan.json instead of the summary")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)
    try:
        configuration = read_configuration(options.configuration)
        parameters = configuration["Parameters"] | dict(options.parameter)
        request = Request(
            stack=options.stack,
            environment=options.environment or parameters["Environment"],
            template=options.template.read_bytes().decode(),
            parameters=parameters,
            tags=configuration["Tags"],
            role_arn=options.role_arn,
            is_kept=options.keep,
            allowed_replacements=[path for one in options.allow_replacement for path in one.split(",")],
            tested_bucket=options.tested_bucket,
            allowed_untested=options.allow_untested,
        )
        s3 = boto3.client("s3")
        plan = make(boto3.client("cloudformation"), s3, request, _say)
        name = plan.change_set or f"{plan.stack}-{datetime.datetime.now(datetime.UTC):%Y%m%d%H%M%S%f}"
        url = _store(s3, options.bucket, name, plan.as_markdown())
    except (PlanError, BotoCoreError, ClientError, OSError) as error:
        sys.exit(f"plan: {error}")
    write(plan, url, artifact.ROOT / "build")
    print(json.dumps(plan.as_dict(), indent=1) if options.json else plan.summary)
    if plan.blocked:
        sys.exit(BLOCKED)


def _say(text: str) -> None:
    # Not on stdout, which with --json belongs to a program.
    print(f"plan: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
