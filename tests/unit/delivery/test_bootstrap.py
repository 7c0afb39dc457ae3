"""The pipeline's stack: created, updated, left alone, made anew, and what is left to do by hand."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from delivery import bootstrap
from delivery.bootstrap import BootstrapError, deploy_pipeline, steps_left

NAME = "sluice-pipeline-staging"
GIVEN = {"Repository": "example/sluice", "Branch": "main", "Environment": "staging"}
MAIL = "ops@example.org"
CONNECTION = "arn:aws:codeconnections:us-east-1:111122223333:connection/1234"
TOPICS = {"TopicArn": "arn:aws:sns:us-east-1:111122223333:uploads", "AlertTopicArn": "arn:aws:sns:us-east-1:1:alerts"}
PIPELINE_TOPIC = "arn:aws:sns:us-east-1:111122223333:pipeline-alerts"
TEMPLATE = {"Parameters": {**dict.fromkeys(GIVEN, {}), "AlertEmail": {"Default": ""}}}


def refusal(message: str, code: str = "ValidationError") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "AnyOperation")


class CloudFormation:
    """What bootstrap uses of CloudFormation, with stacks that have one resource.

    An operation takes time: each look at the events lets three more of them happen.
    """

    def __init__(self) -> None:
        self.stacks: dict[str, dict] = {}
        self.plans: dict[str, dict] = {}
        self.calls: list[str] = []
        self.breaks = ""
        self._events: list[dict] = []
        self._coming: list[dict] = []

    def add_stack(self, name: str, status: str, outputs: dict[str, str] | None = None) -> dict:
        found = [{"OutputKey": key, "OutputValue": value} for key, value in (outputs or {}).items()]
        stack_id = f"arn:aws:cloudformation:us-east-1:111122223333:stack/{name}/{len(self.stacks)}"
        self.stacks[name] = {"StackName": name, "StackId": stack_id, "StackStatus": status, "Outputs": found}
        return self.stacks[name] | {"Parameters": []}

    def get_template_summary(self, TemplateBody: str) -> dict:
        return {"Parameters": [{"ParameterKey": key} for key in json.loads(TemplateBody)["Parameters"]]}

    def describe_stacks(self, StackName: str) -> dict:
        for stack in self.stacks.values():
            if StackName in (stack["StackName"], stack["StackId"]) and stack["StackStatus"] != "DELETE_COMPLETE":
                return {"Stacks": [json.loads(json.dumps(stack))]}
        raise refusal(f"Stack with id {StackName} does not exist")

    def create_change_set(self, **plan: object) -> dict:
        name, template = plan["StackName"], json.loads(plan["TemplateBody"])
        exists = name in self.stacks and self.stacks[name]["StackStatus"] not in (
            "REVIEW_IN_PROGRESS",
            "DELETE_COMPLETE",
        )
        assert plan["ChangeSetType"] == ("UPDATE" if exists else "CREATE")
        assert plan["Capabilities"] == ["CAPABILITY_IAM"]
        stack = self.stacks[name] if exists else self.add_stack(name, "REVIEW_IN_PROGRESS")
        before = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])}
        values = {key: definition.get("Default") for key, definition in template["Parameters"].items()}
        for one in plan["Parameters"]:
            if one["ParameterKey"] not in values:
                raise refusal(f"Parameters: [{one['ParameterKey']}] do not exist in the template")
            previous = one.get("UsePreviousValue") and before[one["ParameterKey"]]
            values[one["ParameterKey"]] = one.get("ParameterValue", previous)
        if "/" not in values["Repository"]:
            raise refusal("Parameter Repository must be owner/name of a GitHub repository")
        is_new = values != before or template != stack.get("Template")
        self.plans[plan["ChangeSetName"]] = {"stack": name, "values": values, "template": template, "is_new": is_new}
        return {"Id": plan["ChangeSetName"]}

    def describe_change_set(self, ChangeSetName: str) -> dict:
        plan = self.plans[ChangeSetName]
        if not plan["is_new"]:
            reason = "The submitted information didn't contain changes. Submit different information."
            return {"Status": "FAILED", "StatusReason": reason}
        plan["looks"] = plan.get("looks", 0) + 1
        change = {
            "Action": "Modify",
            "Replacement": "True",
            "LogicalResourceId": "Bucket",
            "ResourceType": "AWS::S3::Bucket",
        }
        return {
            "Status": "CREATE_IN_PROGRESS" if plan["looks"] == 1 else plan["template"].get("Plan", "CREATE_COMPLETE"),
            "StatusReason": "bad template",
            "StackId": self.stacks[plan["stack"]]["StackId"],
            "Changes": [{"ResourceChange": change}],
        }

    def delete_change_set(self, ChangeSetName: str) -> None:
        del self.plans[ChangeSetName]

    def execute_change_set(self, ChangeSetName: str) -> None:
        plan = self.plans.pop(ChangeSetName)
        stack = self.stacks[plan["stack"]]
        doing = "CREATE" if stack["StackStatus"] == "REVIEW_IN_PROGRESS" else "UPDATE"
        self._happen(stack, f"{doing}_IN_PROGRESS")
        if self.breaks:
            rollback = "ROLLBACK" if doing == "CREATE" else "UPDATE_ROLLBACK"
            self._happen(stack, f"{doing}_FAILED", "Other", "Resource creation cancelled")
            self._happen(stack, f"{doing}_FAILED", "Bucket", self.breaks)
            self._happen(stack, f"{rollback}_IN_PROGRESS")
            self._happen(stack, f"{rollback}_COMPLETE")
            return
        stack["Template"] = plan["template"]
        stack["Parameters"] = [{"ParameterKey": key, "ParameterValue": one} for key, one in plan["values"].items()]
        stack["Outputs"] = [{"OutputKey": "Pipeline", "OutputValue": "p-1"}]
        self._happen(stack, f"{doing}_COMPLETE", "Bucket")
        self._happen(stack, f"{doing}_COMPLETE")

    def delete_stack(self, StackName: str) -> None:
        self.calls.append("delete_stack")
        stack = self.stacks[StackName]
        self._happen(stack, "DELETE_IN_PROGRESS")
        self._happen(stack, "DELETE_FAILED" if self.breaks else "DELETE_COMPLETE")

    def update_termination_protection(self, StackName: str, EnableTerminationProtection: bool) -> None:
        self.calls.append("update_termination_protection")
        self.stacks[StackName]["EnableTerminationProtection"] = EnableTerminationProtection

    def get_paginator(self, operation: str) -> "CloudFormation":
        assert operation == "describe_stack_events"
        return self

    def paginate(self, StackName: str) -> Iterator[dict]:
        for event in [self._coming.pop(0) for _ in self._coming[:3]]:
            self._events.insert(0, event)
            if event["PhysicalResourceId"] == event["StackId"]:
                stack = next(one for one in self.stacks.values() if one["StackId"] == event["StackId"])
                stack["StackStatus"] = event["ResourceStatus"]
        yield {"StackEvents": [event for event in self._events if event["StackId"] == StackName]}

    def _happen(self, stack: dict, status: str, resource: str = "", reason: str = "") -> None:
        self._coming.append(
            {
                "EventId": str(len(self._events) + len(self._coming)),
                "StackId": stack["StackId"],
                "PhysicalResourceId": resource.lower() or stack["StackId"],
                "LogicalResourceId": resource or stack["StackName"],
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }
        )


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.time, "sleep", lambda seconds: None)


@pytest.fixture
def cloudformation() -> CloudFormation:
    return CloudFormation()


@pytest.fixture
def deploy(cloudformation: CloudFormation, tmp_path: Path) -> Callable[..., dict[str, str]]:
    said: list[str] = []

    def deploy(template: dict = TEMPLATE, stack_name: str | None = None, **changed: str) -> dict[str, str]:
        path = tmp_path / "pipeline.yaml"
        path.write_text(json.dumps(template))
        return deploy_pipeline(cloudformation, GIVEN | changed, said.append, stack_name=stack_name, template=path)

    deploy.said = said
    return deploy


def values(cloudformation: CloudFormation) -> dict[str, str]:
    return {one["ParameterKey"]: one["ParameterValue"] for one in cloudformation.stacks[NAME]["Parameters"]}


def test_it_is_created_and_protected(cloudformation: CloudFormation, deploy: Callable) -> None:
    assert deploy() == {"Pipeline": "p-1"}
    assert values(cloudformation) == GIVEN | {"AlertEmail": ""}
    assert cloudformation.stacks[NAME]["EnableTerminationProtection"] is True
    assert deploy.said == [
        "modify (replace) Bucket, AWS::S3::Bucket",
        "  Bucket: CREATE_COMPLETE",
        f"{NAME} is CREATE_COMPLETE",
    ]


def test_nothing_is_done_where_nothing_changes(cloudformation: CloudFormation, deploy: Callable) -> None:
    deploy()
    del deploy.said[:], cloudformation.calls[:]
    assert deploy() == {"Pipeline": "p-1"}
    assert deploy.said == [f"{NAME} is up to date"]
    assert cloudformation.calls == [] and cloudformation.plans == {}


def test_an_update_keeps_what_is_not_given(cloudformation: CloudFormation, deploy: Callable) -> None:
    deploy(AlertEmail=MAIL)
    deploy(Branch="develop")
    assert values(cloudformation) == GIVEN | {"Branch": "develop", "AlertEmail": MAIL}
    deploy(AlertEmail="")
    assert values(cloudformation) == GIVEN | {"AlertEmail": ""}


def test_an_update_forgets_parameters_that_the_template_has_no_more(deploy: Callable) -> None:
    deploy({"Parameters": TEMPLATE["Parameters"] | {"Old": {"Default": "x"}}})
    deploy()


def test_a_failed_creation_is_told_with_its_cause(cloudformation: CloudFormation, deploy: Callable) -> None:
    cloudformation.breaks = "Access denied."
    with pytest.raises(BootstrapError) as told:
        deploy()
    assert str(told.value) == (
        f"{NAME} ended as ROLLBACK_COMPLETE. Bucket: CREATE_FAILED Access denied. Remove the cause, then run this again"
    )
    assert "EnableTerminationProtection" not in cloudformation.stacks[NAME]


def test_after_a_failed_creation_it_is_made_anew(cloudformation: CloudFormation, deploy: Callable) -> None:
    cloudformation.add_stack(NAME, "ROLLBACK_COMPLETE")
    assert deploy() == {"Pipeline": "p-1"}
    assert cloudformation.calls[0] == "delete_stack"
    assert deploy.said[0] == f"{NAME} was never created (ROLLBACK_COMPLETE): deleting what is left of it"


def test_what_is_left_of_a_failed_creation_may_not_be_deletable(
    cloudformation: CloudFormation, deploy: Callable
) -> None:
    cloudformation.add_stack(NAME, "ROLLBACK_COMPLETE")
    cloudformation.breaks = "in use"
    with pytest.raises(BootstrapError, match="DELETE_FAILED.*Delete it, then run this again"):
        deploy()


def test_a_failed_update_can_be_tried_again(cloudformation: CloudFormation, deploy: Callable) -> None:
    deploy()
    cloudformation.breaks = "limit exceeded"
    with pytest.raises(BootstrapError, match="UPDATE_ROLLBACK_COMPLETE. Bucket: UPDATE_FAILED limit exceeded"):
        deploy(Branch="develop")
    cloudformation.breaks = ""
    deploy(Branch="develop")
    assert values(cloudformation)["Branch"] == "develop"
    assert "delete_stack" not in cloudformation.calls


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("UPDATE_IN_PROGRESS", "wait until that is done"),
        ("UPDATE_ROLLBACK_FAILED", f"continue-update-rollback --stack-name {NAME}"),
        ("DELETE_FAILED", "delete the stack"),
    ],
)
def test_a_stack_in_between_is_left_alone(
    cloudformation: CloudFormation, deploy: Callable, status: str, advice: str
) -> None:
    cloudformation.add_stack(NAME, status)
    with pytest.raises(BootstrapError, match=advice):
        deploy()
    assert cloudformation.plans == {} and cloudformation.calls == []


def test_a_wrong_parameter_is_told_in_the_templates_own_words(deploy: Callable) -> None:
    with pytest.raises(BootstrapError, match="Repository must be owner/name of a GitHub repository"):
        deploy(Repository="sluice")


def test_a_plan_that_fails_is_told_and_removed(cloudformation: CloudFormation, deploy: Callable) -> None:
    with pytest.raises(BootstrapError, match="cannot plan this: bad template"):
        deploy(TEMPLATE | {"Plan": "FAILED"})
    assert cloudformation.plans == {}


def test_another_refusal_is_passed_on(cloudformation: CloudFormation, deploy: Callable) -> None:
    def refuse(**_: object) -> None:
        raise refusal("no", "AccessDenied")

    cloudformation.create_change_set = refuse
    with pytest.raises(ClientError):
        deploy()


@pytest.mark.parametrize(
    "name", ["sluice-staging", "sluice-production-pipeline", "sluice-staging-x", "no spaces", "-x", "a" * 20]
)
def test_some_names_are_refused(deploy: Callable, name: str) -> None:
    """The application's own, those that its CloudFormation role reaches, and those that expire nothing."""
    with pytest.raises(BootstrapError):
        deploy(stack_name=name)


