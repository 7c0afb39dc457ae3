"""Temperatures: the true average of whole windows, within a number of reads that the question decides."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from urllib.parse import urlencode

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sluice.api import temperature
from sluice.api.parameters import Parameters
from sluice.api.problems import Problem
from sluice.api.temperature import MOST_WINDOWS, SENSOR, Question
from sluice.stream.windows import ALL_SENSORS, Resolution
from sluice.windows import Windows
from support.deployment import DATASETS
from support.http import NOW
from support.temperatures import FakeWindows

PATH = "/api/v1/temperature"


def at(*time: int) -> datetime:
    return datetime(2026, 11, 28, *time, tzinfo=UTC)


READINGS = [
    ("a", at(10, 0, 1), "10"),
    ("a", at(10, 0, 59), "20.5"),
    ("a", at(10, 1), "-3.25"),
    ("b", at(10, 0, 30), "40"),
    ("b", at(9, 59, 59), "99"),
]


@pytest.fixture
def windows() -> FakeWindows:
    return FakeWindows(READINGS)


def question(**parameters: str) -> Question:
    return Question.read(Parameters(urlencode(parameters)), NOW)


def test_the_average_is_that_of_all_readings_and_not_of_averages(ask):
    answer = ask(f"{PATH}?from=2026-11-28T10:00:00Z&to=2026-11-28T10:02:00Z")

    assert answer.document == {
        "sensor": None,
        "resolution": "minute",
        "from": "2026-11-28T10:00:00Z",
        "to": "2026-11-28T10:02:00Z",
        "count": 4,
        "average": 16.8125,
        "min": -3.25,
        "max": 40.0,
    }


def test_a_sensor_is_asked_for_alone(ask):
    answer = ask(f"{PATH}?from=2026-11-28T10:00:00Z&to=2026-11-28T10:02:00Z&sensor=a&resolution=hour").document

    assert (answer["sensor"], answer["count"], answer["average"]) == ("a", 3, 9.083333)
    assert (answer["from"], answer["to"]) == ("2026-11-28T10:00:00Z", "2026-11-28T11:00:00Z")


def test_without_readings_there_is_no_average(ask):
    answer = ask(f"{PATH}?sensor=nobody")

    assert (answer.status, answer.document["count"], answer.document["average"]) == (200, 0, None)


def test_a_series_has_the_windows_that_hold_readings_in_order(ask):
    answer = ask(f"{PATH}/series?from=2026-11-28T09:50:00Z&to=2026-11-28T10:05:00Z&sensor=b").document

    assert answer["windows"] == [
        {"start": "2026-11-28T09:59:00Z", "count": 1, "average": 99.0, "min": 99.0, "max": 99.0},
        {"start": "2026-11-28T10:00:00Z", "count": 1, "average": 40.0, "min": 40.0, "max": 40.0},
    ]


def test_the_sensors_of_a_day_are_listed(ask):
    assert ask(f"{PATH}/sensors?day=2026-11-28").document == {"day": "2026-11-28", "sensors": ["a", "b"]}
    assert ask(f"{PATH}/sensors?day=2026-11-27").document["sensors"] == []
    assert ask(f"{PATH}/sensors?day=today").errors.keys() == {"day"}


def test_the_table_answers_as_the_readings_do(aws, windows):
    aws.add_stream()
    table = Windows(aws.dynamodb, "windows")
    for window, state in windows.items.items():
        table.roll_up(window, state.statistics)

    for parameters in ({"sensor": "a"}, {}, {"resolution": "day"}, {"sensor": "nobody"}):
        asked = question(**parameters)
        assert asked.average(table) == asked.average(windows)
        assert asked.series(table) == asked.series(windows)
    assert temperature.sensors(Parameters(""), table, NOW) == temperature.sensors(Parameters(""), windows, NOW)


def test_it_is_the_last_hour_unless_something_else_is_asked_for():
    asked = question()

    assert (asked.sensor, asked.resolution) == (ALL_SENSORS, Resolution.MINUTE)
    assert (asked.start, asked.end) == (at(9, 5), at(10, 6))
    assert question(to="2026-11-28T08:00:00Z").start == at(7)
    assert question(**{"from": "2026-11-28T10:05:29Z"}).windows[0].start == at(10, 5)


@pytest.mark.parametrize(
    ("length", "resolution"),
    [
        (timedelta(minutes=MOST_WINDOWS), Resolution.MINUTE),
        (timedelta(minutes=MOST_WINDOWS, seconds=1), Resolution.HOUR),
        (timedelta(days=60), Resolution.HOUR),
        (timedelta(days=70), Resolution.DAY),
        (timedelta(days=MOST_WINDOWS), Resolution.DAY),
    ],
)
def test_the_resolution_is_the_finest_that_takes_few_enough_windows(length, resolution):
    end = datetime(2026, 11, 28, tzinfo=UTC)
    asked = question(**{"from": (end - length).isoformat(), "to": end.isoformat()})

    assert asked.resolution is resolution
    assert len(asked.windows) <= MOST_WINDOWS


def test_a_resolution_whose_windows_are_no_longer_kept_is_not_the_default():
    def resolution(days: int) -> Resolution:
        start = NOW - timedelta(days=days)
        return question(**{"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat()}).resolution

    assert [resolution(days) for days in (29, 31, 399, 401)] == [*Resolution][:2] + [Resolution.HOUR, Resolution.DAY]


def test_a_resolution_whose_windows_are_no_longer_kept_is_refused_with_one_that_is(ask, windows):
    """There would be no readings, or some of them, where there were more."""

    def refused(days: int, resolution: str) -> dict[str, str]:
        start = NOW - timedelta(days=days)
        span = f"from={start:%Y-%m-%dT%H:%M:%SZ}&to={start + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        answer = ask(f"{PATH}?{span}&resolution={resolution}")
        return answer.errors if answer.status == 400 else {}

    assert refused(31, "minute") == {"resolution": "is kept for 30 days, and `from` lies before that: use hour"}
    assert refused(401, "hour") == {"resolution": "is kept for 400 days, and `from` lies before that: use day"}
    assert windows.read == 0
    assert refused(29, "minute") == refused(399, "hour") == refused(4000, "day") == {}


def test_what_takes_too_many_windows_is_refused_with_what_would_do(ask, windows):
    month = "from=2026-10-28T00:00:00Z&to=2026-11-28T00:00:00Z"

    refused = ask(f"{PATH}/series?{month}&resolution=minute")
    too_long = ask(f"{PATH}?from=2016-01-01T00:00:00Z")
    too_long_days = ask(f"{PATH}?from=2016-01-01T00:00:00Z&resolution=day")

    assert refused.status == 400
    assert refused.errors == {
        "resolution": "takes 44,640 windows, and 1,500 is the most: use hour, or a shorter time",
    }
    assert too_long.errors.keys() == too_long_days.errors.keys() == {"from"}
    assert "1,500 days" in too_long.errors["from"]
    assert windows.read == 0


def test_every_parameter_that_is_wrong_is_named(ask):
    answer = ask(f"{PATH}?sensor=*&from=now&to=then&resolution=week&bin=5")

    assert answer.status == 400
    assert answer.errors.keys() == {"sensor", "from", "to", "resolution", "bin"}


@pytest.mark.parametrize(
    "parameters", ["from=2026-11-28T10:00:00Z&to=2026-11-28T10:00:00Z", "from=2026-11-28T10:05:30Z"]
)
def test_a_time_that_ends_before_it_starts_is_refused(ask, parameters):
    assert ask(f"{PATH}?{parameters}").errors.keys() == {"from"}


def test_a_sensor_is_called_as_in_the_contract():
    contract = yaml.safe_load((DATASETS / "temperature.yaml").read_text())
    [pattern] = [one["constraints"]["pattern"] for one in contract["schema"]["fields"] if one["name"] == "sensor"]

    assert SENSOR.pattern == pattern


instants = st.integers(0, 10**7).map(lambda seconds: NOW - timedelta(seconds=seconds))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), instants, st.decimals(-200, 200, places=2)), max_size=30),
    instants,
    instants,
    st.sampled_from([None, *(one.label for one in Resolution)]),
)
def test_an_answer_is_what_the_readings_in_its_time_add_up_to(readings, first, second, resolution):
    fake = FakeWindows(readings)
    parameters = {"from": min(first, second).isoformat(), "to": (max(first, second) + timedelta(seconds=1)).isoformat()}
    if resolution:
        parameters["resolution"] = resolution
    try:
        asked = question(**parameters)
    except Problem:
        assert resolution in ("minute", "hour")
        return

    answer = asked.average(fake)

    assert asked.start <= min(first, second) and asked.end > max(first, second)
    assert fake.read == len(asked.windows) <= MOST_WINDOWS
    values = [Fraction(value) for _, time, value in readings if asked.start <= time < asked.end]
    assert answer["count"] == len(values)
    if values:
        assert abs(Fraction(answer["average"]) - sum(values) / len(values)) <= Fraction(1, 10**6)
        assert (answer["min"], answer["max"]) == (float(min(values)), float(max(values)))
