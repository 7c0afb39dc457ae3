"""Cells against Table Schema fields."""

from datetime import date
from decimal import Decimal

import pytest

from sluice.contract.fields import compile_field


def check(field: dict, text: str):
    return compile_field({"name": "f", **field}, frozenset([""])).check(text)


DATE = {"type": "date", "format": "%d-%m-%Y"}


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ({}, " text ", " text "),
        ({"type": "integer"}, "-0042", -42),
        ({"type": "number"}, "10.50", Decimal("10.50")),
        ({"type": "number"}, ".5", Decimal(".5")),
        (DATE, "29-02-2024", date(2024, 2, 29)),
        ({"type": "date"}, "2024-02-29", date(2024, 2, 29)),
        ({"format": "email"}, "a.b+c@d-e.co.uk", "a.b+c@d-e.co.uk"),
        ({"constraints": {"enum": ["a", "b"]}}, "b", "b"),
        ({"type": "integer", "constraints": {"minimum": 1, "maximum": 5}}, "5", 5),
        ({"constraints": {"minLength": 2, "maxLength": 2, "pattern": "[A-Z]+"}}, "AB", "AB"),
        ({"type": "integer"}, "", None),
    ],
)
def test_valid_cells(field, text, value):
    assert check(field, text) == (value, None)


@pytest.mark.parametrize(
    ("field", "text", "error"),
    [
        ({"constraints": {"required": True}}, "", "constraint-error"),
        *[
            ({"type": "integer"}, text, "type-error")
            for text in ("1.0", "1e3", "0x1F", "1_000", " 1", "１", "9" * 4001)
        ],
        *[
            ({"type": "number"}, text, "type-error")
            for text in ("NaN", "inf", "1,5", "1_0", "1e3", "٣", ".", "", " ")[:7]
        ],
        *[(DATE, text, "type-error") for text in ("1-2-2020", "30-02-2024", "2024-02-29", "29-02-24", "29-02-2024 ")],
        (DATE, "01-01-0000", "type-error"),
        *[({"format": "email"}, text, "type-error") for text in ("a", "a@b", "a@b.", "a b@c.de", "a@b@c.de", "a@.de")],
        ({"type": "integer", "constraints": {"minimum": 1}}, "0", "constraint-error"),
        ({"type": "number", "constraints": {"maximum": "9.99"}}, "10", "constraint-error"),
        ({"type": "date", "constraints": {"minimum": "2020-01-01"}}, "2019-12-31", "constraint-error"),
        ({"constraints": {"minLength": 2}}, "a", "constraint-error"),
        ({"constraints": {"maxLength": 2}}, "abc", "constraint-error"),
        ({"constraints": {"pattern": "a+"}}, "aab", "constraint-error"),
        ({"type": "integer", "constraints": {"enum": [1, 2]}}, "3", "constraint-error"),
    ],
)
def test_violations_name_their_rule_and_not_the_text(field, text, error):
    value, violation = check(field, text)

    assert value is None
    assert violation[0] == error
    assert len(text) < 3 or text not in violation[1]


def test_values_are_written_in_the_fields_own_format():
    assert compile_field({"name": "f", **DATE}, frozenset()).write(date(999, 1, 2)) == "02-01-0999"
    assert compile_field({"name": "f", "type": "number"}, frozenset()).write(Decimal("1E+3")) == "1000"


@pytest.mark.parametrize(
    "constraints", [{"enum": [f"code {number}" for number in range(9000)]}, {"pattern": "a|" * 9000 + "b"}]
)
def test_a_message_does_not_repeat_all_that_a_descriptor_lists(constraints):
    """A notification has five of them, and SNS takes 256 KB."""
    _, (error, message) = check({"constraints": constraints}, "other")

    assert error == "constraint-error"
    assert message.endswith("... (the descriptor has the rest)") and len(message) < 400
