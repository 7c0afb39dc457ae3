"""The alarms: what they watch, whom they tell, and what they say is to be done; and the dashboard."""

import json
import re

import pytest

from sluice.metrics import PROCESS, STREAM, Meter
from sluice.upload import FINAL_STATES, Outcome, Upload
from support.metrics import read
from templates.cfn import EVERYTHING, ROOT, Stack, deployment, resources

STACKS = deployment("production", **EVERYTHING)
MONITORING = STACKS["monitoring"]
CANARY_ALARMS = ["NewVersionCrashes", "NewVersionErrors"]
ALARMS = [logical for name, logical, _ in resources("AWS::CloudWatch::Alarm") if name == "monitoring"]
# Symptoms: of one incident there are several, which come and go.
IMPAIRED = [
    *("Backlog", "ErrorRate", "Crashes", "Throttles", "NearTimeout", "DatabaseCapacity"),
    *("StreamLag", "RollupLag", "StreamNearTimeout", "ApiErrors", "ApiLatency"),
]
TOPIC = [STACKS["notifications"].ref("AlertTopic")]


def test_the_readme_says_how_many_there_are() -> None:
    always, all_of_them = (
        sum(one["Type"] == "AWS::CloudWatch::Alarm" for one in deployment(**settings)["monitoring"].resources.values())
        for settings in ({}, EVERYTHING)
    )
    for document in ("README.md", "CHANGELOG.md"):
        assert re.search(rf"\b{always}(, and| alarms \() ?{all_of_them} with database", (ROOT / document).read_text())


def test_there_are_the_alarms_that_these_tests_are_for() -> None:
    assert sorted(ALARMS + CANARY_ALARMS) == sorted(logical for _, logical, _ in resources("AWS::CloudWatch::Alarm"))
    composite = [(name, logical) for name, logical, _ in resources("AWS::CloudWatch::CompositeAlarm")]
    assert composite == [("monitoring", "Impaired")]


@pytest.mark.parametrize("logical", [*ALARMS, "Impaired"])
def test_an_alarm_says_what_to_do_and_where_it_is_written(logical: str) -> None:
    alarm = MONITORING.properties(logical)
    text = alarm["AlarmDescription"]
    assert text.startswith("Sluice production: ")
    assert text.endswith(f" Runbook: docs/runbook.md, section {logical}.")
    assert len(text.split(". ")) > 2
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    assert len(text) <= 1024


@pytest.mark.parametrize("logical", ALARMS)
def test_an_alarm_tells_by_itself_when_it_is_raised_and_over_or_is_a_symptom_that_pages_with_others(
    logical: str,
) -> None:
    alarm = MONITORING.properties(logical)
    told = (alarm.get("AlarmActions"), alarm.get("OKActions"))
    assert told == ((None, None) if logical in IMPAIRED else (TOPIC, TOPIC))
    assert alarm["TreatMissingData"] == "notBreaching"


def test_an_incident_pages_once_and_when_it_is_over() -> None:
    alarm = MONITORING.properties("Impaired")
    assert (alarm["AlarmActions"], alarm["OKActions"]) == (TOPIC, TOPIC)
    rule = " OR ".join(f"ALARM({MONITORING.ref(logical)})" for logical in IMPAIRED)
    assert alarm["AlarmRule"] == rule


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("EnableDatabase", {"DatabaseCapacity"}),
        ("EnableStream", {"StreamLag", "RollupLag", "StreamNearTimeout", "ApiErrors", "ApiLatency"}),
        ("EnableApi", {"ApiErrors", "ApiLatency"}),
    ],
)
def test_symptoms_of_what_is_optional_are_there_where_it_is(option: str, names: set[str]) -> None:
    def watched(found: Stack) -> set[str]:
        rule = found.properties("Impaired")["AlarmRule"]
        assert re.fullmatch(r"ALARM\([\w-]+\)( OR ALARM\([\w-]+\))*", rule)
        return {logical for logical in IMPAIRED if logical in found.resources and found.ref(logical) in rule}

    without, with_it = (deployment(**settings)["monitoring"] for settings in ({}, {option: "true"}))
    assert watched(with_it) - watched(without) == names


