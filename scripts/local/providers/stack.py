"""Deploy: a CloudFormation stack through a change set.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CloudFormation.html and
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-cfn-artifacts.html
"""

import datetime
import json
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from local import artifacts
from local.actions import ActionFailed, Job, Outcome
from local.roles import assume_as, require

SERVICE = "cloudformation.amazonaws.com"
BODY_LIMIT = 51_200  # bytes of a template that is sent in the call itself
POLL_SECONDS = 0.1

# What CloudFormation says of a change set that would change nothing. For CodePipeline that is a
# success, and executing such a change set does nothing and succeeds.
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


def run(job: Job) -> Outcome:
    """CHANGE_SET_REPLACE and CHANGE_SET_EXECUTE; the other modes are refused."""
    modes = {"CHANGE_SET_REPLACE": _replace, "CHANGE_SET_EXECUTE": _execute}
    mode = job.setting("ActionMode")
    if mode not in modes:
        raise ActionFailed(f"ActionMode {mode} is NOT RUN LOCALLY: only {' and '.join(modes)}")
    job.only(
        "ActionMode",
        "StackName",
        "ChangeSetName",
        "RoleArn",
        "Capabilities",
        "TemplatePath",
        "TemplateConfiguration",
        "ParameterOverrides",
        "OutputFileName",
    )
    return modes[mode](job)


def _replace(job: Job) -> Outcome:
    stack, name, role = job.setting("StackName"), job.setting("ChangeSetName"), job.setting("RoleArn")
    template = job.file(job.setting("TemplatePath"), "TemplatePath")
    settings = _template_configuration(job)
    parameters = {**settings.get("Parameters", {}), **_overrides(job)}
    _check_parameters(job, template, parameters)
    require(job.cloud, job.role, "iam:PassRole", role, {"iam:passedtoservice": SERVICE})
    cloudformation = job.client("cloudformation")

    exists = _describe(job, stack) is not None
    _forget(job, stack, name)
    created = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=name,
        ChangeSetType="UPDATE" if exists else "CREATE",
        RoleARN=role,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Tags=[{"Key": key, "Value": value} for key, value in settings.get("Tags", {}).items()],
        Capabilities=[one.strip() for one in job.configuration.get("Capabilities", "").split(",") if one.strip()],
        **_template(job, template),
    )
    # CloudFormation itself would assume it; the local one changes everything without a role.
    assume_as(job.cloud, SERVICE, created["StackId"], role, "CloudFormation")
    if "StackPolicy" in settings:
        cloudformation.set_stack_policy(StackName=stack, StackPolicyBody=json.dumps(settings["StackPolicy"]))

    change_set = _wait_for_change_set(job, stack, name)
    if _is_empty(change_set):
        return Outcome(external_id=created["Id"], message=f"{name} on {stack}: no changes")
    if change_set["Status"] != "CREATE_COMPLETE":
        raise ActionFailed(f"the change set {name} {change_set['Status']}: {change_set.get('StatusReason')}")
    changes = [change["ResourceChange"] for change in change_set["Changes"]]
    for change in changes:
        replaced = " (replacement)" if change.get("Replacement") == "True" else ""
        job.log(f"{change['Action']} {change['LogicalResourceId']} {change['ResourceType']}{replaced}")
    return Outcome(external_id=created["Id"], message=f"{name} on {stack}: {len(changes)} changes")


