"""Table Schema's types: what each reads, what it refuses, and what it writes is read back."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.fields import compile_field

EUROPEAN = {"type": "number", "decimalChar": ",", "groupChar": "."}
MONEY = {"type": "number", "groupChar": ",", "bareNumber": False}
GERMAN = {"type": "boolean", "trueValues": ["ja", "j"], "falseValues": ["nein"]}
STAMP = {"type": "datetime", "format": "%d-%b-%y %I:%M:%S.%f %p %z"}
PLUS_ONE = timezone(timedelta(hours=1))


def compiled(field: dict):
    return compile_field({"name": "f", **field}, frozenset(["", "-"]))


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ({"type": "boolean"}, "TRUE", True),
        ({"type": "boolean"}, "0", False),
        (GERMAN, "j", True),
        ({"type": "boolean", "constraints": {"enum": [True]}}, "1", True),
        (EUROPEAN, "-1.234.567,80", Decimal("-1234567.80")),
        (EUROPEAN, "1234,5", Decimal("1234.5")),
        (EUROPEAN, ",5", Decimal("0.5")),
        ({"type": "number", "decimalChar": "|"}, "1|5", Decimal("1.5")),
        ({"type": "number", "groupChar": " "}, "12 34 567", Decimal(1234567)),
        (MONEY, "€ -1,234.50", Decimal("-1234.50")),
        (MONEY, "95%", Decimal(95)),
        (MONEY, "Rs. 95", Decimal(95)),
        ({"type": "integer", "groupChar": "'"}, "+1'000'000", 1000000),
        ({"type": "integer", "bareNumber": False}, "EUR 12 net", 12),
        ({"type": "time"}, "23:59:58", time(23, 59, 58)),
        ({"type": "time"}, "23:59:58.25", time(23, 59, 58, 250_000)),
        ({"type": "time", "format": "%I:%M %p"}, "12:05 am", time(0, 5)),
        ({"type": "datetime"}, "2026-12-31T23:59:58", datetime(2026, 12, 31, 23, 59, 58)),
        ({"type": "datetime"}, "2026-12-31T23:59:58.5Z", datetime(2026, 12, 31, 23, 59, 58, 500_000, UTC)),
        ({"type": "datetime"}, "2026-12-31T23:59:58+01:00", datetime(2026, 12, 31, 23, 59, 58, 0, PLUS_ONE)),
        (STAMP, "31-DEC-68 11:05:09.123 pm +0100", datetime(2068, 12, 31, 23, 5, 9, 123_000, PLUS_ONE)),
        (STAMP, "01-jan-69 01:05:09.1 AM Z", datetime(1969, 1, 1, 1, 5, 9, 100_000, UTC)),
        ({"type": "date", "format": "%d %B %Y"}, "01 March 2026", date(2026, 3, 1)),
        ({"type": "date", "format": "100%%|%Y.%m.%d"}, "100%|2026.03.01", date(2026, 3, 1)),
        ({"type": "year"}, "0999", 999),
        ({"type": "yearmonth"}, "2026-12", (2026, 12)),
        ({"type": "any"}, " ~ ", " ~ "),
        ({"format": "uri"}, "https://example.org/a%20b?c=d#e", "https://example.org/a%20b?c=d#e"),
        ({"format": "uuid"}, "2bc1c94f-0deb-43e9-92a1-4775189EC9F8", "2bc1c94f-0deb-43e9-92a1-4775189EC9F8"),
        ({"format": "email"}, "ü.o'neil+x@bücher.example", "ü.o'neil+x@bücher.example"),
        ({"type": "yearmonth"}, "-", None),
    ],
)
def test_what_a_type_reads(field, text, value):
    assert compiled(field).check(text) == (value, None)


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ({"type": "boolean"}, ["yes", "tRUE", " true", "2"]),
        (GERMAN, ["true", "1"]),
        (EUROPEAN, ["1.5", "1,5,5", "1.23,5", "1..234", ".234", "1,234.567", "1.234,5.000"]),
        (MONEY, ["5-", "++5", "-€5", ".5", "Rs.95", "1 2", "EUR", "1,5", "٣"]),
        ({"type": "number"}, ["1,234.5", "EUR 5"]),
        ({"type": "integer", "groupChar": ","}, ["1,00", ",100", "1,,000", "1,000,", "1000,000"]),
        ({"type": "integer", "bareNumber": False}, ["5.5", "x", "3 of 4"]),
        ({"type": "time"}, ["24:00:00", "23:59:60", "23:59", "7:00:00", "23:59:58Z", "23:59:58,5", "23:59:58."]),
        ({"type": "time", "format": "%I:%M %p"}, ["13:00 PM", "00:00 AM", "1:00 PM", "12:60 PM"]),
        (
            {"type": "datetime"},
            ["2026-02-29T00:00:00", "2026-12-31 23:59:58", "2026-12-31T23:59:58+0100", "2026-12-31T23:59:58+25:00"],
        ),
        (STAMP, ["31-DEC-68 11:05:09.1234567 pm +0100", "31-Dez-68 11:05:09.1 pm Z", "31-DEC-68 11:05:09.1 pm +2400"]),
        ({"type": "date", "format": "%d%m%y"}, ["1012026", "300226", "01 226"]),
        ({"type": "year"}, ["999", "12026", "-999", "+999", "２０２６"]),
        ({"type": "yearmonth"}, ["2026-13", "2026-00", "2026-1", "202601", "2026-01-01"]),
        ({"format": "uri"}, ["example.org", "http:", "http://a b", "1http://a", "http://ü.de", "http://a%2"]),
        (
            {"format": "email"},
            ["a..b@c.de", ".a@c.de", "a@b_c.de", "a@-b.de", "a@b-.de", "a@1.2.3.4", "a@b.c", "x" * 65 + "@c.de"],
        ),
        ({"format": "uuid"}, ["2bc1c94f0deb43e992a14775189ec9f8", "{2bc1c94f-0deb-43e9-92a1-4775189ec9f8}", "x"]),
    ],
)
def test_what_a_type_refuses(field, texts):
    for text in texts:
        assert compiled(field).check(text)[1] is not None, text
        assert compiled(field).check(text)[1][0] == "type-error", text


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ({"type": "integer", "constraints": {"exclusiveMinimum": 1, "exclusiveMaximum": 3}}, "2", ["1", "3"]),
        ({"type": "number", "constraints": {"exclusiveMinimum": 0.1}}, "0.11", ["0.1", "0.10"]),
        (EUROPEAN | {"constraints": {"maximum": "1.000,5"}}, "1.000,5", ["1.000,51"]),
        (EUROPEAN | {"constraints": {"maximum": 1000.5}}, "1.000,5", ["1.000,51"]),
        ({"type": "time", "constraints": {"maximum": "12:00:00"}}, "12:00:00", ["12:00:00.1"]),
        (
            {"type": "datetime", "constraints": {"minimum": "2026-01-01T00:00:00+01:00"}},
            "2025-12-31T23:00:00",
            ["2025-12-31T22:59:59", "2026-01-01T00:59:59+02:00"],
        ),
        ({"type": "date", "format": "%d%m%y", "constraints": {"minimum": date(2026, 1, 2)}}, "020126", ["010126"]),
        ({"type": "year", "constraints": {"enum": [2026, "2027"]}}, "2027", ["2028"]),
        ({"type": "yearmonth", "constraints": {"exclusiveMaximum": "2026-02"}}, "2026-01", ["2026-02"]),
        ({"type": "any", "constraints": {"enum": ["a"]}}, "a", ["b"]),
        ({"type": "number", "constraints": {"enum": [1.5]}}, "1.50", ["1.51"]),
    ],
)  # fmt: skip
def test_constraints_compare_values_and_not_texts(field, good, bad):
    assert compiled(field).check(good)[1] is None
    for text in bad:
        assert compiled(field).check(text)[1][0] == "constraint-error", text


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"type": "boolean", "trueValues": [True]}, "put true, yes, 1 and the like in quotes"),
        ({"type": "boolean", "falseValues": []}, "at least one text"),
        ({"type": "boolean", "trueValues": ["0"]}, "'0' is in both"),
        ({"type": "boolean", "constraints": {"minimum": True}}, "does not apply to the type boolean"),
        ({"type": "number", "groupChar": "."}, "must differ"),
        ({"type": "number", "groupChar": ".."}, "groupChar must be a single character"),
        ({"type": "number", "decimalChar": "5"}, "decimalChar must be a single character"),
        ({"type": "number", "bareNumber": "no"}, "bareNumber must be true or false"),
        ({"type": "number", "constraints": {"minimum": float("nan")}}, "not of the field's own type"),
        ({"type": "integer", "decimalChar": ","}, "decimalChar does not apply to the type integer"),
        ({"type": "integer", "constraints": {"minimum": 1.5}}, "not of the field's own type"),
        ({"type": "integer", "constraints": {"maximum": True}}, "not of the field's own type"),
        ({"type": "integer", "constraints": {"enum": ["one"]}}, "not of the field's own type"),
        ({"type": "integer", "constraints": {"pattern": "1+"}}, "applies to strings only"),
        ({"type": "string", "constraints": {"enum": [1]}}, "put text in quotes"),
        ({"type": "string", "constraints": {"enum": "ab"}}, "enum must list"),
        ({"type": "string", "constraints": {"exclusiveMaximum": "b"}}, "does not apply to the type string"),
        ({"type": "string", "constraints": {"minLength": -1}}, "whole number"),
        ({"type": "string", "constraints": {"required": "yes"}}, "required must be true or false"),
        ({"type": "string", "constraints": ["required"]}, "must be a mapping"),
        ({"type": "string", "trueValues": ["x"]}, "trueValues does not apply to the type string"),
        ({"type": "string", "format": "binary"}, "format 'binary' is not supported"),
        ({"type": "date", "format": "any"}, "format 'any' is not supported"),
        ({"type": "date", "format": "%d-%m-%Y %H"}, "no other directive"),
        ({"type": "date", "format": "%d-%m-%b-%Y"}, "no other directive"),
        ({"type": "time", "format": "%M:%S"}, "must hold each of %H"),
        ({"type": "time", "format": "%I:%M"}, "must hold each of %H"),
        ({"type": "time", "format": "%H:%S"}, "then %S"),
        ({"type": "time", "format": "%H:%M%z"}, "no other directive"),
        ({"type": "time", "constraints": {"minimum": 43200}}, "put text in quotes"),
        ({"type": "datetime", "format": "%Y-%m-%d"}, "must hold each of %d"),
        ({"type": "datetime", "format": "%Y-%m-%dT%H%"}, "no other directive"),
        ({"type": "geopoint"}, "type 'geopoint' with format 'default' is not supported"),
        ({"type": ["string"]}, "is not supported"),
    ],
)
def test_what_would_not_be_honoured_is_refused(field, reason):
    with pytest.raises(ValueError, match="(?i)") as refused:
        compiled(field)

    assert reason in str(refused.value)


MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31))
MINUTES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, MINUTES)
def test_what_is_written_is_read_back(moment, zone):
    for field, value in [
        ({"type": "date"}, moment.date()),
        ({"type": "date", "format": "%d%b%y"}, moment.date()),
        ({"type": "date", "format": "%B %d, %Y"}, moment.date()),
        ({"type": "time"}, moment.time()),
        ({"type": "time", "format": "%p %I.%M.%S,%f"}, moment.time()),
        ({"type": "datetime"}, moment),
        ({"type": "datetime"}, moment.replace(tzinfo=zone)),
        ({"type": "datetime", "format": "%d/%m/%y %H:%M:%S.%f%z"}, moment.replace(tzinfo=zone)),
        ({"type": "year"}, moment.year),
        ({"type": "yearmonth"}, (moment.year, moment.month)),
        (GERMAN, moment.year % 2 == 0),
        (EUROPEAN, Decimal(moment.microsecond) / 1000),
    ]:
        compiled_field = compiled(field)
        text = compiled_field.write(value)
        assert compiled_field.check(text) == (value, None), (field, text)
