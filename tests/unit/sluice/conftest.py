"""What the unit tests of the function share."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from botocore.endpoint import Endpoint

from support.deployment import mocked

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch):
    with mocked(monkeypatch) as aws:
        yield aws


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Imports a handler's module anew, with more environment variables."""

    def anew(name: str, **environment: str) -> ModuleType:
        for key, value in {"POWERTOOLS_SERVICE_NAME": name, **environment}.items():
            monkeypatch.setenv(key, value)
        sys.modules.pop(f"sluice.handlers.{name}", None)
        return importlib.import_module(f"sluice.handlers.{name}")

    return anew


@pytest.fixture
def event():
    """Reads an event file."""

    def read(name: str) -> dict:
        return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))

    return read


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that are asked of AWS, each time that a request is sent."""
    sent: list[str] = []
    send = Endpoint._send_request

    def record(endpoint, request, operation):
        sent.append(operation.name)
        return send(endpoint, request, operation)

    monkeypatch.setattr(Endpoint, "_send_request", record)
    return sent
