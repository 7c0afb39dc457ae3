"""A stack: created, updated, left alone, made anew."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from delivery import stack
from delivery.stack import StackError
from support.cloudformation import CloudFormation, refusal

NAME = "sluice-pipeline-staging"
GIVEN = {"Repository": "example/sluice", "Branch": "main", "Environment": "staging"}
MAIL = "ops@example.org"
TEMPLATE = {"Parameters": {**dict.fromkeys(GIVEN, {}), "AlertEmail": {"Default": ""}}, "Outputs": {"Pipeline": "p-1"}}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack.time, "sleep", lambda seconds: None)


@pytest.fixture
def cloudformation() -> CloudFormation:
    return CloudFormation()


@pytest.fixture
def deploy(cloudformation: CloudFormation, tmp_path: Path) -> Callable[..., dict[str, str]]:
    said: list[str] = []

    def deploy(template: dict = TEMPLATE, **changed: str) -> dict[str, str]:
        path = tmp_path / "pipeline.yaml"
        path.write_text(json.dumps(template))
        return stack.deploy(cloudformation, NAME, path, GIVEN | changed, said.append)

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
    with pytest.raises(StackError) as told:
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
    with pytest.raises(StackError, match="DELETE_FAILED.*Delete it, then run this again"):
        deploy()


def test_a_failed_update_can_be_tried_again(cloudformation: CloudFormation, deploy: Callable) -> None:
    deploy()
    cloudformation.breaks = "limit exceeded"
    with pytest.raises(StackError, match="UPDATE_ROLLBACK_COMPLETE. Bucket: UPDATE_FAILED limit exceeded"):
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
    with pytest.raises(StackError, match=advice):
        deploy()
    assert cloudformation.plans == {} and cloudformation.calls == []


def test_a_wrong_parameter_is_told_in_the_templates_own_words(deploy: Callable) -> None:
    with pytest.raises(StackError, match="Repository must be owner/name of a GitHub repository"):
        deploy(Repository="sluice")


def test_a_plan_that_fails_is_told_and_removed(cloudformation: CloudFormation, deploy: Callable) -> None:
    with pytest.raises(StackError, match="cannot plan this: bad template"):
        deploy(TEMPLATE | {"Plan": "FAILED"})
    assert cloudformation.plans == {}


def test_another_refusal_is_passed_on(cloudformation: CloudFormation, deploy: Callable) -> None:
    def refuse(**_: object) -> None:
        raise refusal("no", "AccessDenied")

    cloudformation.create_change_set = refuse
    with pytest.raises(ClientError):
        deploy()
