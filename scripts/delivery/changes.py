"""What a change set would do to each resource of a stack and of the stacks nested in it."""

import fnmatch
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

STACK = "AWS::CloudFormation::Stack"
# What a release of code changes: the functions, what shifts their aliases, the alarms that name the new version, and
# tables, which are migrated to what the datasets ask for.
_CODE = ("AWS::Lambda::*", "AWS::CodeDeploy::*", "AWS::CloudWatch::Alarm", "Custom::Migration")
# What holds data, or the key to it, that a new one would not have.
_STATEFUL = (
    *("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"),
    *("AWS::KMS::Key", "AWS::RDS::*", "AWS::Kinesis::Stream"),
)
# What CloudFormation says of a change set that would change nothing.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_CHANGE_SET_ARN = re.compile(r"arn:[\w-]+:cloudformation:[\w-]+:\d+:changeSet/[\w-]+/[\w-]+")


@dataclass(frozen=True)
class Change:
    """What becomes of one resource.

    `path` is its logical path from the root stack (`Buckets/Uploads`); `action` is add, modify, replace, may replace,
    remove or import; `properties` are the attributes and properties that change. `is_certain` is False where
    CloudFormation cannot tell before it deploys whether anything changes at all: where all that changes is a reference
    to what another nested stack puts out.
    """

    path: str
    kind: str
    action: str
    properties: tuple[str, ...] = ()
    is_certain: bool = True

    @property
    def is_stateful(self) -> bool:
        return any(fnmatch.fnmatchcase(self.kind, pattern) for pattern in _STATEFUL)

    @property
    def loses_data(self) -> bool:
        """Whether it takes a stateful resource from the stack, or may do so."""
        return self.is_stateful and self.action in ("replace", "may replace", "remove")

    @property
    def is_code(self) -> bool:
        return any(fnmatch.fnmatchcase(self.kind, kind) for kind in _CODE)


def describe(cloudformation: Any, change_set: str, stack: str | None = None) -> dict:
    """A change set by its ARN, with all its changes; `cloudformation` is a boto3 client.

    `stack` is the stack that it is of, which the caller's rights may go by.
    """
    names = {"ChangeSetName": change_set, **({"StackName": stack} if stack else {})}
    answer = page = cloudformation.describe_change_set(**names)
    while token := page.get("NextToken"):
        page = cloudformation.describe_change_set(**names, NextToken=token)
        answer["Changes"] += page["Changes"]
    return answer


def made(cloudformation: Any, change_set: str, stack: str) -> dict:
    """The same once CloudFormation has made it, or has refused to."""
    for _ in moments():
        described = describe(cloudformation, change_set, stack)
        if described["Status"] in ("CREATE_COMPLETE", "FAILED"):
            return described


def moments() -> Iterator[None]:
    """Waits between two looks at AWS: short at first, at most 5 s."""
    delay = 0.1
    while True:
        yield
        time.sleep(delay)
        delay = min(delay * 1.5, 5)


def is_empty(change_set: Mapping[str, Any]) -> bool:
    """Whether CloudFormation refused the change set because nothing would change."""
    return change_set["Status"] == "FAILED" and any(text in change_set.get("StatusReason", "") for text in _NO_CHANGES)


def failure(cloudformation: Any, change_set: Mapping[str, Any]) -> str:
    """Why a change set failed: its own reason and those of the nested ones that it names."""
    reasons = [change_set.get("StatusReason", "no reason given")]
    for nested in dict.fromkeys(_CHANGE_SET_ARN.findall(reasons[0])):
        try:
            found = describe(cloudformation, nested)
        except ClientError as error:
            reasons.append(str(error))
            continue
        reasons.append(f"{found['StackName']}: {found.get('StatusReason', 'no reason given')}")
    return "; ".join(reasons)


def leaves(
    cloudformation: Any, change_set: Mapping[str, Any], path: str = "", is_certain: bool = True
) -> Iterator[Change]:
    """The changes of all resources that are no nested stacks, and of nested stacks that cannot be looked into.

    `change_set` is described with all its changes. A change set that was made without IncludeNestedStacks, or that adds
    a nested stack, tells of that stack alone. `is_certain` is that of the stack whose change set it is.
    """
    for change in (one["ResourceChange"] for one in change_set.get("Changes", [])):
        where = path + change["LogicalResourceId"]
        certain = is_certain and _is_certain(change)
        if change["ResourceType"] != STACK:
            yield _change(where, change, certain)
            continue
        goes = change["Action"] == "Remove" or change.get("Replacement") == "True"
        if goes:
            for resource_path, kind in _resources(cloudformation, change["PhysicalResourceId"], f"{where}/"):
                yield Change(resource_path, kind, "remove")
        if nested := change.get("ChangeSetId"):
            if not goes:
                described = describe(cloudformation, nested, change.get("PhysicalResourceId"))
                yield from leaves(cloudformation, described, f"{where}/", certain)
        else:
            yield _change(where, change, certain)


def _is_certain(change: Mapping[str, Any]) -> bool:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChangeDetail.html

    CloudFormation lists every nested stack that takes an output of a changed one, and what refers to it there:
    https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/759
    """
    details = change.get("Details", [])
    return not details or any(
        detail.get("Evaluation") == "Static" and detail.get("ChangeSource") not in ("ResourceAttribute", "Automatic")
        for detail in details
    )


def _change(path: str, change: Mapping[str, Any], is_certain: bool) -> Change:
    action = change["Action"].lower()
    if action == "modify":
        action = {"True": "replace", "Conditional": "may replace"}.get(change.get("Replacement"), "modify")
    elif action == "dynamic":
        # What becomes of it cannot be determined, says CloudFormation.
        action = "may replace"
    targets = (detail["Target"] for detail in change.get("Details", []))
    properties = dict.fromkeys(target.get("Name") or target["Attribute"] for target in targets)
    return Change(path, change["ResourceType"], action, tuple(properties), is_certain)


def _resources(cloudformation: Any, stack: str, path: str) -> Iterator[tuple[str, str]]:
    """(logical path, type) of what is in a stack, and in those nested in it."""
    try:
        pages = list(cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack))
    except ClientError as error:
        if "does not exist" in str(error):
            return
        raise
    for resource in (one for page in pages for one in page["StackResourceSummaries"]):
        where = path + resource["LogicalResourceId"]
        if resource["ResourceType"] == STACK:
            yield from _resources(cloudformation, resource["PhysicalResourceId"], f"{where}/")
        else:
            yield where, resource["ResourceType"]
