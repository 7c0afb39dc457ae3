"""Parameters: read strictly, and all that is wrong is told at once."""

import re
from datetime import UTC, date, datetime

import pytest

from sluice.api.parameters import Parameters
from sluice.api.problems import Problem


def errors(parameters: Parameters) -> dict[str, str]:
    with pytest.raises(Problem) as problem:
        parameters.check()
    assert problem.value.status == 400
    return dict(problem.value.errors)


def test_what_is_right_is_read():
    given = Parameters("at=2026-11-28T11:05:00.5%2B01:00&on=2026-11-28&state=FAILED&limit=7&name=b%20c")

    assert given.instant("at") == datetime(2026, 11, 28, 10, 5, 0, 500_000, UTC)
    assert given.day("on") == date(2026, 11, 28)
    assert given.choice("state", ["FAILED", "IGNORED"]) == "FAILED"
    assert given.number("limit", 1, 10) == 7
    assert given.text("name", re.compile("[a-z ]+"), "no") == "b c"
    assert given.instant("later") is None
    given.check()


def test_everything_that_is_wrong_is_told_at_once():
    given = Parameters("at=yesterday&on=2026-02-30&state=failed&limit=0&name=&one=1&one=2&other=%3Cscript%3E")
    read = [
        given.instant("at"),
        given.day("on"),
        given.choice("state", ["FAILED"]),
        given.number("limit", 1, 10),
        given.text("name", re.compile(".+"), "must not be empty"),
        given.number("one", 1, 2),
    ]

    found = errors(given)

    assert read == [None] * 6
    assert found.keys() == {"at", "on", "state", "limit", "name", "one", "other"}
    assert found["limit"] == "must be a whole number from 1 to 10"
    assert found["one"] == "is given more than once"
    assert found["other"] == "is unknown: at, limit, name, on, one, state may be given here"
    assert "script" not in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28",
        "2026-11-28T10:05:00",
        "2026-11-28 10:05:00Z",
        "20261128T100500Z",
        "2026-W48-6T10:05:00Z",
        "2026-11-28T10:05:00+01:00",  # its + is a space
        "2026-11-28T10:05:00Z ",
        "2026-13-28T10:05:00Z",
        "2026-11-28T24:05:00Z",
        "0001-01-01T00:00:00%2B23:59",
        "9999-12-31T23:59:59Z",
        "1969-12-31T23:59:59Z",
    ],
)
def test_an_instant_is_one_of_rfc_3339_in_years_that_windows_have(text):
    given = Parameters(f"at={text}")

    assert given.instant("at") is None
    assert "at" in errors(given)


@pytest.mark.parametrize("text", ["-1", "1.0", "1e1", "٣", "1" * 30, ""])
def test_a_number_has_digits_alone(text):
    given = Parameters(f"limit={text}")

    assert given.number("limit", 0, 10**9) is None
    assert "limit" in errors(given)
