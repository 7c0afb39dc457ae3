"""Readings that a test knows, as the table of windows has them."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from sluice.stream.windows import ALL_SENSORS, Resolution, Statistics, Window

Reading = tuple[str, datetime, str | Decimal]


class FakeWindows:
    """The windows of readings (sensor, time, degrees); `read` counts those that were asked for."""

    def __init__(self, readings: Iterable[Reading] = ()) -> None:
        self.read = 0
        self._windows: dict[Window, Statistics] = {}
        for sensor, time, degrees in readings:
            for name in (sensor, ALL_SENSORS):
                for resolution in Resolution:
                    window = Window.of(name, resolution, time)
                    known = [self._windows[window]] if window in self._windows else []
                    self._windows[window] = Statistics.combine([*known, Statistics.of([Decimal(degrees)])])

    def statistics(self, windows: Iterable[Window]) -> dict[Window, Statistics]:
        """As Windows.statistics."""
        asked = list(windows)
        self.read += len(asked)
        return {window: self._windows[window] for window in asked if window in self._windows}

    def sensors(self, resolution: Resolution, start: datetime) -> list[str]:
        """As Windows.sensors."""
        found = {one.sensor for one in self._windows if (one.resolution, one.start) == (resolution, start)}
        return sorted(found - {ALL_SENSORS})
