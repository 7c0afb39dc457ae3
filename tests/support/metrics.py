"""What a function has written as metrics, read as CloudWatch reads its log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """A value of a metric under one set of dimensions."""

    name: str
    dimensions: frozenset[tuple[str, str]]
    value: float
    unit: str


def read(log: str) -> list[Value]:
    """The values in the lines of a log.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [value for line in lines if "_aws" in line for value in _values(line)]


def of(values: list[Value], **dimensions: str) -> dict[str, list[float]]:
    """The values under exactly these dimensions, by metric."""
    found: dict[str, list[float]] = {}
    for value in values:
        if value.dimensions == frozenset(dimensions.items()):
            found.setdefault(value.name, []).append(value.value)
    return found


def _values(line: dict) -> Iterator[Value]:
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Sluice"
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, line[name]) for name in names)
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    yield Value(metric["Name"], dimensions, value, metric["Unit"])
