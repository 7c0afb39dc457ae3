"""The pipeline: its stages fit together, and fit the build and the root template."""

import json
import re

import pytest
import yaml

from delivery import bootstrap
from templates.cfn import FILES, ROOT, deployment, load

STACKS = deployment(alert_email="ops@example.org")
PIPELINE = STACKS["pipeline"]
DEFINITION = PIPELINE.properties("Pipeline")
ACTIONS = {action["Name"]: action for stage in DEFINITION["Stages"] for action in stage["Actions"]}
BUILDSPEC = yaml.safe_load((ROOT / "buildspec.yml").read_text())


def overrides() -> dict[str, str]:
    return json.loads(ACTIONS["CreateChangeSet"]["Configuration"]["ParameterOverrides"])


def test_the_stages_and_their_actions() -> None:
    stages = [
        (stage["Name"], [(action["Name"], action["ActionTypeId"]["Provider"]) for action in stage["Actions"]])
        for stage in DEFINITION["Stages"]
    ]
    assert stages == [
        ("Source", [("Source", "CodeStarSourceConnection")]),
        ("Build", [("Build", "CodeBuild")]),
        ("Deploy", [("CreateChangeSet", "CloudFormation"), ("ExecuteChangeSet", "CloudFormation")]),
    ]
    assert [ACTIONS[name]["RunOrder"] for name in ("CreateChangeSet", "ExecuteChangeSet")] == [1, 2]
    assert (DEFINITION["PipelineType"], DEFINITION["ExecutionMode"]) == ("V2", "QUEUED")


def test_a_push_to_the_branch_starts_it() -> None:
    [trigger] = DEFINITION["Triggers"]
    assert trigger["GitConfiguration"] == {
        "SourceActionName": "Source",
        "Push": [{"Branches": {"Includes": ["main"]}}],
    }
    assert ACTIONS["Source"]["Configuration"] == {
        "ConnectionArn": PIPELINE.ref("Connection"),
        "FullRepositoryId": "example/sluice",
        "BranchName": "main",
        "OutputArtifactFormat": "CODE_ZIP",
    }


def test_an_authorised_connection_is_used_as_it_is() -> None:
    arn = "arn:aws:codeconnections:us-east-1:000000000000:connection/" + "a" * 36
    pipeline = deployment(connection_arn=arn)["pipeline"]
    assert "Connection" not in pipeline.resources
    assert pipeline.properties("Pipeline")["Stages"][0]["Actions"][0]["Configuration"]["ConnectionArn"] == arn
    assert pipeline.outputs["ConnectionArn"] == arn


def test_every_variable_comes_from_an_earlier_action() -> None:
    known = {("SourceVariables", "CommitId")}
    known |= {("Build", name) for name in BUILDSPEC["env"]["exported-variables"]}
    used = set(re.findall(r"#\{(\w+)\.(\w+)\}", json.dumps(DEFINITION)))
    assert used == known
    assert {action["Namespace"] for action in ACTIONS.values() if "Namespace" in action} == {"SourceVariables", "Build"}


def test_the_build_is_told_the_commit_and_the_bucket() -> None:
    [variable] = json.loads(ACTIONS["Build"]["Configuration"]["EnvironmentVariables"])
    assert variable == {"name": "COMMIT_ID", "type": "PLAINTEXT", "value": "#{SourceVariables.CommitId}"}
    assert ACTIONS["Build"]["Configuration"]["ProjectName"] == PIPELINE.ref("Build")
    environment = PIPELINE.properties("Build")["Environment"]
    assert environment["EnvironmentVariables"] == [{"Name": "ARTIFACT_BUCKET", "Value": PIPELINE.ref("Artifacts")}]


def test_the_build_runs_on_the_functions_architecture_without_privileges() -> None:
    environment = PIPELINE.properties("Build")["Environment"]
    assert STACKS["lambda"].properties("Process")["Architectures"] == ["arm64"]
    assert (environment["Type"], environment["PrivilegedMode"]) == ("ARM_CONTAINER", False)
    assert "aarch64" in environment["Image"] and not environment["Image"].endswith("latest")
    runtime = STACKS["lambda"].properties("Process")["Runtime"]
    assert runtime == "python" + BUILDSPEC["phases"]["install"]["runtime-versions"]["python"]


