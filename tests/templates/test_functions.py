"""The functions, their versions, what feeds them, and the alarms on it."""

import ast
import json
import re

import pytest

from templates.cfn import DIGEST, ROOT, deployment, load, resources

FUNCTIONS = [(name, logical) for name, logical, _ in resources("AWS::Lambda::Function")]
LAMBDA = load("lambda")


def function() -> dict:
    return deployment()["lambda"].properties("Process")


def test_there_is_the_function_that_these_tests_are_for() -> None:
    assert FUNCTIONS == [("lambda", "Process")]


def test_the_handler_exists() -> None:
    module, _, name = function()["Handler"].rpartition(".")
    source = (ROOT / "lambda" / module.replace(".", "/")).with_suffix(".py").read_text()
    assert name in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def test_the_function_has_the_variables_that_it_reads() -> None:
    read = set()
    for path in (ROOT / "lambda" / "sluice").rglob("*.py"):
        read |= set(re.findall(r"""environ(?:\.get\(|\[)["'](\w+)["']""", path.read_text()))
    variables = function()["Environment"]["Variables"]
    powertools = {name for name in variables if name.startswith("POWERTOOLS_")}
    assert set(variables) == read | powertools
    assert powertools == {"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}
    # The function itself declares an upload FAILED before the queue gives its message up.
    assert int(variables["MAX_ATTEMPTS"]) < int(variables["MAX_RECEIVES"])


def test_the_queue_hides_a_message_for_six_timeouts() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    visibility = load("queue")["Resources"]["Intake"]["Properties"]["VisibilityTimeout"]
    assert visibility >= 6 * function()["Timeout"]


def test_the_function_logs_into_the_group_that_its_role_may_write_to() -> None:
    stacks = deployment()
    assert function()["LoggingConfig"] == {"LogGroup": stacks["logs"].ref("Process"), "LogFormat": "Text"}
    assert function()["Role"] == stacks["iam"].arn("ProcessRole")


def test_the_code_is_named_by_its_content() -> None:
    code = function()["Code"]
    assert code == {"S3Bucket": deployment()["pipeline"].ref("Artifacts"), "S3Key": f"artifacts/{DIGEST}.zip"}


def descriptions(**changed: str) -> tuple[str, str]:
    """The function's and the version's description, with the values of some parameters changed."""
    values = {"ArtifactDigest": DIGEST, "Environment": "staging", "LogLevel": "INFO", "MaxReceiveCount": "8"} | changed

    def resolve(text: dict) -> str:
        return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text["Fn::Sub"])

    function, version = LAMBDA["Resources"]["Process"], LAMBDA["Resources"]["ProcessVersion"]
    return resolve(function["Properties"]["Description"]), resolve(version["Properties"]["Description"])


def test_a_version_is_published_whenever_the_release_changes() -> None:
    """A change of the version's description replaces it, and so publishes; nothing else of it can change."""
    groups = LAMBDA["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    settings = next(group["Parameters"] for group in groups if group["Label"]["default"] == "Settings")
    changes = {"ArtifactDigest": "cd" * 32} | dict.fromkeys(settings, "changed")
    for parameter, value in changes.items():
        function, version = descriptions(**{parameter: value})
        assert version != descriptions()[1], parameter
        # Lambda publishes only what differs from the version before.
        assert function == version
    assert "TEMPLATE_DIGEST" in descriptions()[1]
    assert set(LAMBDA["Resources"]["ProcessVersion"]["Properties"]) == {"FunctionName", "Description"}


def test_the_longest_description_fits() -> None:
    longest = {
        name: max((str(value) for value in definition.get("AllowedValues", [definition.get("MaxValue")])), key=len)
        for name, definition in LAMBDA["Parameters"].items()
    }
    assert len(descriptions(**longest | {"ArtifactDigest": DIGEST})[1]) <= 256


# A new logical id is a new resource with a new name, which a version published before does not know.
WIRED = {
    "IntakeQueueArn": ("queue", "Intake"),
    "IntakeQueueUrl": ("queue", "Intake"),
    "ResultsBucket": ("buckets", "Results"),
    "LedgerTable": ("ledger", "Ledger"),
    "UploadTopicArn": ("notifications", "UploadTopic"),
    "ProcessRoleArn": ("iam", "ProcessRole"),
    "ProcessLogGroup": ("logs", "Process"),
}


def test_what_a_version_is_wired_to_is_not_replaced_unnoticed() -> None:
    groups = LAMBDA["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert set(WIRED) == set(next(group["Parameters"] for group in groups if group["Label"]["default"] == "Wiring"))
    for parameter, (name, logical) in WIRED.items():
        value = load(name)["Outputs"][parameter]["Value"]
        assert value in ({"Ref": logical}, {"Fn::GetAtt": [logical, "Arn"]}), (
            f"{name}.yaml: another resource is {parameter} now. Change something in lambda.yaml too, so that a version "
            "is published that knows it (a comment will do), then this table"
        )


def test_the_queue_feeds_the_alias() -> None:
    stacks = deployment()
    alias, mapping = (stacks["lambda"].properties(name) for name in ("ProcessAlias", "ProcessMapping"))
    assert alias == {"Name": "live", "FunctionName": stacks["lambda"].ref("Process"), "FunctionVersion": "1"}
    assert mapping == {
        "EventSourceArn": stacks["queue"].arn("Intake"),
        "FunctionName": stacks["lambda"].ref("ProcessAlias"),
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 10},
    }
    assert "ReservedConcurrentExecutions" not in function()


ALARMS = [logical for _, logical, _ in resources("AWS::CloudWatch::Alarm")]


@pytest.mark.parametrize("logical", ALARMS)
def test_an_alarm_says_what_to_do_and_when_it_is_over(logical: str) -> None:
    stacks = deployment("production")
    alarm = stacks["monitoring"].properties(logical)
    topic = [stacks["notifications"].ref("AlertTopic")]
    assert (alarm["AlarmActions"], alarm["OKActions"]) == (topic, topic)
    assert alarm["AlarmDescription"].startswith("Sluice production: ")
    assert len(alarm["AlarmDescription"].split(". ")) > 1
    assert alarm["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize(
    ("logical", "queue", "metric", "threshold"),
    [
        ("DeadLetters", "DeadLetters", "ApproximateNumberOfMessagesVisible", 0),
        ("Backlog", "Intake", "ApproximateAgeOfOldestMessage", 3600),
    ],
)
def test_the_alarms_watch_the_queues(logical: str, queue: str, metric: str, threshold: int) -> None:
    stacks = deployment()
    alarm = stacks["monitoring"].properties(logical)
    name = stacks["queue"].resources[queue]["Attributes"]["QueueName"]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/SQS", metric, "Maximum")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": name}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", threshold)
    assert name in alarm["AlarmDescription"]
    assert sorted(ALARMS) == ["Backlog", "DeadLetters"], json.dumps(ALARMS)