# By logical id: namespace and metric, the statistic, what is watched, and what is too much of it.
QUEUE, LAMBDA, API, SNS = "QueueName", "FunctionName", "ApiId", "TopicName"
WATCHED = {
    "DeadLetters": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QUEUE, ("queue", "DeadLetters"), 0),
    "Backlog": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", QUEUE, ("queue", "Intake"), 3600),
    "SweepErrors": ("AWS/Lambda", "Errors", "Sum", LAMBDA, ("lambda", "Sweep"), 0),
    "DriftErrors": ("AWS/Lambda", "Errors", "Sum", LAMBDA, ("lambda", "Drift"), 0),
    "Crashes": ("AWS/Lambda", "Errors", "Sum", LAMBDA, ("lambda", "Process"), 0),
    "Throttles": ("AWS/Lambda", "Throttles", "Sum", LAMBDA, ("lambda", "Process"), 0),
    "NearTimeout": ("AWS/Lambda", "Duration", "Maximum", LAMBDA, ("lambda", "Process"), 810_000),
    "StreamNearTimeout": ("AWS/Lambda", "Duration", "Maximum", LAMBDA, ("lambda", "Stream"), 54_000),
    # https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
    "Undelivered": ("AWS/SNS", "NumberOfNotificationsFailed", "Sum", SNS, ("notifications", "UploadTopic"), 0),
    "AlertsUndelivered": ("AWS/SNS", "NumberOfNotificationsFailed", "Sum", SNS, ("notifications", "AlertTopic"), 0),
    # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.AuroraMonitoring.Metrics.html
    "DatabaseCapacity": ("AWS/RDS", "ACUUtilization", "Average", "DBInstanceIdentifier", ("database", "Writer"), 90),
    # In milliseconds: ten minutes, and an hour of the 24 that a change can be read.
    "StreamLag": ("AWS/Lambda", "IteratorAge", "Maximum", LAMBDA, ("lambda", "Stream"), 10 * 60 * 1000),
    "RollupLag": ("AWS/Lambda", "IteratorAge", "Maximum", LAMBDA, ("lambda", "Rollup"), 3600 * 1000),
    "DiscardedDeadLetters": (
        *("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QUEUE, ("stream", "DiscardedDeadLetters"), 0),
    ),
    "StreamUndelivered": ("AWS/Lambda", "DestinationDeliveryFailures", "Sum", LAMBDA, ("lambda", "Stream"), 0),
    "RollupFailures": (
        *("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QUEUE, ("stream", "RollupFailures"), 0),
    ),
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    "ApiErrors": ("AWS/ApiGateway", "5xx", "Sum", API, ("api", "Api"), 0),
    "ApiLatency": ("AWS/ApiGateway", "Latency", "p95", API, ("api", "Api"), 3000),
}
# Of our own metrics: the metric, the statistic, whose uploads, and what is too much of it.
OURS = {
    "ErrorRate": ("FailedAttempts", "Average", PROCESS, 0.1),
    "Overdue": ("OverdueDatasets", "Maximum", PROCESS, 0),
    "RejectedShare": ("RejectedShare", "Average", PROCESS, 20),
    "ReadingsRejected": ("RejectedShare", "Average", STREAM, 20),
}


def test_every_alarm_is_in_a_table() -> None:
    assert sorted([*WATCHED, *OURS]) == sorted(ALARMS)


@pytest.mark.parametrize("logical", WATCHED)
def test_what_an_alarm_watches(logical: str) -> None:
    alarm = MONITORING.properties(logical)
    namespace, metric, statistic, dimension, (name, watched), threshold = WATCHED[logical]
    found = STACKS[name].resources[watched]
    # A topic's name is the end of its ARN.
    value = found["Attributes"].get(dimension, found["Ref"].rpartition(":")[2])
    assert (alarm["Namespace"], alarm["MetricName"]) == (namespace, metric)
    assert alarm.get("Statistic", alarm.get("ExtendedStatistic")) == statistic
    assert alarm["Dimensions"] == [{"Name": dimension, "Value": value}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", threshold)
    # Where to look: the id of the API says nothing to anybody, and there is one database.
    if dimension != "DBInstanceIdentifier":
        assert (STACKS["logs"].ref("Access") if dimension == API else value) in alarm["AlarmDescription"]


@pytest.mark.parametrize(("logical", "function"), [("NearTimeout", "Process"), ("StreamNearTimeout", "Stream")])
def test_nine_tenths_of_a_timeout_are_near_it(logical: str, function: str) -> None:
    timeout = STACKS["lambda"].properties(function)["Timeout"]
    assert MONITORING.properties(logical)["Threshold"] == timeout * 1000 * 0.9


# Each with its function: Lambda tells of an invocation when it is over, at the time when it began.
OF_INVOCATIONS = {
    logical: watched[4][1] for logical, watched in WATCHED.items() if watched[1] in ("Errors", "Duration")
}


@pytest.mark.parametrize("logical", OF_INVOCATIONS)
def test_what_ends_at_the_timeout_is_not_too_old_to_be_seen(logical: str) -> None:
    """What is older than an alarm's periods is not looked at, and what is newer is no error.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """
    alarm = MONITORING.properties(logical)
    timeout = STACKS["lambda"].properties(OF_INVOCATIONS[logical])["Timeout"]
    assert alarm["Period"] * alarm["EvaluationPeriods"] >= timeout + 600
    assert alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]) == 1


def dimensions(pairs: list[dict]) -> frozenset[tuple[str, str]]:
    return frozenset((pair["Name"], pair["Value"]) for pair in pairs)