def test_the_build_logs_into_a_declared_group() -> None:
    logs = PIPELINE.properties("Build")["LogsConfig"]
    assert logs == {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": PIPELINE.ref("BuildLog")}}


def test_the_change_set_is_made_of_what_was_built_and_pushed() -> None:
    action = ACTIONS["CreateChangeSet"]
    files = BUILDSPEC["artifacts"]["files"]
    assert action["Configuration"]["TemplatePath"] == f"Build::{files[0]}" and len(files) == 1
    assert action["Configuration"]["TemplateConfiguration"] == "Source::environments/staging.json"
    assert [artifact["Name"] for artifact in action["InputArtifacts"]] == ["Build", "Source"]
    assert action["Configuration"]["Capabilities"] == "CAPABILITY_IAM"
    assert action["Configuration"]["RoleArn"] == PIPELINE.arn("CloudFormationRole")


def test_what_is_executed_is_the_change_set_that_was_made() -> None:
    made, executed = (ACTIONS[name]["Configuration"] for name in ("CreateChangeSet", "ExecuteChangeSet"))
    assert (made["ActionMode"], executed["ActionMode"]) == ("CHANGE_SET_REPLACE", "CHANGE_SET_EXECUTE")
    assert executed.items() - {("ActionMode", "CHANGE_SET_EXECUTE")} <= made.items()
    assert made["StackName"] == PIPELINE.outputs["ApplicationStack"] == STACKS["root"].name


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_every_parameter_of_the_root_template_is_set_once(environment: str) -> None:
    settings = json.loads((ROOT / "environments" / f"{environment}.json").read_text())["Parameters"]
    assert not set(settings) & set(overrides())
    assert set(settings) | set(overrides()) == set(load("root")["Parameters"])


def test_the_parameters_fit_what_codepipeline_takes() -> None:
    """1 KB: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CloudFormation.html"""
    longest = {"ArtifactBucket": "b" * 63, "ArtifactDigest": "d" * 64, "CommitId": "c" * 64, "AlertEmail": "e" * 254}
    assert longest.keys() == overrides().keys()
    assert len(json.dumps(longest)) <= 1024


def test_an_address_cannot_break_out_of_the_parameters() -> None:
    pattern = load("pipeline")["Parameters"]["AlertEmail"]["AllowedPattern"]
    for address in ('a@b.co", "Environment": "production', "a@b.co\\", "#{Build.X}@b.co", "a b@c.de", "a@b"):
        assert not re.search(pattern, address)
    assert re.search(pattern, "first.last+sluice@mail.example.org") and re.search(pattern, "")


def test_run_artifacts_expire_and_nothing_that_is_deployed_does() -> None:
    rules = PIPELINE.properties("Artifacts")["LifecycleConfiguration"]["Rules"]
    [rule] = [rule for rule in rules if "ExpirationInDays" in rule]
    assert rule["ExpirationInDays"] == 30
    assert f"{PIPELINE.ref('Pipeline')[:20]}/Source/a1B2c3D".startswith(rule["Prefix"])
    for key in ("artifacts/", "templates/", "releases/"):
        assert not key.startswith(rule["Prefix"]) and not rule["Prefix"].startswith(key)


@pytest.mark.parametrize("environment", bootstrap.ENVIRONMENTS)
def test_the_pipelines_stack_is_out_of_reach_of_its_cloudformation_role(environment: str) -> None:
    """Whose rights go by names that begin with the application's stack's."""
    pipeline = deployment(environment)["pipeline"]
    assert pipeline.name == f"sluice-pipeline-{environment}"
    assert not pipeline.name.startswith(pipeline.outputs["ApplicationStack"])


def test_bootstrap_deploys_this_template_and_knows_its_environments() -> None:
    assert bootstrap.TEMPLATE == FILES["pipeline"]
    assert list(bootstrap.ENVIRONMENTS) == load("pipeline")["Parameters"]["Environment"]["AllowedValues"]
