"""Which deployment a command is about."""

import pytest

from operations import deployment
from operations.deployment import find

ROOT_OUTPUTS = [{"OutputKey": key, "OutputValue": "x"} for key in ("UploadsBucket", "LedgerTable", "IntakeQueueUrl")]


def test_the_only_deployment_is_the_one_that_is_meant(sluice, stacks):
    stacks.nested = {"sluice-staging-Queue": {}}
    stacks.others = [{"StackName": "somebody-else", "StackId": "x", "Outputs": ROOT_OUTPUTS[:1]}]

    assert find().stack == "sluice-staging"
    assert sluice("status", "--json").document == {"uploads": []}


@pytest.mark.parametrize(("set_to", "region"), [("eu-west-1", "eu-west-1"), ("", "us-east-1"), (None, "us-east-1")])
def test_the_region_is_that_of_aws_s_other_tools(monkeypatch, set_to, region):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_REGION", raising=False)
    if set_to is not None:
        monkeypatch.setenv("AWS_REGION", set_to)

    assert deployment.clients()("sqs").meta.region_name == region


def test_of_several_one_must_be_named_and_they_are_listed(sluice, stacks):
    stacks.others = [{"StackName": "sluice-production", "StackId": "x", "Outputs": ROOT_OUTPUTS}]

    err = sluice("status", code=2).err

    assert "sluice-production, sluice-staging: choose one with --environment or --stack" in err
    assert find("production").stack == find(None, "sluice-production").stack == "sluice-production"


def test_none_is_an_error_that_says_where_to_look(sluice, stacks):
    stacks.outputs = {}

    assert "no deployment of Sluice in this account and region: check AWS_PROFILE" in sluice("status", code=1).err


def test_a_stack_that_is_not_there_or_is_something_else_is_an_error(sluice, stacks):
    stacks.others = [{"StackName": "other", "StackId": "x", "StackStatus": "CREATE_COMPLETE", "Outputs": []}]

    assert "there is no stack no-such; the deployments here are sluice-staging" in sluice(
        "redrive", "--stack", "no-such", code=1
    ).err
    assert "other (CREATE_COMPLETE) is no deployment of Sluice" in sluice("redrive", "--stack", "other", code=1).err


def test_resources_are_those_of_the_nested_stacks_as_well(stacks):
    stacks.nested = {"Queue": {"Intake": ("AWS::SQS::Queue", "url")}, "Logs": {"Process": ("AWS::Logs::LogGroup", "g")}}

    [queue] = find().of_kind("AWS::SQS::Queue")

    assert (queue.path, queue.logical_id, queue.name, queue.stack) == ("Queue/Intake", "Intake", "url", "Queue")


@pytest.mark.parametrize("command", ["status", "redrive", "doctor", "watch"])
def test_environment_and_stack_exclude_each_other(sluice, command):
    assert "not both" in sluice(command, "--environment", "staging", "--stack", "sluice-staging", code=2).err
