"""The functions, their versions, and what feeds them."""

import ast
import json
import re

import pytest
from ministack.services.cloudformation import engine

from sluice.invocation import Invocation
from templates.cfn import ACCOUNT, DIGEST, EVERYTHING, ROOT, deployment, load, resources

FUNCTIONS = [(name, logical) for name, logical, _ in resources("AWS::Lambda::Function")]
LAMBDA = load("lambda")


ALWAYS, OF_THE_DATABASE = ["Process", "Sweep", "Drift"], ["Migrate", "Rotate"]
OPTIONAL = ["Stream", "Rollup", "Simulate", "Query", "Submit", "Generate"]
RELEASED = ALWAYS + OPTIONAL
each_function = pytest.mark.parametrize("logical", RELEASED + OF_THE_DATABASE)
each_released = pytest.mark.parametrize("logical", RELEASED)


def function(logical: str) -> dict:
    return deployment(**EVERYTHING)["lambda"].properties(logical)


def test_there_are_the_functions_that_these_tests_are_for() -> None:
    assert FUNCTIONS == [("lambda", logical) for logical in ALWAYS + OF_THE_DATABASE + OPTIONAL]


def source(logical: str) -> str:
    """The module of a function's handler."""
    module = function(logical)["Handler"].rpartition(".")[0]
    return (ROOT / "lambda" / module.replace(".", "/")).with_suffix(".py").read_text()


@each_function
def test_the_handler_exists(logical: str) -> None:
    name = function(logical)["Handler"].rpartition(".")[2]
    assert name in {node.name for node in ast.parse(source(logical)).body if isinstance(node, ast.FunctionDef)}


@each_function
def test_every_function_is_traced(logical: str) -> None:
    assert function(logical)["TracingConfig"] == {"Mode": "Active"}


def test_only_handlers_read_variables() -> None:
    for path in (ROOT / "lambda" / "sluice").rglob("*.py"):
        assert path.parent.name == "handlers" or "environ[" not in path.read_text(), path


