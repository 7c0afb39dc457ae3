"""Windows: what the readings of a sensor add up to in a minute, an hour or a day, exactly.

All sums are exact: DynamoDB's numbers have 38 significant digits
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html), and what a
reading may be (stream/readings.py) leaves room for 10^14 of them in a window.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from enum import Enum
from zlib import crc32

# The sensor of what all sensors add up to; no sensor may be called so (lambda/datasets/temperature.yaml).
ALL_SENSORS = "*"
SPREAD = 16
# Raises where a sum would have to be rounded.
EXACT = Context(prec=38, traps=[Inexact, InvalidOperation, Overflow])
# A division has no last digit: as many as a plot or a person can use, of any thermometer.
_AVERAGE_DIGITS = Decimal("0.000001")
_ROUNDED = Context(prec=60)
# How long after its window a reading may still be on its way: a dead letter lives for 14 days, and what has expired
# may stay for two more (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html).
_GRACE = timedelta(days=16)


class Resolution(Enum):
    """How long a window is and how long it is kept: `label`, `seconds`, `retention_days`."""

    MINUTE = ("minute", 60, 30)
    HOUR = ("hour", 3600, 400)
    DAY = ("day", 86_400, 3650)

    def __init__(self, label: str, seconds: int, retention_days: int) -> None:
        self.label = label
        self.seconds = seconds
        self.retention_days = retention_days

    @property
    def length(self) -> timedelta:
        """How long a window is."""
        return timedelta(seconds=self.seconds)

    def start_of(self, time: datetime) -> datetime:
        """The start of the window that an instant lies in, in UTC. `time` names its zone."""
        time = time.astimezone(UTC)
        midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + (time - midnight) // self.length * self.length


@dataclass(frozen=True, slots=True)
class Window:
    """One sensor's window, or that of all sensors (`ALL_SENSORS`); `start` is in UTC."""

    sensor: str
    resolution: Resolution
    start: datetime

    @classmethod
    def of(cls, sensor: str, resolution: Resolution, time: datetime) -> "Window":
        """The window that an instant lies in."""
        return cls(sensor, resolution, resolution.start_of(time))

    @classmethod
    def from_key(cls, period: str, sensor: str) -> "Window":
        """The window that a key of the table names; raises ValueError for what is no such key."""
        label, start, _ = period.split("#")
        resolution = next((each for each in Resolution if each.label == label), None)
        if resolution is None:
            raise ValueError(f"{label!r} is no resolution")
        return cls(sensor, resolution, datetime.strptime(start, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC))

    @property
    def period(self) -> str:
        """The table's partition key: `minute#2026-11-28T10:05Z#7`.

        The last part spreads the sensors of a moment over 16 partitions.
        """
        return period(self.resolution, self.start, crc32(self.sensor.encode()) % SPREAD)

    @property
    def end(self) -> datetime:
        """Where the next window starts."""
        return self.start + self.resolution.length

    @property
    def parent(self) -> "Window | None":
        """The window of the next resolution that this one is a part of; None where there is none."""
        return {
            Resolution.MINUTE: Window.of(self.sensor, Resolution.HOUR, self.start),
            Resolution.HOUR: Window.of(self.sensor, Resolution.DAY, self.start),
        }.get(self.resolution)

    @property
    def children(self) -> list["Window"]:
        """The windows that this one is made of: 60 minutes, or 24 hours; none of a minute."""
        finer = {Resolution.HOUR: Resolution.MINUTE, Resolution.DAY: Resolution.HOUR}.get(self.resolution)
        if finer is None:
            return []
        return [
            Window(self.sensor, finer, self.start + number * finer.length)
            for number in range(self.resolution.seconds // finer.seconds)
        ]

    @property
    def expires_at(self) -> int:
        """When the table may forget it, in epoch seconds: not before any other window of its day."""
        day = Resolution.DAY.start_of(self.start) + Resolution.DAY.length
        return int((day + timedelta(days=self.resolution.retention_days) + _GRACE).timestamp())


def period(resolution: Resolution, start: datetime, spread: int) -> str:
    """The partition key of those windows of a moment that have the same spread, 0 to 15."""
    return f"{resolution.label}#{start:%Y-%m-%dT%H:%MZ}#{spread}"


@dataclass(frozen=True, slots=True)
class Statistics:
    """What some readings, one at least, add up to."""

    count: int
    total: Decimal
    minimum: Decimal
    maximum: Decimal

    @classmethod
    def of(cls, values: Iterable[Decimal]) -> "Statistics":
        """What values add up to; raises ValueError where there is none."""
        return cls.combine(cls(1, value, value, value) for value in values)

    @classmethod
    def combine(cls, parts: Iterable["Statistics"]) -> "Statistics":
        """What the readings of several together add up to; raises ValueError where there is nothing to combine."""
        parts = list(parts)
        if not parts:
            raise ValueError("there are no readings to combine")
        total = Decimal(0)
        for part in parts:
            total = EXACT.add(total, part.total)
        return cls(
            sum(part.count for part in parts),
            total,
            min(part.minimum for part in parts),
            max(part.maximum for part in parts),
        )

    @property
    def average(self) -> Decimal:
        """The sum by the count, to six digits after the point: never an average of averages."""
        average = _ROUNDED.divide(self.total, Decimal(self.count)).quantize(_AVERAGE_DIGITS, context=_ROUNDED)
        return average.normalize(_ROUNDED) + 0


def exact_text(number: Decimal) -> str:
    """A number as text in one form, without an exponent: `21.5` for 21.50, `0` for -0."""
    return format(EXACT.normalize(EXACT.plus(number)), "f")
