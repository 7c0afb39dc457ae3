"""A function of the API as its module, for as many tests as like: importing one takes longer than most of them."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest
from moto import mock_aws


@contextmanager
def imported(name: str, **environment: str) -> Iterator[ModuleType]:
    """The module of a handler, imported anew with these environment variables, in an AWS of moto's."""
    account = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    # In this order: moto puts the whole environment back, and what is undone after that would stay.
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        for key, value in {"POWERTOOLS_SERVICE_NAME": name, **account, **environment}.items():
            patch.setenv(key, value)
        sys.modules.pop(f"sluice.handlers.{name}", None)
        yield importlib.import_module(f"sluice.handlers.{name}")
