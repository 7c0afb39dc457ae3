"""Windows: where an instant lies, what a key says, and sums that are exact."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.stream.windows import ALL_SENSORS, Resolution, Statistics, Window, exact_text

MINUTE, HOUR, DAY = Resolution
AT = datetime(2026, 11, 28, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("resolution", "start"),
    [(MINUTE, "2026-11-28T23:59"), (HOUR, "2026-11-28T23:00"), (DAY, "2026-11-28T00:00")],
)
def test_an_instant_lies_in_one_window_of_each_resolution(resolution, start: str):
    window = Window.of("s1", resolution, AT)

    assert f"{window.start:%Y-%m-%dT%H:%M}" == start
    assert window.start <= AT < window.end
    assert window.end - window.start == timedelta(seconds=resolution.seconds)


def test_windows_are_those_of_utc():
    """Half past midnight in a zone of half hours is another day there."""
    time = datetime(2026, 11, 29, 0, 29, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    assert Window.of("s1", DAY, time).start == datetime(2026, 11, 28, tzinfo=UTC)
    assert Window.of("s1", HOUR, time).start == datetime(2026, 11, 28, 18, tzinfo=UTC)


def test_a_window_is_made_of_its_children_and_they_know_it():
    hour = Window.of("s1", HOUR, AT)

    assert [len(hour.children), len(hour.parent.children)] == [60, 24]
    assert {child.parent for child in hour.children} == {hour}
    assert hour.children[0].start == hour.start and hour.children[-1].end == hour.end
    assert hour.parent.parent is None and hour.children[0].children == []


@given(
    st.text(min_size=1), st.sampled_from(Resolution), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))
)
def test_a_key_names_its_window(sensor: str, resolution, time: datetime):
    window = Window.of(sensor, resolution, time.replace(tzinfo=UTC))

    assert Window.from_key(window.period, sensor) == window


def test_a_key_is_the_same_in_every_release():
    assert Window.of("s1", MINUTE, AT).period == "minute#2026-11-28T23:59Z#0"
    assert Window.of(ALL_SENSORS, DAY, AT).period == "day#2026-11-28T00:00Z#11"


@pytest.mark.parametrize("period", ["week#2026-11-28T23:59Z#0", "minute#2026#0", "minute#2026-11-28T23:59Z"])
def test_another_key_is_refused(period: str):
    with pytest.raises(ValueError):
        Window.from_key(period, "s1")


def test_sensors_of_a_moment_are_spread():
    periods = [Window.of(f"sensor-{number}", MINUTE, AT).period for number in range(1000)]

    assert len(set(periods)) == 16
    assert max(map(periods.count, set(periods))) < 100


def test_windows_of_a_day_expire_together_and_not_before_their_retention():
    """Else an hour would be rolled up anew from fewer minutes than it was made of."""
    first, last = Window.of("s1", HOUR, AT).children[0], Window.of("s1", MINUTE, AT)

    assert first.expires_at == last.expires_at
    assert first.expires_at > (AT + timedelta(days=MINUTE.retention_days)).timestamp()


def test_the_average_is_that_of_all_readings():
    one, three = Statistics.of([Decimal(0)]), Statistics.of([Decimal(20), Decimal(20), Decimal(20)])

    together = Statistics.combine([one, three])

    assert together == Statistics(4, Decimal(60), Decimal(0), Decimal(20))
    assert together.average == 15, "an average of averages would be 10"
    assert str(Statistics.of([Decimal(1), Decimal(1), Decimal(0)]).average) == "0.666667"
    assert str(Statistics.of([Decimal(200)]).average) == "200"


def test_sums_are_exact_or_refused():
    tiny, many = Decimal("1E-20"), Statistics(10**13, Decimal("9999999999999999.9"), Decimal(0), Decimal(1000))

    assert Statistics.combine([many, Statistics.of([tiny])]).total == Decimal("9999999999999999.90000000000000000001")
    with pytest.raises(Inexact):
        Statistics.of([Decimal("1E-20"), Decimal("1E+19")])


def test_there_is_nothing_of_nothing():
    with pytest.raises(ValueError):
        Statistics.of([])


@pytest.mark.parametrize(("number", "text"), [("21.50", "21.5"), ("-0.0", "0"), ("1E+2", "100"), ("1E-3", "0.001")])
def test_a_number_has_one_text(number: str, text: str):
    assert exact_text(Decimal(number)) == text
