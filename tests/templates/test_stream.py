"""The stream: how it is kept, what feeds the functions, and where what fails ends."""

import json

import pytest
from ministack.services import lambda_svc

from templates.cfn import deployment, load

STACKS = deployment(EnableStream="true", StreamParallelization="4")
STREAM, FUNCTIONS = STACKS["stream"], STACKS["lambda"]


@pytest.mark.parametrize(
    ("shards", "capacity"),
    [
        ("0", {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}),
        ("3", {"StreamModeDetails": {"StreamMode": "PROVISIONED"}, "ShardCount": "3"}),
    ],
)
def test_the_stream_grows_on_demand_or_has_a_number_of_shards(shards: str, capacity: dict) -> None:
    stream = deployment(EnableStream="true", StreamShards=shards, StreamRetentionHours="24")["stream"]
    assert stream.properties("Stream") == capacity | {
        "RetentionPeriodHours": "24",
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": stream.arn("Key")},
    }
    assert stream.properties("Key")["EnableKeyRotation"] is True


@pytest.mark.parametrize(("environment", "is_protected"), [("staging", False), ("production", True)])
def test_the_table_of_windows(environment: str, is_protected: bool) -> None:
    windows = deployment(environment, EnableStream="true")["stream"].properties("Windows")
    assert windows == {
        "AttributeDefinitions": [
            {"AttributeName": "period", "AttributeType": "S"},
            {"AttributeName": "sensor", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "period", "KeyType": "HASH"},
            {"AttributeName": "sensor", "KeyType": "RANGE"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": is_protected,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "StreamSpecification": {"StreamViewType": "KEYS_ONLY"},
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
    }


def test_the_stream_feeds_the_alias_and_fails_into_the_lake() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html"""
    assert FUNCTIONS.properties("StreamMapping") == {
        "EventSourceArn": STREAM.arn("Stream"),
        "FunctionName": FUNCTIONS.ref("StreamAlias"),
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 500,
        "MaximumBatchingWindowInSeconds": 5,
        "ParallelizationFactor": "4",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 3,
        "MaximumRecordAgeInSeconds": 24 * 3600,
        "DestinationConfig": {"OnFailure": {"Destination": STREAM.arn("Lake")}},
    }


def test_what_is_given_up_comes_back_by_a_queue() -> None:
    [notification] = STREAM.properties("Lake")["NotificationConfiguration"]["QueueConfigurations"]
    assert notification == {
        "Event": "s3:ObjectCreated:*",
        "Queue": STREAM.arn("Discarded"),
        "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": "aws/lambda/"}]}},
    }
    # S3 accepts a notification only where the queue's policy admits it already.
    assert load("stream")["Resources"]["Lake"]["DependsOn"] == "DiscardedPolicy"
    assert FUNCTIONS.properties("DiscardedMapping") == {
        "EventSourceArn": STREAM.arn("Discarded"),
        "FunctionName": FUNCTIONS.ref("StreamAlias"),
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }


def test_the_queue_of_discarded_batches_gives_up_into_its_dead_letter_queue() -> None:
    """And hides a message for six timeouts: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    discarded, function = STREAM.properties("Discarded"), FUNCTIONS.properties("Stream")
    receives = function["Environment"]["Variables"]["MAX_RECEIVES"]
    assert discarded["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert discarded["RedrivePolicy"] == {
        "deadLetterTargetArn": STREAM.arn("DiscardedDeadLetters"),
        "maxReceiveCount": receives,
    }
    assert discarded["RedriveAllowPolicy"] == {"redrivePermission": "denyAll"}
    assert "RedrivePolicy" not in STREAM.properties("DiscardedDeadLetters")
    # What a message names is there as long as the message can be, in one queue and then in the other.
    rules = STREAM.properties("Lake")["LifecycleConfiguration"]["Rules"]
    [kept] = [rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") == "aws/lambda/"]
    queues = ("Discarded", "DiscardedDeadLetters")
    assert sum(STREAM.properties(queue)["MessageRetentionPeriod"] for queue in queues) < kept * 24 * 3600


def test_raw_readings_become_cheaper_and_nothing_else_does() -> None:
    rules = STREAM.properties("Lake")["LifecycleConfiguration"]["Rules"]
    assert {rule["Prefix"]: rule["Transitions"] for rule in rules if "Transitions" in rule} == {
        "raw/": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 30}]
    }


def test_changed_windows_are_rolled_up() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html"""
    mapping = FUNCTIONS.properties("RollupMapping")
    assert {key: value for key, value in mapping.items() if key != "FilterCriteria"} == {
        "EventSourceArn": STREAM.resources["Windows"]["Attributes"]["StreamArn"],
        "FunctionName": FUNCTIONS.ref("RollupAlias"),
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 1000,
        "MaximumBatchingWindowInSeconds": 30,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": 86400,
        "DestinationConfig": {"OnFailure": {"Destination": STREAM.arn("RollupFailures")}},
    }


@pytest.mark.parametrize(
    ("event", "period", "sensor", "is_rolled_up"),
    [
        ("INSERT", "minute#2026-11-28T10:05Z#3", "kitchen", True),
        ("MODIFY", "minute#2026-11-28T10:05Z#3", "kitchen", True),
        # What has expired.
        ("REMOVE", "minute#2026-11-28T10:05Z#3", "kitchen", False),
        # What the function has written itself.
        ("INSERT", "minute#2026-11-28T10:05Z#3", "*", False),
        ("MODIFY", "hour#2026-11-28T10:00Z#3", "kitchen", False),
        ("MODIFY", "day#2026-11-28T00:00Z#3", "kitchen", False),
    ],
)
def test_which_changes_are_rolled_up(event: str, period: str, sensor: str, is_rolled_up: bool) -> None:
    """The local cloud's own code applies the filter."""
    keys = {"period": {"S": period}, "sensor": {"S": sensor}}
    record = {"eventName": event, "dynamodb": {"Keys": keys}}
    rolled_up = lambda_svc._apply_filter_criteria([record], FUNCTIONS.properties("RollupMapping"))
    assert rolled_up == ([record] if is_rolled_up else [])


def test_the_simulator_puts_a_batch_every_few_minutes() -> None:
    for given, minutes in (({}, "2"), ({"SimulatorMinutes": "15"}, "15")):
        stacks = deployment(EnableStream="true", SimulatorSensors="7", **given)
        schedule = stacks["simulator"].properties("Schedule")
        assert schedule["ScheduleExpression"] == f"rate({minutes} minutes)"
        assert schedule["Target"]["Arn"] == stacks["lambda"].ref("SimulateAlias")
        assert schedule["Target"]["RoleArn"] == stacks["simulator"].arn("ScheduleRole")
        assert json.loads(schedule["Target"]["Input"]) == {"time": "<aws.scheduler.scheduled-time>"}
        variables = stacks["lambda"].properties("Simulate")["Environment"]["Variables"]
        assert (variables["SENSORS"], variables["STREAM_NAME"]) == ("7", stacks["stream"].ref("Stream"))


def test_the_functions_work_with_what_the_stream_has() -> None:
    stream, rollup = (FUNCTIONS.properties(name)["Environment"]["Variables"] for name in ("Stream", "Rollup"))
    assert (stream["LAKE_BUCKET"], stream["WINDOWS_TABLE"]) == (STREAM.ref("Lake"), STREAM.ref("Windows"))
    assert stream["LEDGER_TABLE"] == STACKS["ledger"].ref("Ledger")
    assert stream["TOPIC_ARN"] == STACKS["notifications"].ref("UploadTopic")
    assert rollup["WINDOWS_TABLE"] == STREAM.ref("Windows")
