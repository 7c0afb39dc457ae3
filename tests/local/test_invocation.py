"""What stands in for Lambda where a handler is run without it."""

import re
from pathlib import Path

import pytest

from local.invocation import Context

HANDLERS = Path(__file__).parents[2] / "lambda" / "sluice" / "handlers"


@pytest.mark.parametrize("handler", ["process", "sweep", "drift"])
def test_a_context_has_all_that_the_handler_asks_for(handler: str) -> None:
    asked = set(re.findall(r"\bcontext\.(\w+)", (HANDLERS / f"{handler}.py").read_text(encoding="utf-8")))
    assert asked and all(hasattr(Context(handler), name) for name in asked), asked
