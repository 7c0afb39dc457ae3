"""Readings that a test knows, as the table of windows has them."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from sluice.stream.windows import ALL_SENSORS, Resolution, Statistics, Window
from support.memory import MemoryWindows

Reading = tuple[str, datetime, str | Decimal]


class FakeWindows(MemoryWindows):
    """The windows of readings (sensor, time, degrees); `read` counts those that were asked for."""

    def __init__(self, readings: Iterable[Reading] = ()) -> None:
        super().__init__()
        self.read = 0
        self.add(*readings)

    def add(self, *readings: Reading) -> None:
        """Takes in more readings."""
        for sensor, time, degrees in readings:
            for name in (sensor, ALL_SENSORS):
                for resolution in Resolution:
                    window = Window.of(name, resolution, time)
                    known = super().statistics([window]).values()
                    self.roll_up(window, Statistics.combine([*known, Statistics.of([Decimal(degrees)])]))

    def statistics(self, windows: Iterable[Window], *, consistent: bool = False) -> dict[Window, Statistics]:
        asked = list(windows)
        self.read += len(asked)
        return super().statistics(asked, consistent=consistent)
