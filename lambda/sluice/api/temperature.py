"""Questions about temperatures: which windows they take, and what those add up to."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from sluice.api.parameters import Parameters
from sluice.stream.windows import ALL_SENSORS, Resolution, Statistics, Window

# A day of minutes, two months of hours, four years of days: 15 reads of 100 windows.
MOST_WINDOWS = 1500
_DEFAULT_SPAN = timedelta(hours=1)
# As in the contract (lambda/datasets/temperature.yaml).
SENSOR = re.compile("[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_NOT_LONG = f"is too long before `to`: {MOST_WINDOWS:,} days is the most"
_RESOLUTIONS = {resolution.label: resolution for resolution in Resolution}


class Reader(Protocol):
    """What is asked of the table of windows (sluice/windows.py)."""

    def statistics(self, windows: list[Window]) -> dict[Window, Statistics]:
        """Those of the windows that hold readings."""

    def sensors(self, resolution: Resolution, start: datetime) -> list[str]:
        """The sensors that have a window which starts then."""


@dataclass(frozen=True)
class Question:
    """What is asked: the windows of a sensor, or of `ALL_SENSORS`, from `start` to before `end`."""

    sensor: str
    resolution: Resolution
    start: datetime
    end: datetime

    @classmethod
    def read(cls, parameters: Parameters, now: datetime) -> "Question":
        """The question of a request: `sensor`, `from`, `to`, `resolution`.

        Its time is widened to whole windows; by default it is the hour before `to`, and `to` is now. Raises Problem
        (400) for what is wrong, and where it takes more than `MOST_WINDOWS`, or some that may have expired.
        """
        sensor = parameters.text("sensor", SENSOR, f"must be the name of a sensor: {SENSOR.pattern}")
        given, label = parameters.instant("from"), parameters.choice("resolution", _RESOLUTIONS)
        to = parameters.instant("to") or now
        since = given or to - _DEFAULT_SPAN
        if since >= to:
            parameters.refuse("from", "must lie before `to`, which is now where it is not given")
        kept = _kept(since, now)
        choices = [_RESOLUTIONS[label]] if label else kept
        fitting = [one for one in choices if _count(one, since, to) <= MOST_WINDOWS]
        if not fitting:
            _refuse_length(parameters, since, to, label)
        elif fitting[0] not in kept:
            days = f"{fitting[0].retention_days} days"
            parameters.refuse("resolution", f"is kept for {days}, and `from` lies before that: use {kept[0].label}")
        parameters.check()
        start, end = _bounds(fitting[0], since, to)
        return cls(sensor or ALL_SENSORS, fitting[0], start, end)

    @property
    def windows(self) -> list[Window]:
        """The windows that it takes, in the order of their time."""
        count = (self.end - self.start) // self.resolution.length
        starts = (self.start + number * self.resolution.length for number in range(count))
        return [Window(self.sensor, self.resolution, start) for start in starts]

    def average(self, reader: Reader) -> dict[str, Any]:
        """What all readings of the time add up to: the sum of sums by the sum of counts."""
        found = list(reader.statistics(self.windows).values())
        return self._described() | _summary(Statistics.combine(found) if found else None)

    def series(self, reader: Reader) -> dict[str, Any]:
        """The windows that hold readings, in the order of their time."""
        found = reader.statistics(self.windows)
        windows = [
            {"start": to_text(window.start)} | _summary(found[window]) for window in self.windows if window in found
        ]
        return self._described() | {"windows": windows}

    def _described(self) -> dict[str, Any]:
        return {
            "sensor": None if self.sensor == ALL_SENSORS else self.sensor,
            "resolution": self.resolution.label,
            "from": to_text(self.start),
            "to": to_text(self.end),
        }


def sensors(parameters: Parameters, reader: Reader, now: datetime) -> dict[str, Any]:
    """The sensors that had readings on a `day` (UTC), today by default; raises Problem (400) for what is wrong."""
    day = parameters.day("day") or now.astimezone(UTC).date()
    parameters.check()
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return {"day": str(day), "sensors": reader.sensors(Resolution.DAY, start)}


def to_text(time: datetime) -> str:
    """An instant as the API writes it: RFC 3339, in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _kept(since: datetime, now: datetime) -> list[Resolution]:
    """The resolutions whose windows are still kept from then on, the finest first; the coarsest in any case."""
    kept = [one for one in Resolution if since >= now - timedelta(days=one.retention_days)]
    return kept or [Resolution.DAY]


def _bounds(resolution: Resolution, since: datetime, to: datetime) -> tuple[datetime, datetime]:
    start, end = resolution.start_of(since), resolution.start_of(to)
    return start, end if end == to else end + resolution.length


def _count(resolution: Resolution, since: datetime, to: datetime) -> int:
    start, end = _bounds(resolution, since, to)
    return (end - start) // resolution.length


def _refuse_length(parameters: Parameters, since: datetime, to: datetime, label: str | None) -> None:
    """Says which resolution would do, where one does."""
    would_do = next((one for one in Resolution if _count(one, since, to) <= MOST_WINDOWS), None)
    if would_do and label:
        count = _count(_RESOLUTIONS[label], since, to)
        reason = f"takes {count:,} windows, and {MOST_WINDOWS:,} is the most: use {would_do.label}, or a shorter time"
        parameters.refuse("resolution", reason)
    else:
        parameters.refuse("from", _NOT_LONG)


def _summary(statistics: Statistics | None) -> dict[str, Any]:
    if statistics is None:
        return {"count": 0, "average": None, "min": None, "max": None}
    return {
        "count": statistics.count,
        "average": _number(statistics.average),
        "min": _number(statistics.minimum),
        "max": _number(statistics.maximum),
    }


def _number(value: Decimal) -> float:
    """A number for JSON: temperatures have fewer digits than a float keeps."""
    return float(value)