@each_function
def test_the_function_has_the_variables_that_it_reads(logical: str) -> None:
    read = set(re.findall(r"""environ(?:\.get\(|\[)["'](\w+)["']""", source(logical)))
    variables = function(logical)["Environment"]["Variables"]
    powertools = {name for name in variables if name.startswith("POWERTOOLS_")}
    assert set(variables) == read | powertools
    assert powertools == {"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}
    assert variables["POWERTOOLS_SERVICE_NAME"] == logical.lower()


def test_the_functions_count_attempts_alike_and_fewer_than_receives() -> None:
    """The function itself declares an upload FAILED before the queue gives its message up."""
    process, sweep = (function(logical)["Environment"]["Variables"] for logical in ("Process", "Sweep"))
    assert process["MAX_ATTEMPTS"] == sweep["MAX_ATTEMPTS"]
    assert int(process["MAX_ATTEMPTS"]) < int(process["MAX_RECEIVES"])
    for logical in ("Process", "Sweep"):
        written = LAMBDA["Resources"][logical]["Properties"]["Environment"]["Variables"]["MAX_ATTEMPTS"]
        assert written == {"Ref": "MaxAttempts"}, "from one place"


def test_the_queue_hides_a_message_for_six_timeouts() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    visibility = load("queue")["Resources"]["Intake"]["Properties"]["VisibilityTimeout"]
    assert visibility >= 6 * function("Process")["Timeout"]


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("is_fast", [True, False])
def test_the_readme_says_how_large_a_file_may_be(is_fast: bool, is_compressed: bool) -> None:
    timeout, memory = function("Process")["Timeout"], function("Process")["MemorySize"]
    limit = Invocation(lambda: timeout, memory).limit(is_fast=is_fast, is_compressed=is_compressed) / 1e9
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [row] = re.findall(rf"^\| {'with a ' if is_fast else 'without '}.*$", readme, re.MULTILINE)
    said = float(row.split("|")[3 if is_compressed else 2].removesuffix("GB "))
    assert said <= limit < 1.2 * said


@each_function
def test_the_function_logs_into_the_group_that_its_role_may_write_to(logical: str) -> None:
    stacks = deployment(**EVERYTHING)
    assert function(logical)["LoggingConfig"] == {"LogGroup": stacks["logs"].ref(logical), "LogFormat": "Text"}
    assert function(logical)["Role"] == stacks["iam"].arn(f"{logical}Role")


@each_function
def test_the_code_is_named_by_its_content(logical: str) -> None:
    code = function(logical)["Code"]
    assert code == {"S3Bucket": deployment()["pipeline"].ref("Artifacts"), "S3Key": f"artifacts/{DIGEST}.zip"}


def described(logical: str, **changed: str) -> str:
    """The description of a function and of its version, with the values of some parameters changed."""
    values = {name: f"({name})" for name in LAMBDA["Parameters"]} | {"SampleKeyArn": "none"} | changed
    function, version = (LAMBDA["Resources"][name]["Properties"] for name in (logical, f"{logical}Version"))
    # Lambda publishes only what differs from the version before.
    assert function["Description"] == version["Description"]
    assert set(version) == {"FunctionName", "Description"}
    parameters = engine._resolve_parameters(
        {"Parameters": {name: {"Type": "String"} for name in values}},
        [{"Key": name, "Value": value} for name, value in values.items()],
    )
    conditions = engine._evaluate_conditions(LAMBDA, parameters)
    return engine._resolve_refs(version["Description"], {}, parameters, conditions, {}, "stack", "stack-id")


def settings() -> list[str]:
    groups = LAMBDA["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    return next(group["Parameters"] for group in groups if group["Label"]["default"] == "Settings")


def reached(value: object) -> set[str]:
    """The parameters that a part of the template goes by, also by its conditions."""
    text = json.dumps(value)
    named = set(re.findall(r'"Ref": "(\w+)"', text)) | set(re.findall(r"\$\{(\w+)", text))
    conditions = set(re.findall(r'"(?:Fn::If": \[|Condition": )"(\w+)"', text)) & set(LAMBDA["Conditions"])
    return named.union(*(reached(LAMBDA["Conditions"][condition]) for condition in conditions))


@each_released
def test_a_version_is_published_whenever_the_release_changes(logical: str) -> None:
    """A change of the version's description replaces it, and so publishes; nothing else of it can change."""
    properties = LAMBDA["Resources"][logical]["Properties"]
    reaching = reached({key: value for key, value in properties.items() if key != "Description"}) & set(settings())
    for parameter in ("ArtifactDigest", *reaching):
        assert described(logical, **{parameter: "changed/changed"}) != described(logical), parameter
    assert "TEMPLATE_DIGEST" in described(logical)


def test_the_settings_that_reach_functions() -> None:
    """So that the test above has something to look at."""
    found = {
        logical: {name for name in settings() if name in reached(LAMBDA["Resources"][logical]["Properties"])}
        for logical in OPTIONAL
    }
    assert found == {
        "Stream": {"Environment", "LogLevel", "MaxReceiveCount"},
        "Rollup": {"LogLevel"},
        "Simulate": {"LogLevel", "SimulatorSensors"},
        "Query": {"LogLevel", "ApiAuthorization", "EnableStream", "EnableApi"},
        "Submit": {"LogLevel"},
        "Generate": {"LogLevel", "SampleBucket", "SampleKeyArn"},
    }


@each_released
def test_the_longest_description_fits(logical: str) -> None:
    longest = {
        name: max((str(value) for value in definition.get("AllowedValues", [definition.get("MaxValue")])), key=len)
        for name, definition in LAMBDA["Parameters"].items()
        if "AllowedPattern" not in definition
    } | {
        "ArtifactDigest": DIGEST,
        "MaxReceiveCount": "100",
        "SubnetIds": ",".join(["subnet-" + "0" * 17] * 3),
        "SampleBucket": "b" * 63,
        # The longest id that its pattern takes.
        "SampleKeyArn": "arn:aws:kms:us-east-1:000000000000:key/" + "k" * 40,
    }
    assert len(described(logical, **longest)) <= 256


# A new logical id is a new resource with a new name, which a version published before does not know.
WIRED = {
    "IntakeQueueArn": ("queue", "Intake"),
    "IntakeQueueUrl": ("queue", "Intake"),
    "UploadsBucket": ("buckets", "Uploads"),
    "ResultsBucket": ("buckets", "Results"),
    "LedgerTable": ("ledger", "Ledger"),
    "UploadTopicArn": ("notifications", "UploadTopic"),
    "ProcessRoleArn": ("iam", "ProcessRole"),
    "ProcessLogGroup": ("logs", "Process"),
    "SweepRoleArn": ("iam", "SweepRole"),
    "SweepLogGroup": ("logs", "Sweep"),
    "ReleaseRoleArn": ("iam", "ReleaseRole"),
    "AlertTopicArn": ("notifications", "AlertTopic"),
    "DriftRoleArn": ("iam", "DriftRole"),
    "DriftLogGroup": ("logs", "Drift"),
    "StreamName": ("stream", "Stream"),
    "StreamArn": ("stream", "Stream"),
    "LakeBucket": ("stream", "Lake"),
    "LakeBucketArn": ("stream", "Lake"),
    "WindowsTable": ("stream", "Windows"),
    "WindowsStreamArn": ("stream", "Windows"),
    "DiscardedQueueArn": ("stream", "Discarded"),
    "RollupFailureQueueArn": ("stream", "RollupFailures"),
    **{f"{function}RoleArn": ("iam", f"{function}Role") for function in OPTIONAL},
    **{f"{function}LogGroup": ("logs", function) for function in OPTIONAL},
}
# Of the database they are not here: where it comes or goes, so do the subnets, which the version's text names.
WIRING = ("Wiring", "Wiring of the stream", "Wiring of the API")


def test_what_a_version_is_wired_to_is_not_replaced_unnoticed() -> None:
    groups = LAMBDA["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    wired = [name for group in groups if group["Label"]["default"] in WIRING for name in group["Parameters"]]
    assert sorted(WIRED) == sorted(wired)
    for parameter, (name, logical) in WIRED.items():
        value = load(name)["Outputs"][parameter]["Value"]
        assert value in ({"Ref": logical}, *({"Fn::GetAtt": [logical, one]} for one in ("Arn", "StreamArn"))), (
            f"{name}.yaml: another resource is {parameter} now. Change something in lambda.yaml too, so that a version "
            "is published that knows it (a comment will do), then this table"
        )


def test_what_the_functions_of_the_database_are_wired_to() -> None:
    stacks = deployment(EnableDatabase="true")
    database, network = stacks["database"], stacks["network"]
    for logical in ("Process", "Migrate", "Rotate"):
        assert function(logical)["VpcConfig"] == {
            "SubnetIds": [network.ref("FirstSubnet"), network.ref("SecondSubnet")],
            "SecurityGroupIds": [network.ref("FunctionGroup")],
        }
    secrets = {"DATABASE_SECRET": database.ref("Secret"), "MASTER_SECRET": database.outputs["MasterSecretArn"]}
    given = {
        logical: {key: value for key, value in function(logical)["Environment"]["Variables"].items() if key in secrets}
        for logical in ALWAYS + OF_THE_DATABASE
    }
    assert given == {
        "Process": {"DATABASE_SECRET": secrets["DATABASE_SECRET"]},
        "Sweep": {},
        "Drift": {},
        "Migrate": secrets,
        "Rotate": {"MASTER_SECRET": secrets["MASTER_SECRET"]},
    }


@each_released
def test_without_a_database_no_function_is_in_a_vpc(logical: str) -> None:
    properties = deployment(**EVERYTHING | {"EnableDatabase": "false"})["lambda"].properties(logical)
    assert "VpcConfig" not in properties and "DATABASE_SECRET" not in properties["Environment"]["Variables"]
    assert logical == "Process" or "VpcConfig" not in function(logical)


def test_the_tables_are_migrated_before_the_alias_moves() -> None:
    stacks = deployment(EnableDatabase="true")
    migration = stacks["lambda"].properties("Migration")
    assert migration["ServiceToken"] == stacks["lambda"].arn("Migrate")
    assert (migration["ArtifactDigest"], migration["DatabaseSecretArn"]) == (DIGEST, stacks["database"].ref("Secret"))
    # CloudFormation waits as long as the function may take.
    assert migration["ServiceTimeout"] == function("Migrate")["Timeout"]
    assert stacks["lambda"].ref("Migration") in stacks["lambda"].properties("ProcessAlias")["Description"]
    assert "Description" not in deployment()["lambda"].properties("ProcessAlias")


def test_secrets_manager_rotates_the_users_password_every_month() -> None:
    stacks = deployment(EnableDatabase="true")
    secret, rotate = stacks["database"].ref("Secret"), stacks["lambda"].arn("Rotate")
    assert stacks["rotation"].properties("Schedule") == {
        "SecretId": secret,
        "RotationLambdaARN": rotate,
        # It is new already, and the migration makes the user with it.
        "RotateImmediatelyOnUpdate": False,
        "RotationRules": {"ScheduleExpression": "rate(30 days)"},
    }
    assert stacks["rotation"].properties("Permission") == {
        "FunctionName": rotate,
        "Principal": "secretsmanager.amazonaws.com",
        "Action": "lambda:InvokeFunction",
        "SourceAccount": ACCOUNT,
        "SourceArn": secret,
    }


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
    assert "ReservedConcurrentExecutions" not in function("Process")


def test_what_has_landed_is_looked_for_within_the_hour() -> None:
    """However its age and the schedule's window fall together."""
    schedule = deployment()["sweep"].properties("Schedule")
    [rate] = re.findall(r"rate\((\d+) minutes\)", schedule["ScheduleExpression"])
    [age] = re.findall(r"(?m)^_MIN_AGE = (\d+)$", source("Sweep"))
    assert int(rate) + schedule["FlexibleTimeWindow"]["MaximumWindowInMinutes"] + int(age) / 60 < 60


def test_the_sweep_starts_itself() -> None:
    stacks = deployment()
    alias, schedule = stacks["lambda"].ref("SweepAlias"), stacks["sweep"].properties("Schedule")
    assert stacks["lambda"].properties("SweepAlias")["Name"] == "live"
    assert '_ALIAS = "live"' in source("Sweep")
    assert (schedule["Target"]["Arn"], schedule["Target"]["Input"]) == (alias, "{}")
    assert schedule["Target"]["RoleArn"] == stacks["sweep"].arn("ScheduleRole")
    assert stacks["sweep"].properties("SweepRoleContinue")["Roles"] == [stacks["iam"].ref("SweepRole")]
    # Or Lambda would end a pass after 16 runs: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    assert function("Sweep")["RecursiveLoop"] == "Allow"
    assert "RecursiveLoop" not in function("Process")


def test_drift_is_looked_for_every_week() -> None:
    stacks = deployment()
    schedule = stacks["drift"].properties("Schedule")
    assert schedule["ScheduleExpression"] == "cron(0 6 ? * MON *)"
    assert schedule["Target"]["Arn"] == stacks["lambda"].ref("DriftAlias")
    assert json.loads(schedule["Target"]["Input"]) == {"stack": stacks["root"].name}
    assert schedule["Target"]["RoleArn"] == stacks["drift"].arn("ScheduleRole")
    variables = function("Drift")["Environment"]["Variables"]
    assert variables["TOPIC_ARN"] == stacks["notifications"].ref("AlertTopic")


@pytest.mark.parametrize(
    ("environment", "shift"), [("staging", "LambdaAllAtOnce"), ("production", "LambdaCanary10Percent5Minutes")]
)
def test_a_release_shifts_the_alias_by_codedeploy(environment: str, shift: str) -> None:
    stacks = deployment(environment)
    functions = stacks["lambda"]
    policy = LAMBDA["Resources"]["ProcessAlias"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert policy == {"ApplicationName": {"Ref": "Releases"}, "DeploymentGroupName": {"Ref": "ProcessRelease"}}
    assert functions.properties("Releases") == {"ComputePlatform": "Lambda"}
    release = functions.properties("ProcessRelease")
    assert release["ApplicationName"] == functions.ref("Releases")
    assert release["DeploymentConfigName"] == f"CodeDeployDefault.{shift}"
    # The only style that Lambda has: https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_DeploymentStyle.html
    assert release["DeploymentStyle"] == {
        "DeploymentType": "BLUE_GREEN",
        "DeploymentOption": "WITH_TRAFFIC_CONTROL",
    }
    assert release["ServiceRoleArn"] == stacks["iam"].arn("ReleaseRole")


CANARY_ALARMS = ["NewVersionCrashes", "NewVersionErrors"]


def test_a_release_goes_back_on_an_alarm() -> None:
    functions = deployment()["lambda"]
    release = functions.properties("ProcessRelease")
    alarms = [{"Name": functions.ref(logical)} for logical in CANARY_ALARMS]
    assert release["AlarmConfiguration"] == {"Enabled": True, "Alarms": alarms}
    assert release["AutoRollbackConfiguration"] == {
        "Enabled": True,
        "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
    }


def test_the_alarms_of_a_release_watch_the_new_version_only() -> None:
    functions = deployment()["lambda"]
    version = LAMBDA["Resources"]["ProcessAlias"]["Properties"]["FunctionVersion"]
    dimensions = {
        "NewVersionCrashes": [
            {"Name": "FunctionName", "Value": functions.ref("Process")},
            {"Name": "Resource", "Value": f"{functions.ref('Process')}:live"},
            {"Name": "ExecutedVersion", "Value": "1"},
        ],
        "NewVersionErrors": [
            {"Name": "FunctionName", "Value": functions.ref("Process")},
            {"Name": "Version", "Value": "1"},
        ],
    }
    for logical in CANARY_ALARMS:
        alarm = functions.properties(logical)
        assert alarm["Dimensions"] == dimensions[logical]
        # An alarm that is updated keeps its state; one with another name is another one.
        assert alarm["AlarmName"].startswith(f"{functions.name}-") and alarm["AlarmName"].endswith("-1")
        assert "${ProcessVersion.Version}" in LAMBDA["Resources"][logical]["Properties"]["AlarmName"]["Fn::Sub"]
        assert LAMBDA["Resources"][logical]["Properties"]["Dimensions"][-1]["Value"] == version
        assert (alarm["Statistic"], alarm["Period"]) == ("Sum", 60)
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
        assert alarm["TreatMissingData"] == "notBreaching"
        # A failed release is told of by the pipeline; later errors, by the alarms below where retrying does not help.
        assert not alarm.keys() & {"AlarmActions", "OKActions"}


def test_what_crashes_minutes_after_it_began_is_seen_in_the_five_minutes_of_the_canary() -> None:
    crashes, errors = (deployment()["lambda"].properties(logical) for logical in CANARY_ALARMS)
    # Lambda's metric has the time when the invocation began, the count of the log's lines that of the line.
    assert (crashes["EvaluationPeriods"], crashes["DatapointsToAlarm"]) == (5, 1)
    assert errors["EvaluationPeriods"] == 1


def test_what_the_function_logs_as_an_error_counts_against_its_version() -> None:
    stacks = deployment()
    counted, alarm = stacks["logs"].properties("ProcessErrors"), stacks["lambda"].properties("NewVersionErrors")
    assert counted["LogGroupName"] == stacks["logs"].ref("Process")
    [metric] = counted["MetricTransformations"]
    assert (metric["MetricNamespace"], metric["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])
    assert [one["Key"] for one in metric["Dimensions"]] == [one["Name"] for one in alarm["Dimensions"]]
    assert [one["Value"] for one in metric["Dimensions"]] == ["$.function_name", "$.function_version"]
    # Every LogLevel has it.
    assert '$.level = "ERROR"' in counted["FilterPattern"]
    assert "function_version=context.function_version" in source("Process")


def test_nothing_but_functions_and_what_releases_them_changes_with_the_commits_tag() -> None:
    kinds = {resource["Type"] for resource in LAMBDA["Resources"].values()}
    released = {
        "AWS::CodeDeploy::Application",
        "AWS::CodeDeploy::DeploymentGroup",
        "AWS::CloudWatch::Alarm",
        "Custom::Migration",
    }
    assert {kind for kind in kinds if not kind.startswith("AWS::Lambda::")} == released
