"""A cold start is measured by what AWS's Runtime Interface Client asks for and answers."""

from pathlib import Path

import pytest

from benchmark.coldstart import ColdStart, function_environment
from local.patches.functions import install_runtime

HANDLER = "print('loaded')\n\n\ndef handler(event, context):\n    return {'batchItemFailures': event['failures']}\n"


@pytest.fixture
def cold(tmp_path: Path) -> ColdStart:
    module = tmp_path / "task" / "sluice" / "handlers" / "process.py"
    module.parent.mkdir(parents=True)
    module.write_text(HANDLER)
    install_runtime(tmp_path / "runtime")
    return ColdStart(tmp_path / "task", tmp_path / "runtime", function_environment({}), None)


def test_the_time_is_that_of_its_parts(cold: ColdStart):
    found = cold.measure(iter([{"failures": []}] * 2), 1)

    parts = found["python_and_runtime_client_ms"] + found["init_ms"] + found["first_file_ms"]
    assert found["total_ms"] == pytest.approx(parts, abs=2)
    assert {"sluice.handlers.process", "other"} & found["imports_ms"].keys()
    assert found["log_bytes"] == len("loaded\n")


def test_a_file_that_comes_back_is_no_measurement(cold: ColdStart):
    with pytest.raises(SystemExit, match="itemIdentifier"):
        cold.measure(iter([{"failures": [{"itemIdentifier": "1"}]}]), 1)


def test_an_error_of_the_handler_is_no_measurement(cold: ColdStart):
    with pytest.raises(SystemExit, match="KeyError"):
        cold.measure(iter([{}]), 1)
