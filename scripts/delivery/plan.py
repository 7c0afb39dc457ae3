"""Says what a deployment would change, before anything does, and makes the change set that would do it.

The lane says what the deployment needs: `none` nothing, as nothing would change; `code` no approval, as the templates
are as deployed and only the functions change, with what shifts and watches them; `infrastructure` an approval, where
there is one.
"""

import base64
import datetime
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from delivery import artifact
from delivery.changes import Change, failure, is_empty, leaves, made

PRODUCTION = "production"

_PREFIX = "plan-"
# What becomes of a creation that fails: no such stack was ever complete.
_NEVER_CREATED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
_PATIENTLY = {"Delay": 5, "MaxAttempts": 240}
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

    A change set that must not be executed, or need not, is deleted. Outside of production, a stack that was never
    created as a whole is deleted first where the change set is kept, as CodePipeline's REPLACE_ON_FAILURE does. Raises
    PlanError where CloudFormation makes no change set.
    """
    stack = _settled(cloudformation, request, say)
    if request.is_kept:
        _forget_earlier(cloudformation, request.stack, stack, say)
    created = _create(cloudformation, request, stack)
    described = made(cloudformation, created, request.stack)
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
    # What goes back to an earlier release looks at no stamps, nor at what it deployed before.
    if request.tested_bucket and not _is_as_named(s3, request.parameters["ArtifactBucket"], digest):
        yield (
            f"{artifact.key(digest)} in {request.parameters['ArtifactBucket']} holds other bytes than its name says: "
            "find out who stored it, remove it and build again"
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


def _is_as_named(s3: Any, bucket: str, digest: str) -> bool:
    """Whether an artifact has the digest that it is named by, which S3 has computed when it was stored.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    found = s3.head_object(Bucket=bucket, Key=artifact.key(digest), ChecksumMode="ENABLED")
    return found.get("ChecksumSHA256") == base64.b64encode(bytes.fromhex(digest)).decode()


def tested_key(digest: str) -> str:
    """Key of the stamp that an artifact has passed the smoke test, in the artifact bucket of the tested environment."""
    return f"tested/{digest}"


def _settled(cloudformation: Any, request: Request, say: Callable[[str], None]) -> dict | None:
    """The stack once nothing is in progress, None if it is to be created."""
    name = request.stack
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
    if status in _NEVER_CREATED and request.is_kept and request.environment != PRODUCTION:
        say(f"deleting {name}, which is {status}: it was never created as a whole")
        _delete(cloudformation, stack["StackId"], request)
        return None
    if status in (*_NEVER_CREATED, "DELETE_FAILED"):
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


def _delete(cloudformation: Any, stack_id: str, request: Request) -> None:
    # By its id: a stack that somebody creates by that name meanwhile is another one.
    cloudformation.delete_stack(StackName=stack_id, RoleARN=request.role_arn)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=_PATIENTLY)
    except WaiterError as error:
        raise PlanError(
            f"{request.stack} cannot be deleted: remove what hinders it (see its events), run `aws cloudformation "
            f"delete-stack --stack-name {request.stack}`, then release the change again"
        ) from error


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


def _deployed_template(cloudformation: Any, stack: str) -> str:
    return cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
