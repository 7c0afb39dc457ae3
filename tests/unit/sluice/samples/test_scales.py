"""Values between bounds: enough of them, and none that their format cannot write."""

from datetime import date, datetime, time
from decimal import Decimal

import pytest

from sluice.samples.scales import scale

TINY, YEAR_70 = Decimal("1e-9"), datetime(1970, 1, 1)


@pytest.mark.parametrize(
    ("type_", "format_", "bounds", "distinct", "size", "first", "last"),
    [
        ("integer", "default", {}, 0, 1_000_001, 0, 1_000_000),
        ("integer", "default", {"maximum": -5}, 0, 1_000_001, -1_000_005, -5),
        ("integer", "default", {"minimum": 10**9}, 0, 1_000_001, 10**9, 10**9 + 1_000_000),
        ("integer", "default", {"minimum": -1, "maximum": 10**9}, 0, 10**9 + 2, -1, 10**9),
        ("integer", "default", {"minimum": 2, "maximum": 1}, 0, 0, None, None),
        ("number", "default", {"minimum": Decimal("0.5")}, 0, 100_001, Decimal("0.5"), Decimal("1000.5")),
        ("number", "default", {}, 100_000, 2 * 10**7 + 1, Decimal(0), Decimal(200_000)),
        ("number", "default", {"minimum": TINY, "maximum": 2 * TINY}, 0, 10_000_001, TINY, 2 * TINY),
        ("date", "default", {}, 0, 10_951, date(2000, 1, 1), date(2029, 12, 24)),
        ("date", "default", {"minimum": date(1900, 1, 1)}, 0, 10_951, date(2000, 1, 1), date(2029, 12, 24)),
        ("date", "%d-%m-%y", {}, 100_000, 36_525, date(1969, 1, 1), date(2068, 12, 31)),
        ("time", "default", {}, 0, 86_400, time(0), time(23, 59, 59)),
        ("time", "default", {}, 50_000, 86_399_999_999 + 1, time(0), time(23, 59, 59, 999_999)),
        ("time", "%H:%M", {"minimum": time(8), "maximum": time(9, 30)}, 0, 91, time(8), time(9, 30)),
        ("datetime", "%d.%m.%y %H", {"maximum": YEAR_70}, 0, 8761, datetime(1969, 1, 1), YEAR_70),
        ("year", "default", {}, 50_000, 10_000, 0, 9999),
        ("yearmonth", "default", {"minimum": (2026, 11), "maximum": (2027, 1)}, 0, 3, (2026, 11), (2027, 1)),
    ],
)  # fmt: skip
def test_values_lie_between_their_bounds(type_, format_, bounds, distinct, size, first, last):
    count, value = scale(type_, format_).between(bounds, distinct)

    found = [value(0), value(count - 1)] if count else [None, None]
    if type_ == "datetime":
        found = [one.replace(tzinfo=None) for one in found]
    assert (count, found) == (size, [first, last])
