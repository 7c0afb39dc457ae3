"""Exit codes, which scripts go by."""

import pytest

from operations import exits
from sluice.upload import FINAL_STATES, PROCESSING


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], 0),
        (["SUCCEEDED"], 0),
        (["SUCCEEDED", "PARTIAL"], 3),
        (["PARTIAL", "IGNORED"], 4),
        (["REJECTED", "IGNORED"], 5),
        (["REJECTED", "PROCESSING"], 6),
        (["PROCESSING", "FAILED", "SUCCEEDED"], 1),
    ],
)
def test_the_worst_state_decides(states, code):
    assert exits.of_states(states) == code


def test_every_state_has_a_code_of_its_own_that_the_help_tells():
    codes = {exits.of_states([state]): state for state in (*FINAL_STATES, PROCESSING)}

    assert len(codes) == len(FINAL_STATES) + 1 and exits.USAGE not in codes
    assert all(f"{code} {state}" in exits.EPILOG for code, state in codes.items() if code > 2 and code != 6)