def _execute(job: Job) -> Outcome:
    stack, name = job.setting("StackName"), job.setting("ChangeSetName")
    cloudformation = job.client("cloudformation")
    change_set = _change_set(job, stack, name)
    if change_set is None:
        raise ActionFailed(f"the change set {name} of {stack} does not exist")
    message = f"{name} on {stack}: no changes, nothing executed"
    if not _is_empty(change_set):
        since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(milliseconds=1)  # events have no more digits
        cloudformation.execute_change_set(StackName=stack, ChangeSetName=name)
        status = _wait_for_stack(job, change_set["StackId"])
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            failures = _failures(job, change_set["StackId"], since)
            for failure in failures:
                job.log(failure)
            raise ActionFailed(f"{stack} is {status}" + (f": {failures[-1]}" if failures else ""))
        message = f"{stack} is {status}"
    described = _describe(job, stack)
    outputs = {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", [])}
    _store_outputs(job, outputs)
    return Outcome(outputs, described["StackId"], message)


def _template_configuration(job: Job) -> dict[str, Any]:
    """{Parameters, Tags, StackPolicy} of the template configuration file."""
    if "TemplateConfiguration" not in job.configuration:
        return {}
    content = job.file(job.configuration["TemplateConfiguration"], "TemplateConfiguration")
    try:
        settings = json.loads(content)
    except ValueError as error:
        raise ActionFailed(f"TemplateConfiguration is not JSON: {error}") from None
    unknown = sorted(set(settings) - {"Parameters", "Tags", "StackPolicy"})
    if unknown:
        raise ActionFailed(f"TemplateConfiguration has {unknown[0]}: only Parameters, Tags and StackPolicy")
    return settings


def _overrides(job: Job) -> dict[str, str]:
    """ParameterOverrides with its functions resolved:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-parameter-override-functions.html
    """
    try:
        declared = json.loads(job.configuration.get("ParameterOverrides", "{}"))
        return {key: _override(job, value) for key, value in declared.items()}
    except (ValueError, AttributeError) as error:
        raise ActionFailed(f"ParameterOverrides is no JSON object: {error}") from None


def _override(job: Job, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and list(value) == ["Fn::GetArtifactAtt"]:
        artifact, attribute = value["Fn::GetArtifactAtt"]
        where = job.artifacts.get(artifact)
        if artifact not in job.inputs or where is None:
            raise ActionFailed(f"Fn::GetArtifactAtt: {artifact} is not among the action's InputArtifacts")
        known = {
            "BucketName": where["bucket"],
            "ObjectKey": where["key"],
            "URL": f"https://s3.{job.cloud.region}.amazonaws.com/{where['bucket']}/{where['key']}",
        }
        if attribute not in known:
            raise ActionFailed(f"Fn::GetArtifactAtt: {attribute} is none of {', '.join(known)}")
        return known[attribute]
    if isinstance(value, dict) and list(value) == ["Fn::GetParam"]:
        artifact, file, key = value["Fn::GetParam"]
        content = json.loads(job.file(f"{artifact}::{file}", "ParameterOverrides"))
        if key not in content:
            raise ActionFailed(f"Fn::GetParam: {file} has no {key}")
        return str(content[key])
    raise ActionFailed(
        f"ParameterOverrides: {json.dumps(value)} is neither text nor Fn::GetArtifactAtt nor Fn::GetParam"
    )


def _check_parameters(job: Job, template: bytes, parameters: Mapping[str, str]) -> None:
    """CloudFormation refuses a parameter that the template does not have; the local one takes it."""
    summary = job.cloud.client("cloudformation").get_template_summary(TemplateBody=template.decode())
    unknown = sorted(set(parameters) - {item["ParameterKey"] for item in summary["Parameters"]})
    if unknown:
        raise ActionFailed(f"Parameters: [{', '.join(unknown)}] do not exist in the template")


def _template(job: Job, template: bytes) -> dict[str, str]:
    if len(template) <= BODY_LIMIT:
        return {"TemplateBody": template.decode()}
    key = f"{job.pipeline[:20]}/templates/{job.execution_id}"
    job.client("s3").put_object(Bucket=job.bucket, Key=key, Body=template)
    return {"TemplateURL": f"https://s3.{job.cloud.region}.amazonaws.com/{job.bucket}/{key}"}


def _describe(job: Job, stack: str) -> dict[str, Any] | None:
    """The stack, or None when it is still to be created."""
    try:
        described = job.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if described["StackStatus"] == "REVIEW_IN_PROGRESS" else described


def _change_set(job: Job, stack: str, name: str) -> dict[str, Any] | None:
    """The change set with all its changes, or None."""
    changes: list[dict] = []
    following: dict[str, str] = {}
    try:
        while True:
            page = job.client("cloudformation").describe_change_set(StackName=stack, ChangeSetName=name, **following)
            changes += page.get("Changes", [])
            if "NextToken" not in page:
                return {**page, "Changes": changes}
            following = {"NextToken": page["NextToken"]}
    except ClientError as error:
        if error.response["Error"]["Code"].startswith("ChangeSetNotFound") or "does not exist" in str(error):
            return None
        raise


def _is_empty(change_set: Mapping[str, Any]) -> bool:
    return change_set["Status"] == "FAILED" and any(text in change_set.get("StatusReason", "") for text in NO_CHANGES)


def _forget(job: Job, stack: str, name: str) -> None:
    """Delete the change set of an earlier execution."""
    if _change_set(job, stack, name):
        job.client("cloudformation").delete_change_set(StackName=stack, ChangeSetName=name)
        while _change_set(job, stack, name):
            time.sleep(POLL_SECONDS)


def _wait_for_change_set(job: Job, stack: str, name: str) -> dict[str, Any]:
    while True:
        change_set = _change_set(job, stack, name)
        if change_set["Status"] in ("CREATE_COMPLETE", "FAILED"):
            return change_set
        time.sleep(POLL_SECONDS)


def _wait_for_stack(job: Job, stack_id: str) -> str:
    """The stack's status once nothing is in progress any more."""
    while True:
        status = job.client("cloudformation").describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            return status
        time.sleep(POLL_SECONDS)


def _events(job: Job, stack_id: str) -> list[dict[str, Any]]:
    """All events of a stack, the oldest first. Read as the account's root: what is printed here
    helps whoever debugs; it is no permission that the pipeline's role needs.
    """
    pages = _root(job, stack_id).get_paginator("describe_stack_events").paginate(StackName=stack_id)
    return [event for page in pages for event in page["StackEvents"]][::-1]


def _root(job: Job, stack_id: str) -> Any:
    """A client as the root of the stack's account."""
    return job.cloud.of(stack_id.split(":")[4]).client("cloudformation")


def _failures(job: Job, stack_id: str, since: datetime.datetime) -> list[str]:
    """The resources that failed since then, those of nested stacks last as the nearest to the cause."""
    own, nested = [], []
    for event in _events(job, stack_id):
        reason = event.get("ResourceStatusReason", "")
        if event["Timestamp"] < since or not event["ResourceStatus"].endswith("_FAILED") or "cancelled" in reason:
            continue
        own.append(
            f"{event['StackName']}: {event['LogicalResourceId']} ({event['ResourceType']}) "
            f"{event['ResourceStatus']}: {reason}"
        )
        if event["ResourceType"] == "AWS::CloudFormation::Stack" and event["PhysicalResourceId"] != stack_id:
            child = _nested(job, event)
            nested += _failures(job, child, since) if child else []
    return own + nested


def _nested(job: Job, event: Mapping[str, Any]) -> str | None:
    """The id of the nested stack that an event is about, by its generated name: the local cloud leaves
    the id out of the event of a failure.
    """
    pages = _root(job, event["StackId"]).get_paginator("list_stacks").paginate()
    named = [
        one
        for page in pages
        for one in page["StackSummaries"]
        if one["StackName"].startswith(f"{event['StackName']}-{event['LogicalResourceId']}-")
    ]
    return max(named, key=lambda one: one["CreationTime"])["StackId"] if named else None


def _store_outputs(job: Job, outputs: Mapping[str, str]) -> None:
    """OutputFileName: the stack's outputs as a JSON file in the output artifact."""
    if "OutputFileName" not in job.configuration:
        return
    (name,) = job.outputs
    file, archive = job.folder / "outputs.json", job.folder / "outputs.zip"
    file.write_text(json.dumps(outputs), encoding="utf-8")
    artifacts.pack([(file, job.configuration["OutputFileName"])], archive)
    job.store(name, archive)
