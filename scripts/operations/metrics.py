"""The widgets of a dashboard, and what CloudWatch has of their metrics.

The form of a widget: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

# Where a widget does not say.
_PERIOD, _STAT = 300, "Average"
_WIDTH = _HEIGHT = 6


@dataclass(frozen=True)
class Series:
    """A line of a widget: what it is called, and its values by time, in order.

    `color` is one as HTML has it, where the widget says; `is_right`: it has the axis on the right as its scale.
    """

    label: str
    points: list[tuple[datetime, float]]
    color: str | None = None
    is_right: bool = False


@dataclass
class Panel:
    """A widget with its data. `box` is where it stands: column, row, width and height, of 24 columns. A value is
    that of the `period` (seconds) that begins at its time.

    `remark` is what stands in the place of data: the text of a text widget, or why there is no data.
    """

    type: str
    title: str
    box: tuple[int, int, int, int]
    view: str = "timeSeries"
    is_stacked: bool = False
    period: int = _PERIOD
    y_label: str = ""
    lines: list[tuple[float, str]] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    remark: str = ""

    def as_dict(self) -> dict:
        """As a JSON object."""
        series = [{"label": one.label, "points": len(one.points)} for one in self.series]
        return {"title": self.title, "type": self.type, "series": series, "remark": self.remark or None}


class Metrics:
    """CloudWatch's metrics between two moments."""

    def __init__(self, cloudwatch: Any, start: datetime, end: datetime) -> None:
        self._cloudwatch = cloudwatch
        self._start = start
        self._end = end

    def panel(self, widget: dict) -> Panel:
        """A widget with its data, or why it has none."""
        properties = widget.get("properties", {})
        box = (widget.get("x", 0), widget.get("y", 0), widget.get("width", _WIDTH), widget.get("height", _HEIGHT))
        panel = Panel(widget["type"], properties.get("title", ""), box)
        match widget["type"]:
            case "metric" if "metrics" in properties:
                self._fill(panel, properties)
            case "metric":
                panel.remark = "the graph of an alarm is not drawn here"
            case "text":
                panel.remark = properties.get("markdown", "")
            case "alarm":
                panel.remark = self._alarms(properties.get("alarms", []))
            case other:
                panel.remark = f"a widget of the type {other} is not drawn here: the console shows it"
        return panel

    def _fill(self, panel: Panel, properties: dict) -> None:
        panel.view = properties.get("view", "timeSeries")
        panel.is_stacked = properties.get("stacked", False)
        panel.period = properties.get("period", _PERIOD)
        panel.y_label = properties.get("yAxis", {}).get("left", {}).get("label", "")
        marks = properties.get("annotations", {}).get("horizontal", [])
        panel.lines = [(mark["value"], mark.get("label", "")) for mark in marks if "value" in mark]
        found = queries(properties)
        series, messages = self._values(found)
        # A query for each row, in their order.
        for query, (_, options) in zip(found, _rows(properties["metrics"]), strict=True):
            one = series.get(query["Id"])
            if query["ReturnData"] and one and one.points:
                is_right = options.get("yAxis") == "right"
                panel.series.append(replace(one, color=options.get("color"), is_right=is_right))
        if not panel.series:
            panel.remark = self._without_data(found, messages)

    def _values(self, found: list[dict]) -> tuple[dict[str, Series], list[str]]:
        """The series by the queries' ids, and what CloudWatch says of those that it has not answered."""
        labels, points, messages = {}, {}, []
        pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=found, StartTime=self._start, EndTime=self._end, ScanBy="TimestampAscending"
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                labels[result["Id"]] = result.get("Label", result["Id"])
                pairs = zip(result["Timestamps"], result["Values"], strict=True)
                points.setdefault(result["Id"], []).extend(pairs)
                messages += [message["Value"] for message in result.get("Messages", [])]
        return {name: Series(labels[name], sorted(values)) for name, values in points.items()}, messages

    def _without_data(self, found: list[dict], messages: list[str]) -> str:
        if messages:
            return f"no data: {'; '.join(dict.fromkeys(messages))}"
        metrics = [query["MetricStat"]["Metric"] for query in found if "MetricStat" in query]
        unknown = [metric for metric in metrics if not self._is_known(metric)]
        if metrics and len(unknown) == len(metrics):
            names = dict.fromkeys(f"{metric['Namespace']} {metric['MetricName']}" for metric in unknown)
            return f"no source: nothing here reports {', '.join(names)}"
        return f"no data since {self._start:%H:%M} UTC"

    def _is_known(self, metric: dict) -> bool:
        return bool(self._cloudwatch.list_metrics(**metric)["Metrics"])

    def _alarms(self, arns: list[str]) -> str:
        names = [arn.partition(":alarm:")[2] for arn in arns]
        answer = self._cloudwatch.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}
        return "\n".join(f"{states.get(name, 'GONE'):17}  {name}" for name in names)


def queries(properties: dict) -> list[dict]:
    """The metrics of a widget as GetMetricData takes them."""
    made = []
    for number, (parts, options) in enumerate(_rows(properties["metrics"])):
        query: dict[str, Any] = {
            "Id": options.get("id", f"unnamed{number}"),
            "ReturnData": options.get("visible", True),
        }
        if "label" in options:
            query["Label"] = options["label"]
        period = options.get("period", properties.get("period", _PERIOD))
        if "expression" in options:
            query |= {"Expression": options["expression"], "Period": period}
        else:
            namespace, name, *pairs = parts
            dimensions = [{"Name": key, "Value": value} for key, value in zip(pairs[::2], pairs[1::2], strict=True)]
            query["MetricStat"] = {
                "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions},
                "Period": period,
                "Stat": options.get("stat", properties.get("stat", _STAT)),
            }
        made.append(query)
    return made


def _rows(metrics: list[list]) -> Iterator[tuple[list[str], dict]]:
    """Each row's parts and options, with `.` and `...` replaced by what the row before has there."""
    before: list[str] = []
    for row in metrics:
        options = row[-1] if isinstance(row[-1], dict) else {}
        parts = [part for part in row if not isinstance(part, dict)]
        if "..." in parts:
            # All of the row before, but for the values at the end that this one has.
            after = parts[parts.index("...") + 1 :]
            parts = [*before[: len(before) - len(after)], *after]
        parts = [before[place] if part == "." else part for place, part in enumerate(parts)]
        before = parts or before
        yield parts, options
