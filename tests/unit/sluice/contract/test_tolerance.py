"""How many bad rows reject a file."""

import pytest

from sluice.contract.tolerance import Tolerance, compile_tolerance


@pytest.mark.parametrize(
    ("setting", "rejected", "rows", "exceeded"),
    [
        (1, 0, 10, False),
        (1, 1, 1_000_000, True),
        (100, 99, 100, False),
        (100, 100, 1_000_000, True),
        ("5%", 49_999, 1_000_000, False),
        ("5%", 50_000, 1_000_000, True),
        ("0.1%", 1, 1_000, True),
        ("0.1%", 1, 1_001, False),
        ("100%", 9, 10, False),
        ("100%", 10, 10, True),
        ("5%", 0, 0, False),
    ],
)
def test_from_how_many_bad_rows_on_a_file_is_rejected(setting, rejected, rows, exceeded):
    reason = compile_tolerance(setting).exceeded(rejected, rows)

    assert bool(reason) == exceeded
    assert not exceeded or reason.startswith(f"{rejected:,} of {rows:,} rows break the contract")
    assert not exceeded or reason.endswith(f"from {setting} on")


def test_without_a_setting_any_number_of_rows_may_be_bad():
    assert Tolerance().exceeded(10**9, 10**9) is None


@pytest.mark.parametrize("setting", [0, -1, True, 1.5, "0%", "101%", "5", "five%", "-5%", "5 %", None, [1]])
def test_what_is_no_number_of_rows_is_refused(setting):
    with pytest.raises(ValueError, match="a number of rows"):
        compile_tolerance(setting)
