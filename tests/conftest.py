"""What holds for all tests."""

import os
import tempfile
from collections.abc import Generator

import pytest
from hypothesis import settings

# In CI the examples are the same for the same code: a finding belongs to whoever looks for one, not to a release.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

_state = tempfile.TemporaryDirectory()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/templates/golden/ anew")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a fifth of the time, a test waits for what it has started."""
    return (os.cpu_count() or 1) + 1


def pytest_configure() -> None:
    """No test sees an AWS account: tests that need one make a fake or start the local cloud."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Importing ministack, whose engine resolves the templates, leaves a file there: by default in /tmp, for good.
        "STATE_DIR": _state.name,
    }


def pytest_unconfigure() -> None:
    _state.cleanup()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where CI is set, a test that did not run is a failure, with the reason that it gave."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was not run, which fails where CI is set: {reason}"
