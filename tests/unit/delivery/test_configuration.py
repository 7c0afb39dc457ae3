"""What an environment's configuration may hold."""

import json
from pathlib import Path

import pytest

from delivery.configuration import ALLOW_ALL, ConfigurationError, read

DENY = {**ALLOW_ALL, "Effect": "Deny", "Resource": ["LogicalResourceId/Buckets"]}


def configured(tmp_path: Path, **settings: object) -> dict:
    path = tmp_path / "staging.json"
    path.write_text(json.dumps({"Parameters": {"Environment": "staging"}, **settings}))
    return read(path)


def test_a_stack_policy_is_taken_as_it_is(tmp_path: Path) -> None:
    policy = {"Statement": [DENY, ALLOW_ALL]}
    assert configured(tmp_path, StackPolicy=policy) == {
        "Parameters": {"Environment": "staging"},
        "Tags": {},
        "StackPolicy": policy,
    }


def test_without_a_policy_everything_is_allowed(tmp_path: Path) -> None:
    """So that one that is taken out of the file is no longer in force."""
    assert configured(tmp_path)["StackPolicy"] == {"Statement": [ALLOW_ALL]}


def test_what_would_not_be_honoured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="staging.json: Outputs is not understood; only Parameters, "):
        configured(tmp_path, Outputs={})


@pytest.mark.parametrize(
    "policy",
    [
        "{}",
        {},
        {"Statement": ALLOW_ALL},
        {"Statement": ["*"]},
        {"Statement": [{**ALLOW_ALL, "Effect": "allow"}]},
        {"Statement": [{**ALLOW_ALL, "Principal": {"AWS": "*"}}]},
        {"Statement": [{key: value for key, value in ALLOW_ALL.items() if key != "Action"}]},
        {"Statement": [{**ALLOW_ALL, "NotResource": "*"}]},
        {"Statement": [ALLOW_ALL], "Version": "2012-10-17"},
    ],
)
def test_a_policy_that_cloudformation_would_refuse_is_refused_with_its_form(tmp_path: Path, policy: object) -> None:
    with pytest.raises(ConfigurationError, match="staging.json: write StackPolicy as an object with nothing but State"):
        configured(tmp_path, StackPolicy=policy)


@pytest.mark.parametrize("statements", [[], [DENY]])
def test_a_policy_that_allows_nothing_is_refused(tmp_path: Path, statements: list[dict]) -> None:
    with pytest.raises(ConfigurationError, match="would refuse every release, .*: add {"):
        configured(tmp_path, StackPolicy={"Statement": statements})