def test_another_name_is_taken(cloudformation: CloudFormation, deploy: Callable) -> None:
    deploy(stack_name="delivery-sluice")
    assert list(cloudformation.stacks) == ["delivery-sluice"]


class Connections:
    def __init__(self, status: str) -> None:
        self._status = status

    def get_connection(self, ConnectionArn: str) -> dict:
        assert ConnectionArn == CONNECTION
        return {"Connection": {"ConnectionName": "sluice-staging", "ConnectionStatus": self._status}}


class Topics:
    """Each topic has two subscriptions for the address: one confirmed, one as given; and somebody else's."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def get_paginator(self, operation: str) -> "Topics":
        assert operation == "list_subscriptions_by_topic"
        return self

    def paginate(self, TopicArn: str) -> Iterator[dict]:
        yield {"Subscriptions": [{"Endpoint": "someone@else.org", "SubscriptionArn": "PendingConfirmation"}]}
        yield {"Subscriptions": [{"Endpoint": MAIL, "SubscriptionArn": self._arn}]}


def left(connection: str, mail: str, subscription: str | None) -> list[str]:
    cloudformation = CloudFormation()
    if subscription:
        cloudformation.add_stack("sluice-staging", "CREATE_COMPLETE", TOPICS)
    outputs = {
        "Pipeline": "p-1",
        "ConnectionArn": CONNECTION,
        "ApplicationStack": "sluice-staging",
        "AlertTopicArn": PIPELINE_TOPIC,
    }
    stack = cloudformation.add_stack(NAME, "CREATE_COMPLETE", outputs)
    stack["Parameters"] = [{"ParameterKey": "AlertEmail", "ParameterValue": mail}]
    clients = {
        "codeconnections": Connections(connection),
        "sns": Topics(subscription),
        "cloudformation": cloudformation,
    }
    return steps_left(clients.__getitem__, stack)


def test_a_pending_connection_is_to_be_authorised_and_the_pipeline_started() -> None:
    authorise, start = left("PENDING", "", None)
    assert "sluice-staging" in authorise and "settings/connections?region=us-east-1" in authorise
    assert "start-pipeline-execution --region us-east-1 --name p-1" in start


def test_the_mails_are_to_be_confirmed() -> None:
    [step] = left("AVAILABLE", MAIL, None)
    assert step.startswith("After the first deployment") and MAIL in step
    steps = left("AVAILABLE", MAIL, "PendingConfirmation")
    assert all(topic in step for topic, step in zip((*TOPICS.values(), PIPELINE_TOPIC), steps, strict=True))


def test_nothing_may_be_left_to_do() -> None:
    assert left("AVAILABLE", "", None) == []
    assert left("AVAILABLE", MAIL, "arn:aws:sns:us-east-1:111122223333:uploads:1") == []


ARGUMENTS = ["--repository", "example/sluice", "--branch", "main", "--environment", "staging"]


class Session:
    """A boto3 session of a fake account, in which the connection is pending."""

    cloudformation = CloudFormation()

    def __init__(self, region_name: str | None) -> None:
        self.region = region_name

    def client(self, service: str) -> object:
        return {
            "cloudformation": self.cloudformation,
            "codeconnections": Connections("PENDING"),
            "sns": Topics("arn:aws:sns:us-east-1:111122223333:confirmed:1"),
        }[service]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CloudFormation:
    monkeypatch.setattr(bootstrap.boto3, "Session", Session)
    Session.cloudformation = CloudFormation()
    outputs = {
        "Pipeline": "p-1",
        "CloudFormationRoleArn": "arn:aws:iam::1:role/r",
        "ConnectionArn": CONNECTION,
        "ApplicationStack": "sluice-staging",
        "AlertTopicArn": PIPELINE_TOPIC,
    }

    def deployed(cloudformation: CloudFormation, parameters: dict, say: Callable, *, stack_name: str) -> dict:
        stack = cloudformation.add_stack(stack_name, "CREATE_COMPLETE", outputs)
        found = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        cloudformation.stacks[stack_name] = stack | {"Parameters": found}
        say("deployed")
        return outputs

    monkeypatch.setattr(bootstrap, "deploy_pipeline", deployed)
    return Session.cloudformation


def test_the_command_tells_a_person(account: CloudFormation, capsys: pytest.CaptureFixture) -> None:
    bootstrap.main([*ARGUMENTS, "--alert-email", MAIL])
    printed = capsys.readouterr()
    assert printed.err == "bootstrap: deployed\n"
    lines = printed.out.splitlines()
    assert lines[0].split() == ["Pipeline", "p-1"]
    assert lines[1].split() == ["CloudFormationRoleArn", "arn:aws:iam::1:role/r"]
    assert lines[6] == "Left to do:" and lines[7].startswith("1. Authorise the connection")
    assert lines[9].startswith("3. After the first deployment")
    assert [one["ParameterKey"] for one in account.stacks[NAME]["Parameters"]] == [*GIVEN, "AlertEmail"]


def test_the_command_tells_a_program(account: CloudFormation, capsys: pytest.CaptureFixture) -> None:
    bootstrap.main([*ARGUMENTS, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["stack"] == NAME and told["outputs"]["Pipeline"] == "p-1" and len(told["left_to_do"]) == 2


KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.mark.parametrize(
    ("environment", "arguments", "advice"),
    [
        ({}, ["--region", "us-east-1"], "no AWS credentials: .*aws configure"),
        ({"AWS_PROFILE": "absent"}, ["--region", "us-east-1"], "no AWS credentials: .*absent.*AWS_PROFILE"),
        (KEYS, [], "no AWS region is configured: give --region"),
        (
            KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
            ["--region", "us-east-1"],
            "cannot reach AWS: .*AWS_ENDPOINT_URL",
        ),
        (
            KEYS,
            ["--region", "us-east-1", "--stack-name", "sluice-staging"],
            ".*name the pipeline's like sluice-pipeline-",
        ),
    ],
)
def test_the_command_says_what_to_do_next(
    monkeypatch: pytest.MonkeyPatch, environment: dict, arguments: list[str], advice: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=f"^bootstrap: {advice}"):
        bootstrap.main([*ARGUMENTS, *arguments])


@pytest.mark.parametrize(
    ("code", "advice"),
    [("AccessDenied", "Use credentials that may"), ("ExpiredToken", "Renew them"), ("Other", "Other")],
)
def test_a_refusal_says_what_to_do_next(
    account: CloudFormation, monkeypatch: pytest.MonkeyPatch, code: str, advice: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise refusal("no", code)

    monkeypatch.setattr(bootstrap, "deploy_pipeline", refuse)
    with pytest.raises(SystemExit, match=advice):
        bootstrap.main(ARGUMENTS)


def test_production_takes_what_the_staging_pipeline_of_the_account_has_tested(account: CloudFormation) -> None:
    account.add_stack("sluice-pipeline-staging", "CREATE_COMPLETE", {"ArtifactBucket": "tested-here"})
    production = [*ARGUMENTS, "--environment", "production", "--json"]
    bootstrap.main(production)
    name = "sluice-pipeline-production"

    def tested_bucket() -> list[str]:
        parameters = account.stacks[name]["Parameters"]
        return [one["ParameterValue"] for one in parameters if one["ParameterKey"] == "TestedBucket"]

    assert tested_bucket() == ["tested-here"]
    bootstrap.main([*production, "--tested-bucket", "elsewhere"])
    assert tested_bucket() == ["elsewhere"]
    bootstrap.main(production)
    assert tested_bucket() == [], "as before"
