"""What `scripts/sluice doctor` looks at; each check finds what is wrong, and the command that mends it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from delivery import stack as stacks
from delivery import templates
from delivery.advice import AWS_ERRORS, advice
from delivery.subscriptions import subscriptions
from operations.deployment import Deployment, Resource
from operations.exits import RIGHTS, CommandError
from sluice.stacks import Stacks

_ALARMS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
_ALL_OF_IT = "The command brings its nested stack back to the template: whatever else was changed there by hand, too"
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
_POLL_SECONDS = 1
# A stack takes from seconds to a minute, and there are some fifteen.
_DRIFT_SECONDS = 900
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
_NAMES = 100


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: `check` is what was looked at, `mend` the command that mends it."""

    check: str
    what: str
    mend: str

    def as_dict(self) -> dict:
        return asdict(self)


Check = Callable[[Deployment], Iterator[Finding]]


def examine(deployment: Deployment, checks: dict[str, Check]) -> Iterator[Finding]:
    """What the checks find. One that cannot be made is a finding as well, and the others are made all the same."""
    for name, check in checks.items():
        try:
            yield from check(deployment)
        except (*AWS_ERRORS, CommandError) as error:
            yield Finding(
                name,
                f"could not be checked: {advice(error, RIGHTS)}",
                f"scripts/sluice doctor --stack {deployment.stack}",
            )


def pending_subscriptions(deployment: Deployment) -> Iterator[Finding]:
    """Addresses that were never confirmed are told nothing, and a topic of alarms that nobody hears is none."""
    sns = deployment.client("sns")
    for output in ("TopicArn", "AlertTopicArn"):
        topic = deployment.outputs[output]
        found = list(subscriptions(sns, topic))
        for one in found:
            if one.arn is None:
                yield Finding(
                    "subscriptions",
                    f"{one.endpoint} has not confirmed its subscription to {topic}: it is told nothing. If the message "
                    "with the link is lost, subscribe it again",
                    f"aws sns subscribe --topic-arn {topic} --protocol {one.protocol} --notification-endpoint "
                    f"{one.endpoint}",
                )
        if output == "AlertTopicArn" and not any(one.arn for one in found):
            yield Finding(
                "subscriptions",
                f"nobody is subscribed to the alarms ({topic}): they are raised unheard",
                f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint <address>",
            )


def dead_letters(deployment: Deployment) -> Iterator[Finding]:
    """Messages in queues that no function reads: whatever ends up there waits for somebody."""
    sqs = deployment.client("sqs")
    asked = ["QueueArn", "RedrivePolicy", *_COUNTS]
    queues = {
        queue: sqs.get_queue_attributes(QueueUrl=queue.name, AttributeNames=asked)["Attributes"]
        for queue in deployment.of_kind("AWS::SQS::Queue")
    }
    read = {mapping["EventSourceArn"] for mapping in _mappings(deployment).values() if mapping}
    policies = [json.loads(attributes.get("RedrivePolicy", "{}")) for attributes in queues.values()]
    targets = {policy.get("deadLetterTargetArn") for policy in policies}
    for queue, attributes in queues.items():
        arn, count = attributes["QueueArn"], sum(int(attributes[name]) for name in _COUNTS)
        if not count or arn in read:
            continue
        messages = f"{count} message{'s' if count > 1 else ''} in {queue.path}"
        if queue.name == deployment.outputs["DeadLetterQueueUrl"]:
            mend = f"scripts/sluice redrive --stack {deployment.stack}"
            messages += " (one that `redrive` leaves names no upload: look at it, then delete it)"
        elif arn in targets:
            mend = f"aws sqs start-message-move-task --source-arn {arn}"
        else:
            mend = f"aws sqs purge-queue --queue-url {queue.name}, once what they tell of is done"
        yield Finding(
            "dead letters",
            f"{messages}, which could not be processed. First remove the cause, which `scripts/sluice status --state "
            "FAILED` and `scripts/sluice logs` tell",
            mend,
        )


def mappings(deployment: Deployment) -> Iterator[Finding]:
    """Event source mappings that do not hand over anything."""
    for resource, mapping in _mappings(deployment).items():
        if mapping is None:
            yield Finding(
                "mappings",
                f"the event source mapping {resource.path} is gone: nothing is processed. {_ALL_OF_IT}",
                _restoring(deployment, resource),
            )
        elif mapping["State"] in ("Disabled", "Disabling"):
            yield Finding(
                "mappings",
                f"the event source mapping of {mapping['EventSourceArn']} is {mapping['State']}: nothing is processed",
                f"aws lambda update-event-source-mapping --enabled --uuid {mapping['UUID']}",
            )


