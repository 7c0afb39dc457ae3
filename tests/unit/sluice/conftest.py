"""What the unit tests of the function share."""

import json
import os
from pathlib import Path

import pytest
from moto import mock_aws

from support.deployment import Aws

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Aws()


@pytest.fixture
def event():
    """Reads an event file."""

    def read(name: str) -> dict:
        return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))

    return read
