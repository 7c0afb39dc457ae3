"""Brings a CloudFormation stack to a template and parameters, by a change set."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from delivery import templates
from delivery.changes import is_empty, made, moments

_CHANGE_SET = "bootstrap"
_SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")


class StackError(Exception):
    """A stack is not as asked for; the message says what to do."""


def deploy(
    cloudformation: Any, name: str, template: Path, parameters: Mapping[str, str], say: Callable[[str], None] = print
) -> dict[str, str]:
    """Bring a stack to a template and `parameters`, protect it from deletion, and return its outputs by name.

    `cloudformation` is a boto3 client, `parameters` have at least `Environment`; what an existing stack has and is not
    given here stays. `say` is told of the progress, a line at a time. Where nothing changes, nothing is done. A stack
    whose creation failed is made anew. Raises StackError, and what boto3 raises of credentials and connections.
    """
    stack = _usable_stack(cloudformation, name, say)
    change_set = _create_change_set(cloudformation, name, stack, parameters, template.read_text())
    if change_set is None:
        say(f"{name} is up to date")
    else:
        _execute(cloudformation, name, change_set, say)
    stack = describe(cloudformation, name)
    if not stack.get("EnableTerminationProtection"):
        # Without its CloudFormation role the application's stack could be neither updated nor deleted.
        cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=True)
    return outputs_of(stack)


def describe(cloudformation: Any, name: str) -> dict | None:
    """A stack as CloudFormation describes it, None where there is none."""
    try:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in _message(error):
            return None
        raise


def settled(cloudformation: Any, name: str, say: Callable[[str], None] = print) -> dict | None:
    """As `describe`, once nothing is in progress."""
    for _ in moments():
        stack = describe(cloudformation, name)
        status = stack["StackStatus"] if stack else ""
        if status == "REVIEW_IN_PROGRESS" or not status.endswith("_IN_PROGRESS"):
            return stack
        say(f"waiting: {name} is {status}")


def outputs_of(stack: dict) -> dict[str, str]:
    """The outputs of a described stack by name."""
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


def parameters_of(stack: dict) -> dict[str, str]:
    """The parameters of a described stack by name."""
    return {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])}


def _usable_stack(cloudformation: Any, name: str, say: Callable[[str], None]) -> dict | None:
    """The stack if it can be updated, None if it is to be created."""
    stack = describe(cloudformation, name)
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
            raise StackError(f"{name} ended as {status}. {'; '.join(failures)}. Delete it, then run this again")
        return None
    if status.endswith("_IN_PROGRESS"):
        raise StackError(f"{name} is {status}: wait until that is done, then run this again")
    if status == "UPDATE_ROLLBACK_FAILED":
        raise StackError(
            f"{name} is {status}: remove what hinders it (see its events), run "
            f"`aws cloudformation continue-update-rollback --stack-name {name}`, then this again"
        )
    raise StackError(f"{name} is {status}: see its events, delete the stack, then run this again")


def _create_change_set(
    cloudformation: Any, name: str, stack: dict | None, parameters: Mapping[str, str], template: str
) -> str | None:
    """ARN of a change set that is ready to be executed; None when it would change nothing."""
    kept = parameters_of(stack or {}).keys() & templates.parameters(template) - parameters.keys()
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
        raise StackError(f"CloudFormation does not accept this: {_message(error)}") from error
    described = made(cloudformation, change_set, name)
    if described["Status"] == "CREATE_COMPLETE":
        return change_set
    cloudformation.delete_change_set(StackName=name, ChangeSetName=change_set)
    if is_empty(described):
        return None
    raise StackError(f"CloudFormation cannot plan this: {described.get('StatusReason', 'no reason given')}")


def _execute(cloudformation: Any, name: str, change_set: str, say: Callable[[str], None]) -> None:
    plan = cloudformation.describe_change_set(StackName=name, ChangeSetName=change_set)
    for change in (one["ResourceChange"] for one in plan["Changes"]):
        replaced = " (replace)" if change.get("Replacement") == "True" else ""
        say(f"{change['Action'].lower()}{replaced} {change['LogicalResourceId']}, {change['ResourceType']}")
    events = _new_events(cloudformation, plan["StackId"])
    cloudformation.execute_change_set(StackName=name, ChangeSetName=change_set)
    status, failures = _await_end(plan["StackId"], events, say)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        why = "; ".join(failures) or "See its events"
        raise StackError(f"{name} ended as {status}. {why}. Remove the cause, then run this again")
    say(f"{name} is {status}")


def _await_end(stack_id: str, events: Iterator[list[dict]], say: Callable[[str], None]) -> tuple[str, list[str]]:
    """Tell of each resource that is done, until the stack itself is: its status and what failed, in order."""
    failures = []
    for _ in moments():
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


def _message(error: ClientError) -> str:
    return error.response["Error"]["Message"]