def _mappings(deployment: Deployment) -> dict[Resource, dict | None]:
    """The event source mappings of the deployment; None is one that somebody has deleted."""
    functions, found = deployment.client("lambda"), {}
    for resource in deployment.of_kind("AWS::Lambda::EventSourceMapping"):
        try:
            found[resource] = functions.get_event_source_mapping(UUID=resource.name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            found[resource] = None
    return found


def alarms(deployment: Deployment) -> Iterator[Finding]:
    """Alarms that are gone, that tell nobody although their template says so, or that are raised."""
    expected = {resource.name: resource for kind in _ALARMS for resource in deployment.of_kind(kind)}
    found = _described(deployment.client("cloudwatch"), list(expected))
    acting = _acting(deployment)
    for name, resource in expected.items():
        alarm = found.get(name)
        title = f"the alarm {resource.path} ({name})"
        if alarm is None:
            what = f"{title} is gone: nobody is told of what it watched. {_ALL_OF_IT}"
            yield Finding("alarms", what, _restoring(deployment, resource))
            continue
        if resource.path in acting and not alarm["AlarmActions"]:
            what = f"{title} has no actions, though its template gives it some: it tells nobody. {_ALL_OF_IT}"
            yield Finding("alarms", what, _restoring(deployment, resource))
        if not alarm["ActionsEnabled"]:
            what = f"the actions of {title} are switched off: it tells nobody"
            yield Finding("alarms", what, f"aws cloudwatch enable-alarm-actions --alarm-names {name}")
        if alarm["StateValue"] == "ALARM":
            what = f"{title} is raised: {alarm.get('StateReason', 'no reason is given')}"
            yield Finding("alarms", what, f"docs/runbook.md, section {resource.logical_id}")


def _restoring(deployment: Deployment, resource: Resource) -> str:
    """Brings a resource that is gone or changed back, and with it all of its nested stack, to the template.

    By a change set that goes by what is really there:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
    """
    described = stacks.describe(deployment.client("cloudformation"), resource.stack)
    kept = "".join(f" ParameterKey={name},UsePreviousValue=true" for name in stacks.parameters_of(described))
    which = f"--stack-name {resource.stack} --change-set-name undo-drift"
    return (
        f"aws cloudformation create-change-set {which} --use-previous-template --deployment-mode REVERT_DRIFT"
        f"{kept and f' --parameters{kept}'} && aws cloudformation wait change-set-create-complete {which} && "
        f"aws cloudformation execute-change-set {which}"
    )


def _described(cloudwatch: Any, names: list[str]) -> dict[str, dict]:
    found = {}
    for start in range(0, len(names), _NAMES):
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNames=names[start : start + _NAMES], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        for page in pages:
            for alarm in (*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])):
                found[alarm["AlarmName"]] = alarm
    return found


def _acting(deployment: Deployment) -> set[str]:
    """Paths of the alarms that have actions by their templates; those of a release tell CodeDeploy alone."""
    cloudformation, acting = deployment.client("cloudformation"), set()
    resources = [resource for kind in _ALARMS for resource in deployment.of_kind(kind)]
    for stack in {resource.stack for resource in resources}:
        declared = templates.resources(cloudformation.get_template(StackName=stack)["TemplateBody"])
        for resource in resources:
            properties = declared.get(resource.logical_id, {}).get("Properties", {})
            if resource.stack == stack and "AlarmActions" in properties:
                acting.add(resource.path)
    return acting


def drift(deployment: Deployment) -> Iterator[Finding]:
    """What somebody has changed or deleted by hand, as the weekly check finds it."""
    tree = Stacks(deployment.client("cloudformation"), deployment.stack_id)
    deadline = time.monotonic() + _DRIFT_SECONDS
    for path, detection in tree.start().items():
        while (found := tree.finding(path, detection)) is None:
            if time.monotonic() > deadline:
                raise CommandError(f"CloudFormation has not come to the end of {path or deployment.stack} in time")
            time.sleep(_POLL_SECONDS)
        shown = f"aws cloudformation describe-stack-resource-drifts --stack-name {found.stack_id}"
        for one in found.drifted:
            yield Finding("drift", f"{one}: undo it, or say it in the templates and push", shown)
        if found.problem:
            yield Finding("drift", f"{path or 'the root stack'} could not be checked wholly: {found.problem}", shown)


CHECKS: dict[str, Check] = {
    "subscriptions": pending_subscriptions,
    "dead letters": dead_letters,
    "mappings": mappings,
    "alarms": alarms,
    "drift": drift,
}
