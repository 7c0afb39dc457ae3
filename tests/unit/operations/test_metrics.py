"""The widgets of a dashboard: what is asked of CloudWatch, and what is said where it has nothing."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest

from operations.metrics import Metrics, queries

END = datetime.now(UTC).replace(microsecond=0)
START = END - timedelta(hours=3)
METRIC = {"Namespace": "Sluice", "MetricName": "Uploads", "Dimensions": [{"Name": "State", "Value": "FAILED"}]}


def asked(*rows: list, **properties) -> list[dict]:
    return queries({"metrics": list(rows), **properties})


@pytest.fixture
def cloudwatch(aws):
    client = boto3.client("cloudwatch")
    for minutes, value in ((120, 1.0), (60, 3.0)):
        data = {**METRIC, "Timestamp": END - timedelta(minutes=minutes), "Value": value}
        client.put_metric_data(Namespace=data.pop("Namespace"), MetricData=[data])
    return client


def panel(cloudwatch, **properties):
    return Metrics(cloudwatch, START, END).panel({"type": "metric", "x": 6, "y": 2, "properties": properties})


def test_a_metric_is_asked_for_as_the_widget_says():
    assert asked(["Sluice", "Uploads", "State", "FAILED", {"stat": "Sum", "period": 60, "label": "failed"}]) == [
        {
            "Id": "unnamed0",
            "ReturnData": True,
            "Label": "failed",
            "MetricStat": {"Metric": METRIC, "Period": 60, "Stat": "Sum"},
        }
    ]
    [by_widget] = asked(["AWS/SQS", "Age"], stat="Maximum", period=900)
    assert by_widget["MetricStat"] == {
        "Metric": {"Namespace": "AWS/SQS", "MetricName": "Age", "Dimensions": []},
        "Period": 900,
        "Stat": "Maximum",
    }
    assert asked(["AWS/SQS", "Age"])[0]["MetricStat"]["Stat"] == "Average"


def test_a_line_is_drawn_as_the_widget_says(cloudwatch):
    rows = [
        ["Sluice", "Uploads", "State", "FAILED", {"color": "#7b1fa2"}],
        ["...", {"visible": False, "color": "#000000"}],
        ["...", {"yAxis": "right"}],
    ]

    drawn = panel(cloudwatch, metrics=rows).series

    assert [(one.color, one.is_right) for one in drawn] == [("#7b1fa2", False), (None, True)]


def test_an_expression_is_asked_for_with_the_metrics_that_it_is_made_of():
    hidden, shown = asked(
        ["Sluice", "Rows", {"id": "rows", "visible": False}], [{"expression": "rows / 2", "id": "half", "label": "½"}]
    )

    assert (hidden["Id"], hidden["ReturnData"]) == ("rows", False)
    assert shown == {"Id": "half", "ReturnData": True, "Label": "½", "Expression": "rows / 2", "Period": 300}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([".", "Errors", ".", "."], ["AWS/Lambda", "Errors", "FunctionName", "one", "Resource", "x"][:4]),
        (["...", "two"], ["AWS/Lambda", "Duration", "FunctionName", "two"]),
        (["."] * 4, ["AWS/Lambda", "Duration", "FunctionName", "one"]),
        (["...", {"stat": "p99"}], ["AWS/Lambda", "Duration", "FunctionName", "one"]),
    ],
)
def test_dots_stand_for_what_the_row_before_has_there(row, expected):
    metric = asked(["AWS/Lambda", "Duration", "FunctionName", "one"], row)[1]["MetricStat"]["Metric"]

    pairs = [part for one in metric["Dimensions"] for part in (one["Name"], one["Value"])]
    assert [metric["Namespace"], metric["MetricName"], *pairs] == expected


def test_every_row_has_an_id_of_its_own():
    assert [query["Id"] for query in asked(["N", "a"], ["N", "a", {"id": "mine"}], ["N", "a"])] == [
        "unnamed0",
        "mine",
        "unnamed2",
    ]


def test_values_come_in_the_order_of_time_under_their_label(cloudwatch):
    shown = panel(cloudwatch, title="Uploads", metrics=[["Sluice", "Uploads", "State", "FAILED", {"label": "failed"}]])

    [series] = shown.series
    assert [value for _, value in series.points] == [1.0, 3.0] and series.label == "failed"
    assert (shown.title, shown.box, shown.remark) == ("Uploads", (6, 2, 6, 6), "")


@pytest.mark.parametrize(
    ("metrics", "remark"),
    [
        ([["AWS/RDS", "ACUUtilization"]], "no source: nothing here reports AWS/RDS ACUUtilization"),
        ([["Sluice", "Uploads", "State", "LOST"]], "no source: nothing here reports Sluice Uploads"),
    ],
)
def test_a_metric_that_nobody_reports_is_told(cloudwatch, metrics, remark):
    assert panel(cloudwatch, metrics=metrics).remark == remark


def test_a_metric_without_values_in_the_time_is_told(cloudwatch):
    long_ago = Metrics(cloudwatch, START - timedelta(hours=3), START)
    widget = {"type": "metric", "properties": {"metrics": [["Sluice", "Uploads", "State", "FAILED"]]}}

    assert long_ago.panel(widget).remark == f"no data since {START - timedelta(hours=3):%H:%M} UTC"


def test_what_cloudwatch_says_of_a_query_is_told():
    class Refusing:
        def get_paginator(self, operation: str) -> "Refusing":
            return self

        def paginate(self, **_) -> list[dict]:
            message = {"Code": "Unsupported", "Value": "Expressions not implemented"}
            return [
                {"MetricDataResults": [{"Id": "unnamed0", "Timestamps": [], "Values": [], "Messages": [message]}]}
            ]

    assert panel(Refusing(), metrics=[[{"expression": "1"}]]).remark == "no data: Expressions not implemented"


def test_other_widgets_say_what_they_are(cloudwatch):
    cloudwatch.put_metric_alarm(
        AlarmName="known", Namespace="N", MetricName="M", ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1, Period=60, Statistic="Sum", Threshold=0,
    )  # fmt: skip
    arns = [f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}" for name in ("known", "gone")]
    metrics = Metrics(cloudwatch, START, END)

    assert metrics.panel({"type": "text", "properties": {"markdown": "# Sluice"}}).remark == "# Sluice"
    states = metrics.panel({"type": "alarm", "properties": {"title": "Alarms", "alarms": arns}}).remark.splitlines()
    assert states == ["OK                 known", "GONE               gone"]
    assert "the console shows it" in metrics.panel({"type": "log", "properties": {"query": "x"}}).remark
    graph = metrics.panel({"type": "metric", "properties": {"annotations": {"alarms": arns}}})
    assert graph.remark == "the graph of an alarm is not drawn here"
