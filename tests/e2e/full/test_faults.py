"""10,000 uploads while one of twenty requests fails: the invariant holds of each (scripts/benchmark/load_test.py)."""

import pytest

from benchmark import load_test

pytestmark = pytest.mark.full


def test_a_load_under_faults(keep, scale):
    report = load_test.measure(uploads=max(int(load_test.UPLOADS * scale), 100))

    states = ", ".join(f"{count:,} {state}" for state, count in report.pop("states").items())
    row = {name.replace("_", " "): f"{value:,}" for name, value in report.items()}
    keep("Uploads while one of twenty requests fails", [{**row, "states": states}])
