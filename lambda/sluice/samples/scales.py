"""Values of ordered types between bounds, as whole numbers of steps."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from sluice.contract.temporal import in_order
from sluice.contract.types import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INFINITE = float("inf")
_LOWER, _UPPER = {"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}
# Values that a field has at least to draw from, if its bounds allow.
_LEAST = 100
Unit = Fraction | int | float


@dataclass(frozen=True)
class Scale:
    """An ordered type as a line of units: days of dates, seconds of instants.

    `place` is where a value stands on it, `value` what stands at a place. `steps` are from one value to the next, from
    coarse to fine. Where nothing else is said, values lie within `span` units from `start`; none is outside of `first`
    and `last`.
    """

    place: Callable[[Value], Unit]
    value: Callable[[Fraction], Value]
    steps: tuple[Fraction, ...]
    start: int
    span: int
    first: Unit = -_INFINITE
    last: Unit = _INFINITE

    def between(self, bounds: Mapping[str, Value], distinct: int) -> tuple[int, Callable[[int], Value]]:
        """How many values there are to draw from within the bounds, and the value of each number.

        `bounds` are constraints of Table Schema by their names, `distinct` is how many different values are needed.
        """
        places = {name: self.place(value) for name, value in bounds.items()}
        lower = max([self.first, *(place for name, place in places.items() if name in _LOWER)])
        upper = min([self.last, *(place for name, place in places.items() if name in _UPPER)])
        if not (places.keys() & _LOWER and places.keys() & _UPPER):
            span = max(self.span, 2 * distinct)
            low = max(lower, self.start)
            upper = min(upper, low + span)
            lower = max(lower, upper - span)
        for step in self.steps:
            start = math.ceil(Fraction(lower) / step)
            end = math.floor(Fraction(upper) / step)
            start += start * step == places.get("exclusiveMinimum")
            end -= end * step == places.get("exclusiveMaximum")
            if end - start + 1 >= max(_LEAST, 2 * distinct):
                break
        return max(end - start + 1, 0), lambda number: self.value((start + number) * step)


def _instant(seconds: Fraction) -> datetime:
    return _EPOCH + int(seconds * 1_000_000) * _MICROSECOND


def _exact(units: Fraction) -> Decimal:
    """A number of steps, each a power of ten, with all its digits."""
    digits = 0
    while units.denominator != 1:
        units, digits = units * 10, digits + 1
    return Decimal((units < 0, tuple(map(int, str(abs(units.numerator)))), -digits))


_TICKS = (Fraction(1), Fraction(1, 1_000_000))
_TIME = Scale(
    place=lambda value: Fraction((datetime.combine(date.min, value) - datetime.min) // _MICROSECOND, 1_000_000),
    value=lambda seconds: _instant(seconds).time(),
    steps=_TICKS,
    start=0,
    span=86_400,
    first=0,
    last=86_400 - _TICKS[-1],
)
_DATETIME = Scale(
    place=lambda value: Fraction((in_order(value) - _EPOCH) // _MICROSECOND, 1_000_000),
    value=_instant,
    steps=_TICKS,
    start=946_684_800,
    span=30 * 365 * 86_400,
    first=(datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1),
    last=(datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1),
)
_SCALES = {
    "integer": Scale(int, int, (Fraction(1),), start=0, span=1_000_000),
    # Two digits after the point; as many more as it takes to lie between two bounds that are next to each other.
    "number": Scale(
        Fraction, _exact, tuple(Fraction(1, 10**digits) for digits in (2, 4, 8, 16, 32, 64)), start=0, span=1000
    ),
    "date": Scale(
        lambda value: value.toordinal(),
        lambda days: date.fromordinal(int(days)),
        (Fraction(1),),
        start=date(2000, 1, 1).toordinal(),
        span=30 * 365,
        first=1,
        last=date.max.toordinal(),
    ),
    "time": _TIME,
    "datetime": _DATETIME,
    "year": Scale(int, int, (Fraction(1),), start=2000, span=30, first=0, last=9999),
    "yearmonth": Scale(
        lambda value: 12 * value[0] + value[1] - 1,
        lambda months: (int(months) // 12, int(months) % 12 + 1),
        (Fraction(1),),
        start=12 * 2000,
        span=12 * 30,
        first=0,
        last=12 * 9999 + 11,
    ),
}
# The years that two digits stand for begin with the one, and end before the other (contract/temporal.py).
_CENTURY = (1969, 2069)


def scale(type_: str, format_: str) -> Scale:
    """The scale of an ordered type, with the years and the steps that its format can write."""
    found = _SCALES[type_]
    if "%y" in format_:
        make = date if type_ == "date" else datetime
        first, last = (found.place(make(year, 1, 1)) for year in _CENTURY)
        found = replace(found, first=first, last=last - found.steps[0])
    if "%" not in format_ or type_ == "date":
        return found
    if "%S" not in format_:
        return replace(found, steps=(Fraction(60 if "%M" in format_ else 3600),))
    return found if "%f" in format_ else replace(found, steps=_TICKS[:1])
