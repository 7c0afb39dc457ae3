"""A pipeline's stacks, in one account or two, and what is left to do by hand."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from delivery import bootstrap
from delivery.bootstrap import deploy_pipeline, steps_left, update
from delivery.stack import StackError
from support.cloudformation import CloudFormation, refusal

NAME, TARGET = "sluice-pipeline-staging", "sluice-target-staging"
BOUNDARY = "sluice-target-staging-boundary"
GIVEN = {"Repository": "example/sluice", "Branch": "main", "Environment": "staging"}
MAIL = "ops@example.org"
OWN, OTHER = "111122223333", "444455556666"
CONNECTION = "arn:aws:codeconnections:us-east-1:111122223333:connection/1234"
TOPICS = {"TopicArn": "arn:aws:sns:us-east-1:111122223333:uploads", "AlertTopicArn": "arn:aws:sns:us-east-1:1:alerts"}
PIPELINE_TOPIC = "arn:aws:sns:us-east-1:111122223333:pipeline-alerts"


class Account:
    """A fake account."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.cloudformation = CloudFormation()

    def __call__(self, service: str) -> object:
        return {"cloudformation": self.cloudformation, "sts": self}[service]

    def get_caller_identity(self) -> dict:
        return {"Account": self.number}

    def parameters(self, name: str) -> dict[str, str]:
        found = self.cloudformation.stacks[name]["Parameters"]
        return {one["ParameterKey"]: one["ParameterValue"] for one in found}


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Gives the stacks templates: what is put out of the account of the roles and the version of the pipeline."""
    monkeypatch.setattr("delivery.stack.time.sleep", lambda seconds: None)

    def write(account: str, version: str = "1") -> None:
        role = f"arn:aws:iam::{account}:role/r"
        templates = {
            "PIPELINE": {
                "Parameters": dict.fromkeys([*GIVEN, "PermissionsBoundaryArn", "CloudFormationRoleArn"], {}),
                "Outputs": {"PipelineVersion": version},
            },
            "BOUNDARY": {
                "Parameters": {"Environment": {}},
                "Outputs": {"PermissionsBoundaryArn": f"arn:aws:iam::{account}:policy/b"},
            },
            "TARGET": {
                "Parameters": dict.fromkeys(
                    ["Environment", "PipelineAccount", "PipelineStack", "PermissionsBoundaryArn"], {}
                ),
                "Outputs": {"CloudFormationRoleArn": role},
            },
        }
        for name, template in templates.items():
            (tmp_path / name).write_text(json.dumps(template))
            monkeypatch.setattr(bootstrap, name, tmp_path / name)

    return write


def silent(_: str) -> None:
    pass


@pytest.mark.parametrize(("client", "target"), [(Account(OWN),) * 2, (Account(OWN), Account(OTHER))])
def test_the_target_knows_the_pipeline_and_the_pipeline_its_roles(
    write: Callable, client: Account, target: Account
) -> None:
    write(target.number)
    deploy_pipeline(client, target, GIVEN, silent)
    known = {"Environment": "staging", "PipelineAccount": OWN, "PipelineStack": NAME}
    boundary = {"PermissionsBoundaryArn": f"arn:aws:iam::{target.number}:policy/b"}
    assert target.parameters(BOUNDARY) == {"Environment": "staging"}
    assert target.parameters(TARGET) == known | boundary
    roles = {"CloudFormationRoleArn": f"arn:aws:iam::{target.number}:role/r"}
    assert client.parameters(NAME) == GIVEN | boundary | roles
    assert {*client.cloudformation.stacks, *target.cloudformation.stacks} == {NAME, TARGET, BOUNDARY}
    assert all(
        stack["EnableTerminationProtection"]
        for account in (client, target)
        for stack in account.cloudformation.stacks.values()
    )


def test_a_pipeline_stays_with_its_account(write: Callable) -> None:
    client, target = Account(OWN), Account(OTHER)
    write(OTHER)
    deploy_pipeline(client, target, GIVEN, silent)
    with pytest.raises(StackError, match=f"into the account {OTHER}: name a profile of it by --target-profile"):
        deploy_pipeline(client, client, GIVEN, silent)
    assert list(client.cloudformation.stacks) == [NAME]
    deploy_pipeline(client, target, GIVEN, silent)


def test_an_update_keeps_the_parameters_and_ends_where_the_stages_have_changed(write: Callable) -> None:
    account, said = Account(OWN), []
    write(OWN)
    deploy_pipeline(account, account, GIVEN, silent)
    update(account, account, {"Environment": "staging"}, said.append, stack_name=NAME)
    assert said == [f"{name} is up to date" for name in (BOUNDARY, TARGET, NAME)]
    write(OWN, "2")
    with pytest.raises(StackError, match="starts again with the new ones"):
        update(account, account, {"Environment": "staging"}, silent, stack_name=NAME)
    assert account.parameters(NAME).items() >= GIVEN.items()
    update(account, account, {"Environment": "staging"}, silent, stack_name=NAME)


@pytest.mark.parametrize("name", [NAME, TARGET, BOUNDARY])
def test_an_update_waits_for_the_one_that_has_started_it(
    write: Callable, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    account, said = Account(OWN), []
    write(OWN)
    deploy_pipeline(account, account, GIVEN, silent)
    found = account.cloudformation.stacks[name]
    found["StackStatus"] = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    monkeypatch.setattr("delivery.stack.time.sleep", lambda seconds: found.update(StackStatus="UPDATE_COMPLETE"))
    update(account, account, {"Environment": "staging"}, said.append, stack_name=NAME)
    assert said[0] == f"waiting: {name} is UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"


def test_an_update_makes_no_pipeline(write: Callable) -> None:
    write(OWN)
    account = Account(OWN)
    with pytest.raises(StackError, match=f"there is no stack {NAME} to update"):
        update(account, account, {"Environment": "staging"}, silent, stack_name=NAME)
    assert not account.cloudformation.stacks


@pytest.mark.parametrize(
    "name",
    ["sluice-staging", "sluice-production-pipeline", "sluice-staging-x", "sluice-target-staging", "no spaces", "-x",
     "Pipeline", "a" * 20, "a-" * 18 + "a"],
)  # fmt: skip
def test_some_names_are_refused(write: Callable, name: str) -> None:
    """Of other stacks, within reach of CloudFormation's role, that expire nothing, that roles' names would cut."""
    write(OWN)
    account = Account(OWN)
    with pytest.raises(StackError):
        deploy_pipeline(account, account, GIVEN, silent, stack_name=name)
    assert not account.cloudformation.stacks


def test_another_name_is_taken(write: Callable) -> None:
    write(OWN)
    account = Account(OWN)
    deploy_pipeline(account, account, GIVEN, silent, stack_name="delivery-sluice")
    assert list(account.cloudformation.stacks) == [BOUNDARY, TARGET, "delivery-sluice"]
    assert account.parameters(TARGET)["PipelineStack"] == "delivery-sluice"


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
        mail = {"Protocol": "email"}
        yield {"Subscriptions": [{**mail, "Endpoint": "someone@else.org", "SubscriptionArn": "PendingConfirmation"}]}
        yield {"Subscriptions": [{**mail, "Endpoint": MAIL, "SubscriptionArn": self._arn}]}


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
        "sns": Topics(subscription or "Deleted"),
        "cloudformation": cloudformation,
    }
    return steps_left(clients.__getitem__, clients.__getitem__, stack)


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

    def __init__(self, region_name: str | None, profile_name: str = "") -> None:
        self.region_name = region_name
        self.profile = profile_name

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

    def deployed(client: Callable, target: Callable, parameters: dict, say: Callable, *, stack_name: str) -> dict:
        cloudformation = client("cloudformation")
        profile, region = target.__self__.profile, target.__self__.region_name
        say(f"into the profile {profile or '-'}, region {region or '-'}")
        stack = cloudformation.add_stack(stack_name, "CREATE_COMPLETE", outputs)
        found = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        cloudformation.stacks[stack_name] = stack | {"Parameters": found}
        return outputs

    monkeypatch.setattr(bootstrap, "deploy_pipeline", deployed)
    return Session.cloudformation


def test_the_command_tells_a_person(account: CloudFormation, capsys: pytest.CaptureFixture) -> None:
    bootstrap.main([*ARGUMENTS, "--alert-email", MAIL])
    printed = capsys.readouterr()
    assert printed.err == "bootstrap: into the profile -, region -\n"
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


def test_the_command_takes_another_profile_for_the_target(
    account: CloudFormation, capsys: pytest.CaptureFixture
) -> None:
    bootstrap.main([*ARGUMENTS, "--target-profile", "other", "--region", "eu-west-1"])
    assert capsys.readouterr().err == "bootstrap: into the profile other, region eu-west-1\n"


def test_the_pipeline_updates_itself_as_the_role_that_it_is_given(
    account: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    monkeypatch.setattr(bootstrap.assumed, "session", lambda arn: Session("us-east-1", arn))
    monkeypatch.setattr(bootstrap, "update", lambda *given, **named: taken.append((given[1].__self__.profile, named)))
    bootstrap.main(["--update", "--environment", "staging", "--assume-role", "arn:x", "--stack-name", "own-name"])
    assert taken == [("arn:x", {"stack_name": "own-name"})]
    assert not account.stacks


@pytest.mark.parametrize("arguments", [ARGUMENTS[2:], [*ARGUMENTS[:2], *ARGUMENTS[4:]]])
def test_a_new_pipeline_needs_repository_and_branch(account: CloudFormation, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        bootstrap.main(arguments)
    assert not account.stacks


KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.mark.parametrize(
    ("environment", "arguments", "advice"),
    [
        ({}, ["--region", "us-east-1"], "no AWS credentials: .*aws configure"),
        ({"AWS_PROFILE": "absent"}, ["--region", "us-east-1"], "no AWS credentials: .*absent.*AWS_PROFILE"),
        (KEYS, [], "no AWS region is configured: set AWS_REGION"),
        (
            KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
            ["--region", "us-east-1"],
            "cannot reach AWS: .*AWS_ENDPOINT_URL",
        ),
        (
            KEYS,
            ["--region", "us-east-1", "--stack-name", "sluice-staging"],
            ".*name the pipeline's stack like sluice-pipeline-",
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
