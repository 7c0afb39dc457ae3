"""The table of windows in DynamoDB: one item a sensor and minute, hour or day.

Keys: HASH `period` = `<resolution>#<start>#<spread>`, RANGE `sensor` (stream/windows.py). Attributes: `count`, `sum`,
`min`, `max`, `expires_at`; those of minutes have `applied` and `version` as well (stream/application.py).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sluice.stream.windows import Resolution, Statistics, Window


class Windows:
    """The windows table."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def statistics(self, windows: Iterable[Window], *, consistent: bool = False) -> dict[Window, Statistics]:
        """Those of the windows that hold readings: a read of one item each, 100 a request, whatever the table holds.

        What was written a moment ago may be missing unless `consistent`, which costs twice as much.
        Raises TransientError where DynamoDB does not answer for all of them.
        """
        raise NotImplementedError

    def sensors(self, resolution: Resolution, start: datetime) -> list[str]:
        """The sensors that have a window which starts at that moment, in order; `ALL_SENSORS` is not among them.

        Reads all windows of that moment.
        """
        raise NotImplementedError