@pytest.fixture
def emitted(capsys) -> set[tuple[str, frozenset]]:
    """Metrics that the functions write, and the dimensions of each."""
    for service in (PROCESS, STREAM):
        meter = Meter("production", service)
        for state in FINAL_STATES:
            meter.receive(1024, 10)
            meter.begin()
            meter.conclude(Upload("uploads", "a", "v", 1), Outcome(state, "why", "prices"))
        meter.overdue(1)
    return {(value.name, value.dimensions) for value in read(capsys.readouterr().out)}


@pytest.mark.parametrize("logical", OURS)
def test_what_an_alarm_watches_of_our_own_metrics_is_written(logical: str, emitted: set) -> None:
    alarm = MONITORING.properties(logical)
    metric, statistic, service, threshold = OURS[logical]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("Sluice", metric, statistic)
    assert dimensions(alarm["Dimensions"]) == {("environment", "production"), ("service", service)}
    assert (metric, dimensions(alarm["Dimensions"])) in emitted
    assert (alarm["ComparisonOperator"], float(alarm["Threshold"])) == ("GreaterThanThreshold", threshold)


def widgets(**settings: str) -> dict[str, dict]:
    """The widgets of a deployment by their titles."""
    found = json.loads(deployment("production", **settings)["monitoring"].properties("Dashboard")["DashboardBody"])
    return {widget["properties"]["title"]: widget for widget in found["widgets"]}


ALWAYS = {
    "Uploads by state",
    "Rows, good and rejected",
    "Age of the oldest message (s)",
    "Seconds an upload",
    "Memory headroom (MB, least)",
    "Concurrency",
    "Dead letters",
    "Throttles, crashes, failed attempts",
    "Cost of an upload (millionths of a dollar)",
    "Rejected share of an upload (%)",
    "Overdue datasets",
    "Pipeline executions",
}
REQUESTS = {"Requests and errors", "Latency (ms)"}


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({}, set()),
        ({"EnableDatabase": "true"}, {"Database load (sessions, % of capacity)"}),
        ({"EnableApi": "true"}, REQUESTS),
        (
            {"EnableStream": "true"},
            REQUESTS | {"Stream lag (ms)", "Readings, good and rejected", "Dead letters of the stream"},
        ),
    ],
)
def test_the_dashboard_shows_what_there_is(settings: dict, more: set[str]) -> None:
    found = widgets(**settings)
    assert set(found) == ALWAYS | more
    assert "none" not in [part for widget in found.values() for row in widget["properties"]["metrics"] for part in row]


def test_widgets_stand_side_by_side() -> None:
    cells = [
        (widget["x"] + column, widget["y"] + row)
        for widget in widgets(**EVERYTHING).values()
        for column in range(widget["width"])
        for row in range(widget["height"])
    ]
    assert len(cells) == len(set(cells)) and max(column for column, _ in cells) == 23


def shown(**settings: str) -> set[tuple[str, str, frozenset]]:
    """(namespace, metric, dimensions) of what the widgets show, without searches."""
    found = set()
    for widget in widgets(**settings).values():
        for row in widget["properties"]["metrics"]:
            parts = [part for part in row if isinstance(part, str)]
            if parts:
                found.add((parts[0], parts[1], frozenset(zip(parts[2::2], parts[3::2], strict=True))))
    return found


def test_widgets_show_metrics_that_the_functions_write(emitted: set) -> None:
    ours = {(metric, pairs) for namespace, metric, pairs in shown(**EVERYTHING) if namespace == "Sluice"}
    assert ours <= emitted
    assert {dict(pairs)["state"] for metric, pairs in ours if metric == "Uploads"} == FINAL_STATES


# What no widget shows: what happens to the functions that look after the others, and what mails are for.
NOT_SHOWN = {"SweepErrors", "DriftErrors", "NearTimeout", "StreamNearTimeout", "Undelivered", "AlertsUndelivered"} | {
    *("StreamUndelivered", "ReadingsRejected")
}


def test_widgets_show_what_the_alarms_watch() -> None:
    def watched(alarm: dict) -> tuple[str, str, frozenset]:
        return alarm["Namespace"], alarm["MetricName"], dimensions(alarm["Dimensions"])

    on_it = shown(**EVERYTHING)
    assert {logical for logical in ALARMS if watched(MONITORING.properties(logical)) not in on_it} == NOT_SHOWN


def test_the_pipeline_is_found_by_the_name_of_its_stack() -> None:
    name = STACKS["pipeline"].ref("Pipeline")
    searches = [row[0]["expression"] for row in widgets()["Pipeline executions"]["properties"]["metrics"]]
    for expression in searches:
        term = re.fullmatch(
            r"SEARCH\('\{AWS/CodePipeline,PipelineName\} MetricName=\"\w+\" ([\w-]+)', '\w+', \d+\)", expression
        )
        assert name.startswith(term[1] + "-")


def test_a_dashboard_is_json_whatever_is_optional() -> None:
    options = ["EnableDatabase", "EnableStream", "EnableApi"]
    for chosen in range(2 ** len(options)):
        widgets(**{option: "true" for number, option in enumerate(options) if chosen >> number & 1})
