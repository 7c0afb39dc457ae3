"""The table of windows in DynamoDB: one item a sensor and minute, hour or day.

Keys: HASH `period` = `<resolution>#<start>#<spread>`, RANGE `sensor` (stream/windows.py). Attributes: `count`, `sum`,
`min`, `max`, `expires_at`. A minute of one sensor also has `version`, which every write of it raises, and `applied`:
by source, a set of `<first>-<last>` sequence numbers (stream/applied.py).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from sluice.items import from_item, get_items, to_item
from sluice.stream.applied import State
from sluice.stream.windows import ALL_SENSORS, SPREAD, Resolution, Statistics, Window, period

_STATISTICS = "period, sensor, #count, #sum, #min, #max"
_NAMES = {"#count": "count", "#sum": "sum", "#min": "min", "#max": "max"}


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
        items = self._get(
            windows, ConsistentRead=consistent, ProjectionExpression=_STATISTICS, ExpressionAttributeNames=_NAMES
        )
        return {_window(item): _statistics(item) for item in items}

    def sensors(self, resolution: Resolution, start: datetime) -> list[str]:
        """The sensors that have a window which starts at that moment, in order; `ALL_SENSORS` is not among them.

        Reads all windows of that moment.
        """
        items = self._query(resolution, start, ProjectionExpression="sensor")
        return sorted(item["sensor"] for item in items if item["sensor"] != ALL_SENSORS)

    def by_sensor(self, resolution: Resolution, start: datetime) -> dict[str, Statistics]:
        """What every sensor's window of that moment adds up to, as it is now; `ALL_SENSORS` is not among them."""
        items = self._query(
            resolution,
            start,
            ConsistentRead=True,
            ProjectionExpression=_STATISTICS,
            ExpressionAttributeNames=_NAMES,
        )
        return {item["sensor"]: _statistics(item) for item in items if item["sensor"] != ALL_SENSORS}

    def states(self, windows: Iterable[Window]) -> dict[Window, State]:
        """The minutes as they are stored now; one without an item has the state of version 0."""
        windows = list(windows)
        states = dict.fromkeys(windows, State())
        for item in self._get(windows, ConsistentRead=True):
            applied = {source: tuple(sorted(map(_range, ranges))) for source, ranges in item["applied"].items()}
            states[_window(item)] = State(_statistics(item), applied, int(item["version"]))
        return states

    def replace(self, window: Window, state: State) -> bool:
        """Writes a minute's new state; False where the item has another version by now than the state was made from."""
        applied = {
            source: frozenset(f"{first}-{last}" for first, last in ranges) for source, ranges in state.applied.items()
        }
        item = _item(window, state.statistics) | {"applied": applied, "version": state.version + 1}
        if not state.version:
            return self._put(item, "attribute_not_exists(version)")
        return self._put(item, "version = :version", {":version": state.version})

    def roll_up(self, window: Window, statistics: Statistics) -> bool:
        """Sets what a window adds up to; False where more readings than these are in it already."""
        return self._put(
            _item(window, statistics),
            "attribute_not_exists(#count) OR #count <= :count",
            {":count": statistics.count},
            ExpressionAttributeNames={"#count": "count"},
        )

    def _get(self, windows: Iterable[Window], **options: Any) -> Iterable[dict]:
        keys = [{"period": window.period, "sensor": window.sensor} for window in dict.fromkeys(windows)]
        return get_items(self._dynamodb, self._table, keys, **options)

    def _query(self, resolution: Resolution, start: datetime, **options: Any) -> Iterable[dict]:
        for spread in range(SPREAD):
            request = {
                "TableName": self._table,
                "KeyConditionExpression": "period = :period",
                "ExpressionAttributeValues": to_item({":period": period(resolution, start, spread)}),
                **options,
            }
            while True:
                page = self._dynamodb.query(**request)
                yield from map(from_item, page["Items"])
                if "LastEvaluatedKey" not in page:
                    break
                request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _put(self, item: dict, condition: str, values: dict | None = None, **options: Any) -> bool:
        if values:
            options["ExpressionAttributeValues"] = to_item(values)
        try:
            self._dynamodb.put_item(
                TableName=self._table, Item=to_item(item), ConditionExpression=condition, **options
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def _item(window: Window, statistics: Statistics) -> dict:
    return {
        "period": window.period,
        "sensor": window.sensor,
        "count": statistics.count,
        "sum": statistics.total,
        "min": statistics.minimum,
        "max": statistics.maximum,
        "expires_at": window.expires_at,
    }


def _window(item: dict) -> Window:
    return Window.from_key(item["period"], item["sensor"])


def _statistics(item: dict) -> Statistics:
    return Statistics(int(item["count"]), item["sum"], item["min"], item["max"])


def _range(text: str) -> tuple[int, int]:
    first, last = text.split("-")
    return int(first), int(last)
