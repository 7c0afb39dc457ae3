"""The alarms: what they watch, whom they tell, and what they say is to be done."""

import pytest

from templates.cfn import EVERYTHING, deployment, resources

STACKS = deployment("production", **EVERYTHING)
CANARY_ALARMS = ["NewVersionCrashes", "NewVersionErrors"]
ALARMS = [logical for name, logical, _ in resources("AWS::CloudWatch::Alarm") if name == "monitoring"]


def test_there_are_the_alarms_that_these_tests_are_for() -> None:
    assert sorted(ALARMS + CANARY_ALARMS) == sorted(logical for _, logical, _ in resources("AWS::CloudWatch::Alarm"))


@pytest.mark.parametrize("logical", ALARMS)
def test_an_alarm_says_what_to_do_and_when_it_is_over(logical: str) -> None:
    alarm = STACKS["monitoring"].properties(logical)
    topic = [STACKS["notifications"].ref("AlertTopic")]
    assert (alarm["AlarmActions"], alarm["OKActions"]) == (topic, topic)
    assert alarm["AlarmDescription"].startswith("Sluice production: ")
    assert len(alarm["AlarmDescription"].split(". ")) > 1
    assert alarm["TreatMissingData"] == "notBreaching"


# By logical id: namespace and metric, the statistic, what is watched, and what is too much of it.
QUEUE, LAMBDA, API = "QueueName", "FunctionName", "ApiId"
WATCHED = {
    "DeadLetters": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QUEUE, ("queue", "DeadLetters"), 0),
    "Backlog": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", QUEUE, ("queue", "Intake"), 3600),
    "SweepErrors": ("AWS/Lambda", "Errors", "Sum", LAMBDA, ("lambda", "Sweep"), 0),
    "DriftErrors": ("AWS/Lambda", "Errors", "Sum", LAMBDA, ("lambda", "Drift"), 0),
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


@pytest.mark.parametrize("logical", ALARMS)
def test_what_an_alarm_watches(logical: str) -> None:
    alarm = STACKS["monitoring"].properties(logical)
    namespace, metric, statistic, dimension, (name, watched), threshold = WATCHED[logical]
    found = STACKS[name].resources[watched]
    value = found["Attributes"].get("QueueName", found["Ref"])
    assert (alarm["Namespace"], alarm["MetricName"]) == (namespace, metric)
    assert alarm.get("Statistic", alarm.get("ExtendedStatistic")) == statistic
    assert alarm["Dimensions"] == [{"Name": dimension, "Value": value}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", threshold)
    # Of the API, where to look: its id says nothing to anybody.
    assert (STACKS["logs"].ref("Access") if dimension == API else value) in alarm["AlarmDescription"]
