"""Roll-ups: set to what their parts add up to, whatever came before and whenever they come."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sluice.stream.applied import State
from sluice.stream.rollups import RollUp
from sluice.stream.windows import ALL_SENSORS, Resolution, Statistics, Window
from support.memory import MemoryWindows

MINUTE, HOUR, DAY = Resolution
TEN = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)


@pytest.fixture
def windows() -> MemoryWindows:
    return MemoryWindows()


def write(windows: MemoryWindows, sensor: str, time: datetime, *temperatures: int) -> Window:
    window = Window.of(sensor, MINUTE, time)
    windows.items[window] = State(Statistics.of(map(Decimal, temperatures)), version=1)
    return window


def found(windows: MemoryWindows, sensor: str, resolution) -> tuple | None:
    state = windows.items.get(Window.of(sensor, resolution, TEN))
    return state and (state.statistics.count, state.statistics.total)


def test_minutes_become_hours_and_days_of_each_sensor_and_of_all(windows):
    changed = [
        write(windows, "s1", TEN, 1, 2),
        write(windows, "s1", TEN.replace(minute=59), 3),
        write(windows, "s2", TEN, 10),
        write(windows, "s2", TEN.replace(hour=23), 20),
    ]

    assert RollUp(windows).run(changed) == 3 + 5 + 3

    assert found(windows, "s1", HOUR) == (3, 6) and found(windows, "s1", DAY) == (3, 6)
    assert found(windows, "s2", HOUR) == (1, 10) and found(windows, "s2", DAY) == (2, 30)
    assert found(windows, ALL_SENSORS, MINUTE) == (3, 13)
    assert found(windows, ALL_SENSORS, HOUR) == (4, 16) and found(windows, ALL_SENSORS, DAY) == (5, 36)


def test_a_roll_up_that_comes_twice_changes_nothing(windows):
    changed = [write(windows, "s1", TEN, 1, 2)]
    for _ in range(2):
        RollUp(windows).run(changed)

    assert found(windows, "s1", DAY) == (2, 3)


def test_a_late_roll_up_does_not_replace_a_newer_one(windows, monkeypatch):
    """It has read before the last reading came, and writes after the roll-up that followed it."""
    window = write(windows, "s1", TEN, 1)
    late = MemoryWindows(items=dict(windows.items))
    write(windows, "s1", TEN, 1, 2)
    RollUp(windows).run([window])
    monkeypatch.setattr(late, "roll_up", windows.roll_up)

    RollUp(late).run([window])

    for sensor in ("s1", ALL_SENSORS):
        assert found(windows, sensor, HOUR) == (2, 3) and found(windows, sensor, DAY) == (2, 3)


def test_only_minutes_of_single_sensors_matter(windows):
    """The others are its own work: it would go round in circles."""
    minute = write(windows, "s1", TEN, 1)
    RollUp(windows).run([minute])
    made = [window for window in windows.items if window != minute]
    windows.changes.clear()

    assert RollUp(windows).run(made) == 0
    assert windows.changes == []


def test_what_has_expired_is_not_rolled_up(windows):
    minute = write(windows, "s1", TEN, 1)
    del windows.items[minute]

    RollUp(windows).run([minute])

    assert windows.items == {}
