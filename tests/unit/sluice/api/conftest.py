"""The query function, asked as API Gateway asks it; every answer is compared with its description."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

import sluice.clients
import sluice.windows
from local.invocation import Context
from support.api import TABLES, Answer, answered
from support.description import check
from support.http import NOW, request
from support.temperatures import FakeWindows

# Clients are made once: making one takes longer than most tests.
_client = functools.cache(sluice.clients.make_quick_client)
_signer = functools.cache(sluice.clients.make_signer)


@pytest.fixture
def windows() -> FakeWindows:
    """The windows; a test that needs readings makes its own of the name."""
    return FakeWindows()


@pytest.fixture
def ask(aws, load, monkeypatch, windows) -> Callable[..., Answer]:
    """Asks a deployment that has everything, or what is named, at the time NOW."""
    monkeypatch.setattr(sluice.windows, "Windows", lambda *_: windows)
    monkeypatch.setattr(sluice.clients, "make_quick_client", _client)
    monkeypatch.setattr(sluice.clients, "make_signer", _signer)
    loaded: dict[tuple, Any] = {}

    def get(
        url: str,
        *,
        method: str = "GET",
        has: tuple = tuple(TABLES),
        authorization: str = "NONE",
        headers: dict | None = None,
    ) -> Answer:
        key = (has, authorization)
        if key not in loaded:
            for name in TABLES:
                monkeypatch.delenv(name, raising=False)
            loaded[key] = load("query", AUTHORIZATION=authorization, **{name: TABLES[name] for name in has})
            monkeypatch.setattr(loaded[key], "_now", lambda: NOW)
        answer = answered(loaded[key].handler(request(method, url, headers=headers), Context("query")))
        if has == tuple(TABLES):
            check(method, url, answer.status, answer.headers["Content-Type"], answer.text)
        return answer

    return get
