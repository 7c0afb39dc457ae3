"""The adapters of the stream in memory: what they hold is looked at, and each call is a step that may be the last.

`step` is called before each call. tests/unit/sluice/test_stream_adapters.py holds them against those of AWS.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sluice.announcement import Announcement
from sluice.ledger import Standing
from sluice.stream.applied import State
from sluice.stream.windows import ALL_SENSORS, Resolution, Statistics, Window
from sluice.upload import FAILED, Outcome, Stored, Upload

Step = Callable[[], None]


def no_step() -> None:
    """Goes on."""


@dataclass
class MemoryWindows:
    """sluice.windows.Windows; `changes` are the windows that were written, as the table's stream tells of them."""

    step: Step = no_step
    items: dict[Window, State] = field(default_factory=dict)
    changes: list[Window] = field(default_factory=list)

    def statistics(self, windows: Iterable[Window], *, consistent: bool = False) -> dict[Window, Statistics]:
        self.step()
        return {window: self.items[window].statistics for window in windows if window in self.items}

    def sensors(self, resolution: Resolution, start: datetime) -> list[str]:
        return sorted(self.by_sensor(resolution, start))

    def by_sensor(self, resolution: Resolution, start: datetime) -> dict[str, Statistics]:
        self.step()
        return {
            window.sensor: state.statistics
            for window, state in self.items.items()
            if (window.resolution, window.start) == (resolution, start) and window.sensor != ALL_SENSORS
        }

    def states(self, windows: Iterable[Window]) -> dict[Window, State]:
        self.step()
        return {window: self.items.get(window, State()) for window in windows}

    def replace(self, window: Window, state: State) -> bool:
        self.step()
        if self.items.get(window, State()).version != state.version:
            return False
        self._put(window, State(state.statistics, state.applied, state.version + 1))
        return True

    def roll_up(self, window: Window, statistics: Statistics) -> bool:
        self.step()
        if window in self.items and self.items[window].statistics.count > statistics.count:
            return False
        self._put(window, State(statistics))
        return True

    def _put(self, window: Window, state: State) -> None:
        self.items[window] = state
        self.changes.append(window)


@dataclass
class MemoryLedger:
    """sluice.ledger.Ledger, as far as batches of a stream go."""

    step: Step = no_step
    items: dict[Upload, tuple[int, Outcome]] = field(default_factory=dict)

    def standings(self, uploads: Iterable[Upload]) -> dict[Upload, Standing]:
        self.step()
        found = {upload: self.items[upload] for upload in uploads if upload in self.items}
        return {upload: Standing(outcome.state, attempt=attempt) for upload, (attempt, outcome) in found.items()}

    def record(self, upload: Upload, attempt: int, outcome: Outcome) -> bool:
        self.step()
        if upload in self.items:
            standing, ended = self.items[upload]
            if ended.state != FAILED or standing >= attempt:
                return False
        self.items[upload] = attempt, outcome
        return True


@dataclass
class MemoryLake:
    """sluice.lake.Lake."""

    step: Step = no_step
    bucket: str = "lake"
    objects: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, body: bytes, content_type: str) -> Stored:
        self.step()
        self.objects[key] = body
        return Stored(self.bucket, key, "", "", len(body))

    def get(self, key: str) -> bytes:
        self.step()
        return self.objects[key]


@dataclass
class MemoryNotifier:
    """sluice.notify.Notifier."""

    step: Step = no_step
    published: list[Announcement] = field(default_factory=list)

    def publish(self, announcement: Announcement) -> None:
        self.step()
        self.published.append(announcement)


@dataclass
class Memory:
    """A deployment of the stream: everything with the same steps."""

    step: Step = no_step

    def __post_init__(self) -> None:
        self.windows, self.ledger = MemoryWindows(self.step), MemoryLedger(self.step)
        self.lake, self.notifier = MemoryLake(self.step), MemoryNotifier(self.step)
        self.counted: list[tuple[Upload, Outcome]] = []

    def count(self, upload: Upload, outcome: Outcome) -> None:
        """What has ended, in the place of metrics."""
        self.counted.append((upload, outcome))

    def adapters(self) -> dict[str, Any]:
        """What StreamIntake is made of."""
        return {"lake": self.lake, "windows": self.windows, "ledger": self.ledger, "notifier": self.notifier}
