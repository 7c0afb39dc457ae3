"""How often uploads are expected."""

from datetime import timedelta

import pytest

from sluice.contract.interval import compile_interval


@pytest.mark.parametrize(
    ("setting", "interval"),
    [
        ("PT1H", timedelta(hours=1)),
        ("PT24H", timedelta(days=1)),
        ("PT90M", timedelta(minutes=90)),
        ("P1D", timedelta(days=1)),
        ("P1DT12H30M", timedelta(days=1, hours=12, minutes=30)),
        ("P2W", timedelta(weeks=2)),
        ("P366D", timedelta(days=366)),
    ],
)
def test_an_interval_is_a_duration_of_iso_8601(setting, interval):
    assert compile_interval(setting) == interval


@pytest.mark.parametrize(
    "setting",
    ["", "P", "PT", "P1DT", "PT0H", "PT59M", "PT30S", "P367D", "P1M", "P1Y", "P1W2D", "pt24h", "24h", "P-1D", "PT1,5H"]
    + ["P1.5D", "PT24H\n", " PT24H", "P٣D", 24, None, True, ["PT24H"]],
)
def test_what_is_no_such_duration_is_refused(setting):
    with pytest.raises(ValueError, match="ISO 8601 duration"):
        compile_interval(setting)
