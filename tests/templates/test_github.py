"""Who may assume the role that pull requests plan by: those of one repository, by GitHub's tokens."""

import json

import pytest

from templates.cfn import ACCOUNT, github, load
from templates.decisions import trusts

NAMED, IMMUTABLE = "repo:example/sluice:pull_request", "repo:example@123456/sluice@456789:pull_request"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"

STACKS = {subject: github(subject) for subject in (NAMED, IMMUTABLE)}
each_subject = pytest.mark.parametrize("subject", STACKS)


def trust(subject: str) -> dict:
    return STACKS[subject].properties("Planner")["AssumeRolePolicyDocument"]


@each_subject
def test_pull_requests_of_the_repository_are_let_in(subject: str) -> None:
    assert trusts(trust(subject), PROVIDER, {"aud": AUDIENCE, "sub": subject})


@each_subject
@pytest.mark.parametrize(
    "other",
    [
        "repo:example/sluice:ref:refs/heads/main",
        "repo:example/sluice:environment:staging",
        "repo:example/sluice-2:pull_request",
        "repo:someone/sluice:pull_request",
        "repo:example@123456/sluice@456789:ref:refs/heads/main",
        "repo:example@123456/sluice@1:pull_request",  # the repository deleted, and its name taken again
        "repo:example@1/sluice@456789:pull_request",
        "repo:EXAMPLE/sluice:pull_request",
        "",
    ],
)
def test_no_other_subject_is(subject: str, other: str) -> None:
    assert not trusts(trust(subject), PROVIDER, {"aud": AUDIENCE, "sub": other})


def test_neither_form_stands_for_the_other() -> None:
    assert not trusts(trust(NAMED), PROVIDER, {"aud": AUDIENCE, "sub": IMMUTABLE})
    assert not trusts(trust(IMMUTABLE), PROVIDER, {"aud": AUDIENCE, "sub": NAMED})


@each_subject
def test_a_token_for_somebody_else_is_not(subject: str) -> None:
    for audience in ("https://github.com/example", "sts.amazonaws.com.example.org", "*", ""):
        assert not trusts(trust(subject), PROVIDER, {"aud": audience, "sub": subject})
    assert not trusts(trust(subject), PROVIDER, {"sub": subject})
    assert not trusts(trust(subject), PROVIDER, {"aud": AUDIENCE})


@each_subject
def test_another_provider_is_not(subject: str) -> None:
    for host in ("gitlab.com", "token.actions.githubusercontent.com/example"):
        other = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"
        assert not trusts(trust(subject), other, {"aud": AUDIENCE, "sub": subject})


@each_subject
def test_the_subject_is_compared_as_it_is(subject: str) -> None:
    [statement] = trust(subject)["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": AUDIENCE,
            "token.actions.githubusercontent.com:sub": subject,
        }
    }
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"


@pytest.mark.parametrize(
    "subject",
    [
        "repo:example/*:pull_request",
        "repo:example/sluice:*",
        "repo:*/sluice:pull_request",
        "repo:example/sluice:ref:refs/heads/main",
        "repo:example@123456/sluice:pull_request",
        "repo:example/sluice@456789:pull_request",
        "repo:example@x/sluice@y:pull_request",
        "repo:exam?le/sluice:pull_request",
        "repo:example/sluice:pull_request\n",
        "",
    ],
)
def test_a_subject_of_another_form_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="Subject"):
        github(subject)


def test_a_provider_is_made_unless_there_is_one() -> None:
    """An account can have but one for the same address."""
    made = github(NAMED)
    assert made.properties("Provider") == {
        "Url": "https://token.actions.githubusercontent.com",
        "ClientIdList": [AUDIENCE],
    }
    found = github(NAMED, PROVIDER)
    assert list(found.resources) == ["Planner"]
    for stack in (made, found):
        [statement] = stack.properties("Planner")["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Federated": PROVIDER}


def test_one_role_is_made_and_no_key() -> None:
    kinds = sorted(resource["Type"] for resource in load("github-oidc")["Resources"].values())
    assert kinds == ["AWS::IAM::OIDCProvider", "AWS::IAM::Role"]
    assert "ManagedPolicyArns" not in json.dumps(load("github-oidc"))
