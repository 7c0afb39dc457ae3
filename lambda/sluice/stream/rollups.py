"""Roll-ups: hours of minutes, days of hours, and the same of all sensors together.

Each is set to what its parts add up to, never added to. Counts only grow, and a roll-up is not written over one of more
readings, so that one which is late or comes twice changes nothing; whatever changes is followed by a roll-up that sees
it.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from sluice.stream.windows import ALL_SENSORS, Resolution, Statistics, Window
from sluice.windows import Windows


class RollUp:
    """Rolls changed minutes up."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    def run(self, changed: Iterable[Window]) -> int:
        """Rolls up what the changed windows are part of, and says how many windows that were.

        Only minutes of single sensors matter; all others are made here.
        """
        minutes = {
            window for window in changed if window.resolution is Resolution.MINUTE and window.sensor != ALL_SENSORS
        }
        everywhere = {self._all_sensors(start) for start in sorted({window.start for window in minutes})}
        hours = self._roll_up({window.parent for window in minutes | everywhere})
        days = self._roll_up({hour.parent for hour in hours})
        return len(everywhere) + len(hours) + len(days)

    def _all_sensors(self, start: datetime) -> Window:
        """The minute of all sensors, from those of each."""
        window = Window(ALL_SENSORS, Resolution.MINUTE, start)
        self._set(window, self._windows.by_sensor(Resolution.MINUTE, start).values())
        return window

    def _roll_up(self, windows: set[Window]) -> set[Window]:
        """The same windows, once they are made of their parts."""
        children = {window: window.children for window in windows}
        found = self._windows.statistics((child for each in children.values() for child in each), consistent=True)
        for window, parts in children.items():
            self._set(window, [found[part] for part in parts if part in found])
        return windows

    def _set(self, window: Window, parts: Collection[Statistics]) -> None:
        # There is nothing left where the parts have expired meanwhile.
        if parts:
            self._windows.roll_up(window, Statistics.combine(parts))
