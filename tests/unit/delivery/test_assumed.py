"""Work as another role: whose credentials a session has."""

import boto3
import pytest
from moto import mock_aws

from delivery import assumed


def test_a_session_acts_as_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        session = assumed.session("arn:aws:iam::444455556666:role/planner")
        acting = session.client("sts").get_caller_identity()
        assert acting["Arn"].startswith("arn:aws:sts::444455556666:assumed-role/planner/")
        # Those of this process stay as they are.
        assert ":assumed-role/" not in boto3.client("sts").get_caller_identity()["Arn"]
