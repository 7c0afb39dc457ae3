"""What stands in for Lambda where the handler is run without it."""

import re
from pathlib import Path

import pytest

from benchmark.ours import Context as Measured
from support.limited import Context as Limited

HANDLER = Path(__file__).parents[3] / "lambda" / "sluice" / "handlers" / "process.py"


@pytest.mark.parametrize("context", [Measured, Limited])
def test_a_context_has_all_that_the_handler_asks_for(context: type) -> None:
    asked = set(re.findall(r"\bcontext\.(\w+)", HANDLER.read_text(encoding="utf-8")))
    assert asked and all(hasattr(context, name) for name in asked), asked
