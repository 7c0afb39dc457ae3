"""Records of the stream are held to the contract that files are held to."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.stream.readings import FIELDS, check_reading
from sluice.stream.records import Record
from support.datasets import checked, dataset
from support.readings import reading

TEMPERATURE = dataset("temperature")
ARRIVAL = datetime(2026, 11, 28, 10, 5, 30, tzinfo=UTC)
TIME = "2026-11-28T10:05:10Z"


def check(data: bytes):
    return check_reading(Record("shardId-000000000000", "s1", "1", ARRIVAL, data), TEMPERATURE, 3)


def test_the_dataset_has_the_fields_that_readings_are_made_of():
    assert tuple(field.name for field in TEMPERATURE.fields) == FIELDS


@pytest.mark.parametrize(
    "data",
    [
        reading("s1", TIME, "21.50"),
        b'\xef\xbb\xbf{"temperature": 2150e-2,\r\n "time": "2026-11-28T11:05:10+01:00",\n "sensor": "s1"}\n',
        reading("s1", "2026-11-28T10:05:10.5", "21.5"),
    ],
)
def test_a_record_is_one_object_line_ends_in_it_or_not(data: bytes):
    found, errors = check(data)

    assert errors == []
    assert (found.window.sensor, found.window.start) == ("s1", datetime(2026, 11, 28, 10, 5, tzinfo=UTC))
    assert found.temperature == Decimal("21.5")


@pytest.mark.parametrize(
    ("data", "error", "field"),
    [
        (b"", "row-error", None),
        (b" \r\n", "row-error", None),
        (b"21.5", "row-error", None),
        (b"{}{}", "row-error", None),
        (b'{"sensor":"s1","sensor":"s2"}', "row-error", None),
        (b"\xff\xfe", "encoding-error", None),
        (reading("s1", TIME, 1) + b"\0", "encoding-error", None),
        (b'{"sensor":"\\ud800","time":"2026-11-28T10:05:10Z","temperature":1}', "encoding-error", None),
        (reading("s1", TIME, "NaN"), "row-error", None),
        (b'{"sensor":"s1","temperature":1}', "constraint-error", "time"),
        (b'{"sensor":"s1","time":"2026-11-28T10:05:10Z","temperature":1,"unit":"C"}', "extra-cell", None),
        (reading("s1", TIME, "null"), "constraint-error", "temperature"),
        (reading("s1", TIME, '"warm"'), "type-error", "temperature"),
        (reading("s1", TIME, "true"), "type-error", "temperature"),
        (reading("s1", "yesterday", 1), "type-error", "time"),
        (reading("*", TIME, 1), "constraint-error", "sensor"),
        (reading("s#1", TIME, 1), "constraint-error", "sensor"),
        (reading("s1", TIME, "-273.16"), "constraint-error", "temperature"),
        (reading("s1", TIME, "1000.01"), "constraint-error", "temperature"),
        (reading("s1", TIME, "1e999"), "constraint-error", "temperature"),
        (reading("s1", TIME, "0.000000000000000000001"), "constraint-error", "temperature"),
        (reading("s1", "0001-01-01T00:00:00+23:59", 1), "constraint-error", "time"),
        (reading("s1", "9999-12-31T23:59:59-23:59", 1), "constraint-error", "time"),
        (b"[" * 100_000, "row-error", None),
    ],
)
def test_a_bad_record_is_rejected_with_its_code_and_rule(data: bytes, error: str, field: str | None):
    found, errors = check(data)

    assert found is None
    assert [(each.error, each.field, each.row) for each in errors] == [(error, field, 3)]


def test_every_rule_that_is_broken_is_named():
    _, errors = check(reading("*", "2026-11-28T10:05:10Z", "true"))

    assert [each.field for each in errors] == ["sensor", "temperature"]


@pytest.mark.parametrize(
    ("time", "is_good"),
    [
        (ARRIVAL + timedelta(minutes=5), True),
        (ARRIVAL + timedelta(minutes=5, seconds=1), False),
        (ARRIVAL - timedelta(days=30), True),
        (ARRIVAL - timedelta(days=30, seconds=1), False),
    ],
)
def test_times_are_held_against_the_arrival_and_not_the_clock(time: datetime, is_good: bool):
    found, errors = check(reading("s1", time.isoformat(), 1))

    assert (found is not None, [each.field for each in errors]) == ((True, []) if is_good else (False, ["time"]))


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-400, 1200),
    st.floats(-400, 1200),
    st.sampled_from(["s1", "*", TIME, "", "é"]),
)
members = st.dictionaries(st.sampled_from([*FIELDS, "unit"]), values)


@given(members)
def test_a_record_is_judged_as_the_same_line_of_a_file(document: dict):
    data = json.dumps(document).encode()

    _, errors = check(data)

    _, of_file, _ = checked(TEMPERATURE, data + b"\n")
    assert [(each.field, each.error, each.message, each.text) for each in errors] == [
        (each.field, each.error, each.message, each.text) for each in of_file
    ]


@given(st.binary())
def test_no_bytes_stop_the_check(data: bytes):
    found, errors = check(data)

    assert found is None and errors
