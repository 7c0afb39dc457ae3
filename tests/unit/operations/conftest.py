"""A deployment in moto for `scripts/sluice`. Its stacks are a fake: moto's CloudFormation needs packages that clash."""

import functools
import json
import time
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from operations import deadletters, deployment
from operations.cli import app
from sluice.upload import Outcome, Upload
from support.deployment import mocked

ROOT = "sluice-staging"
# Made once: making one takes longer than most tests.
_client = functools.cache(boto3.client)
_STACK = "AWS::CloudFormation::Stack"


@dataclass
class Stacks:
    """What boto3's client of CloudFormation does, for the stack `sluice-staging` and those in it.

    `nested` are the nested stacks' resources by logical id: (type, physical id). `drifted` are drifts by stack,
    `parameters` those of the nested stacks.
    """

    outputs: dict[str, str]
    nested: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    drifted: dict[str, list[dict]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    others: list[dict] = field(default_factory=list)
    undetectable: str = ""

    @property
    def stacks(self) -> dict[str, dict]:
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()]
        of_nested = {"RootId": ROOT, "Outputs": outputs, "Parameters": parameters}
        nested = [{"StackName": name, "StackId": name, **of_nested} for name in self.nested]
        root = {"StackName": ROOT, "StackId": ROOT, "StackStatus": "UPDATE_COMPLETE", "Outputs": outputs}
        return {one["StackName"]: one for one in [root, *nested, *self.others]}

    def describe_stacks(self, StackName: str) -> dict:
        if StackName not in self.stacks:
            error = {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}
            raise ClientError({"Error": error}, "DescribeStacks")
        return {"Stacks": [self.stacks[StackName]]}

    def get_paginator(self, operation: str) -> "_Pages":
        return _Pages(self, operation)

    def describe_stack_resources(self, StackName: str) -> dict:
        return {"StackResources": self._resources(StackName)}

    def get_template(self, StackName: str) -> dict:
        return {"TemplateBody": self.templates[StackName]}

    def detect_stack_drift(self, StackName: str) -> dict:
        if self.undetectable:
            error = {"Code": "ValidationError", "Message": self.undetectable}
            raise ClientError({"Error": error}, "DetectStackDrift")
        return {"StackDriftDetectionId": StackName}

    def describe_stack_drift_detection_status(self, StackDriftDetectionId: str) -> dict:
        return {"DetectionStatus": "DETECTION_COMPLETE", "StackId": StackDriftDetectionId}

    def describe_stack_resource_drifts(self, StackName: str, **_: Any) -> dict:
        return {"StackResourceDrifts": self.drifted.get(StackName, [])}

    def _resources(self, stack: str) -> list[dict]:
        found = {name: (_STACK, name) for name in self.nested} if stack == ROOT else self.nested[stack]
        return [
            {
                "LogicalResourceId": logical,
                "ResourceType": kind,
                "PhysicalResourceId": name,
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for logical, (kind, name) in found.items()
        ]


@dataclass
class _Pages:
    stacks: Stacks
    operation: str

    def paginate(self, StackName: str = "") -> list[dict]:
        """One item a page."""
        if self.operation == "describe_stacks":
            return [{"Stacks": [stack]} for stack in self.stacks.stacks.values()]
        assert self.operation == "list_stack_resources"
        return [{"StackResourceSummaries": [resource]} for resource in self.stacks._resources(StackName)]


@dataclass(frozen=True)
class Answer:
    """What a command has printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def aws(monkeypatch):
    # moto knows at once that a queue is empty.
    monkeypatch.setattr(deadletters, "_WAIT_SECONDS", 0)
    with mocked(monkeypatch) as aws:
        aws.clock.now = float(int(time.time()) - 1800)
        yield aws


@pytest.fixture
def end(aws):
    """Writes an upload that has ended into the ledger; the clock then goes on by a second."""

    def write(key: str, version: str = "1", state: str = "SUCCEEDED", dataset: str | None = "people", **more) -> Upload:
        upload = Upload("uploads", key, version, 1, more.pop("sequencer", "0A"))
        claim = aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
        aws.ledger.finish(upload, claim.attempt, Outcome(state, f"because {state}", dataset, **more))
        aws.clock.now += 1
        return upload

    return write


@pytest.fixture
def begin(aws):
    """Writes an upload that is at work into the ledger; with an error, its attempt has died of it."""

    def write(key: str, error: str = "") -> Upload:
        upload = Upload("uploads", key, "1", 1, "0A")
        claim = aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
        if error:
            aws.ledger.release(upload, claim.attempt, error)
        aws.clock.now += 1
        return upload

    return write


@pytest.fixture
def stacks(aws, monkeypatch) -> Stacks:
    """The stacks of the deployment in moto."""
    fake = Stacks(
        {
            "UploadsBucket": "uploads",
            "ResultsBucket": "results",
            "LedgerTable": "ledger",
            "IntakeQueueUrl": aws.queue,
            "DeadLetterQueueUrl": aws.dead_letters,
            "TopicArn": aws.topic,
            "AlertTopicArn": aws.sns.create_topic(Name="alerts")["TopicArn"],
        }
    )
    monkeypatch.setattr(
        deployment, "clients", lambda: lambda service: fake if service == "cloudformation" else _client(service)
    )
    return fake


@pytest.fixture
def sluice(stacks):
    """Runs a command of `scripts/sluice` on the deployment."""

    def run(*arguments: object, code: int = 0) -> Answer:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="scripts/sluice")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        answer = Answer(result.exit_code, result.stdout, result.stderr)
        assert answer.code == code, answer
        return answer

    return run
