"""Simulated readings: plausible, valid, and the same for the same time."""

import json
from datetime import UTC, datetime, timedelta

from sluice.stream.readings import check_reading
from sluice.stream.records import Record
from sluice.stream.simulation import simulate
from support.datasets import dataset

AT = datetime(2026, 11, 28, 10, 6, tzinfo=UTC)


def test_a_time_has_its_readings():
    assert simulate(3, AT) == simulate(3, AT)
    assert simulate(3, AT) != simulate(3, AT + timedelta(minutes=2))


def test_readings_are_valid_and_those_of_a_building():
    temperature = dataset("temperature")
    for hours in range(24):
        for sensor, text in simulate(5, AT + timedelta(hours=hours)):
            record = Record("shardId-000000000000", sensor, "1", AT + timedelta(hours=hours), text.encode())
            found, errors = check_reading(record, temperature, 1)
            assert errors == []
            assert found.window.sensor == sensor
            assert 4 < found.temperature < 32


def test_each_sensor_sends_every_ten_seconds_until_then():
    times = [json.loads(text)["time"] for sensor, text in simulate(2, AT) if sensor == "simulated-2"]

    assert times == [f"2026-11-28T10:0{4 + second // 60}:{second % 60:02}Z" for second in range(0, 120, 10)]
