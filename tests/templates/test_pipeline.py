"""The pipeline: its stages fit together, and fit the build and the root template."""

import json
import re
from pathlib import Path

import pytest
import yaml

from delivery import bootstrap, configuration, prefix_lists
from delivery.changes import Change
from templates.cfn import FILES, ROOT, deployment, load

STACKS = deployment(alert_email="ops@example.org")
PIPELINE = STACKS["pipeline"]
DEFINITION = PIPELINE.properties("Pipeline")
ACTIONS = {action["Name"]: action for stage in DEFINITION["Stages"] for action in stage["Actions"]}
BUILDSPEC = yaml.safe_load((ROOT / "buildspec.yml").read_text())
PLAN_BUILDSPEC = yaml.safe_load((ROOT / "buildspec-plan.yml").read_text())
PRODUCTION = deployment("production")["pipeline"].properties("Pipeline")
STAGES = {stage["Name"]: stage for stage in PRODUCTION["Stages"]}


def variables(project: str) -> set[str]:
    """The environment variables that a project's buildspec can use."""
    given = json.loads(ACTIONS[project]["Configuration"].get("EnvironmentVariables", "[]"))
    own = PIPELINE.properties(project)["Environment"]["EnvironmentVariables"]
    return {one["name"] for one in given} | {one["Name"] for one in own}


def commands(buildspec: str) -> str:
    return "\n".join(yaml.safe_load((ROOT / buildspec).read_text())["phases"]["build"]["commands"])


def plan_parameters() -> set[str]:
    """The parameters of root.yaml that the plan sets."""
    return set(re.findall(r'--parameter "(\w+)=', commands("buildspec-plan.yml")))


def entry(stage: str) -> tuple[str, str, str, str]:
    """(result, variable, operator, value) of the condition of entering a stage."""
    [condition] = STAGES[stage]["BeforeEntry"]["Conditions"]
    [rule] = condition["Rules"]
    assert rule["RuleTypeId"]["Provider"] == "VariableCheck"
    check = rule["Configuration"]
    return condition["Result"], check["Variable"], check["Operator"], check["Value"]


def test_the_stages_and_their_actions() -> None:
    stages = [
        (stage["Name"], [(action["Name"], action["ActionTypeId"]["Provider"]) for action in stage["Actions"]])
        for stage in DEFINITION["Stages"]
    ]
    assert stages == [
        ("Source", [("Source", "CodeStarSourceConnection")]),
        ("SelfUpdate", [("Update", "CodeBuild")]),
        ("Build", [("Build", "CodeBuild")]),
        ("Plan", [("Plan", "CodeBuild")]),
        ("Release", [("Deploy", "CloudFormation"), ("Smoke", "CodeBuild")]),
    ]
    assert [ACTIONS[name]["RunOrder"] for name in ("Deploy", "Smoke")] == [1, 2]
    assert (DEFINITION["PipelineType"], DEFINITION["ExecutionMode"]) == ("V2", "SUPERSEDED")


def test_in_production_somebody_approves_what_is_more_than_code() -> None:
    assert list(STAGES) == ["Source", "SelfUpdate", "Build", "Plan", "Approve", "Release"]
    assert entry("Approve") == ("SKIP", "#{Plan.LANE}", "EQ", "infrastructure")
    [approve] = STAGES["Approve"]["Actions"]
    assert approve["ActionTypeId"]["Provider"] == "Manual"
    assert approve["Configuration"]["CustomData"] == "#{Plan.PLAN_SUMMARY}"
    assert approve["Configuration"]["ExternalEntityLink"].startswith("https://")


def test_nothing_is_released_where_nothing_changes() -> None:
    assert entry("Release") == ("SKIP", "#{Plan.LANE}", "NE", "none")


def test_an_update_of_the_pipeline_starts_it_again_once_all_else_is_updated() -> None:
    """Or what fails after it would start it over and over: each rollback is an update of the pipeline, too."""
    assert DEFINITION["RestartExecutionOnUpdate"] is True
    resources = load("pipeline")["Resources"]

    def needed(logical: str) -> set[str]:
        text = json.dumps(resources[logical])
        named = set(re.findall(r'"(?:Ref|Fn::GetAtt)": (?:\[)?"(\w+)"', text)) | set(re.findall(r"\$\{(\w+)", text))
        direct = (named | set(resources[logical].get("DependsOn", []))) & set(resources)
        return direct.union(*map(needed, direct))

    # Nothing may depend on what a condition leaves out; a push does not change an address.
    assert needed("Pipeline") == set(resources) - {"Pipeline", "AlertMail"}


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
    known |= {("Plan", name) for name in PLAN_BUILDSPEC["env"]["exported-variables"]}
    used = set(re.findall(r"#\{(\w+)\.(\w+)\}", json.dumps(PRODUCTION)))
    # The address of the plan is for pull requests: an approver's link is made of its name.
    assert used == known - {("Plan", "PLAN_URL")}
    assert {action["Namespace"] for action in ACTIONS.values() if "Namespace" in action} == {
        "SourceVariables", "Build", "Plan"
    }  # fmt: skip


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


def test_the_plan_is_made_of_what_was_built_and_pushed() -> None:
    assert [artifact["Name"] for artifact in ACTIONS["Plan"]["InputArtifacts"]] == ["Source", "Build"]
    assert ACTIONS["Plan"]["Configuration"]["PrimarySource"] == "Source"
    assert '--template "$CODEBUILD_SRC_DIR_Build/root.yaml"' in commands("buildspec-plan.yml")
    assert BUILDSPEC["artifacts"]["files"] == ["root.yaml"]


@pytest.mark.parametrize("project", ["Update", "Plan", "Smoke"])
def test_every_variable_of_a_buildspec_is_set(project: str) -> None:
    used = set(re.findall(r"\$(\w+)", commands(f"buildspec-{project.lower()}.yml")))
    assert used - {"CODEBUILD_SRC_DIR_Build"} == variables(project)


def test_what_is_executed_is_the_change_set_that_was_planned() -> None:
    assert ACTIONS["Deploy"]["Configuration"] == {
        "ActionMode": "CHANGE_SET_EXECUTE",
        "StackName": PIPELINE.outputs["ApplicationStack"],
        "ChangeSetName": "#{Plan.CHANGE_SET}",
    }
    assert ACTIONS["Deploy"]["RoleArn"] == STACKS["target"].arn("DeployRole")
    # A key that both accounts may use would be needed to hand artifacts over.
    assert not {"InputArtifacts", "OutputArtifacts"} & set(ACTIONS["Deploy"])
    assert PIPELINE.outputs["ApplicationStack"] == STACKS["root"].name


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_every_parameter_of_the_root_template_is_set_once(environment: str) -> None:
    settings = json.loads((ROOT / "environments" / f"{environment}.json").read_text())["Parameters"]
    assert not set(settings) & plan_parameters()
    assert set(settings) | plan_parameters() | set(prefix_lists.SERVICES) == set(load("root")["Parameters"])


def test_productions_policy_keeps_the_nested_stacks_that_hold_data() -> None:
    settings = configuration.read(ROOT / "environments" / "production.json")
    [kept, allowed] = settings["StackPolicy"]["Statement"]
    assert (kept["Effect"], set(kept["Action"])) == ("Deny", {"Update:Replace", "Update:Delete"})
    assert allowed == configuration.ALLOW_ALL
    holding = {
        logical
        for logical, nested in load("root")["Resources"].items()
        for resource in load(Path(nested["Properties"]["TemplateURL"]).stem)["Resources"].values()
        if Change("", resource["Type"], "").is_stateful
    }
    assert {resource.removeprefix("LogicalResourceId/") for resource in kept["Resource"]} == holding
    assert configuration.read(ROOT / "environments" / "staging.json")["StackPolicy"]["Statement"] == [allowed]


def test_run_artifacts_expire_and_nothing_that_is_deployed_does() -> None:
    rules = PIPELINE.properties("Artifacts")["LifecycleConfiguration"]["Rules"]
    expiring = [rule for rule in rules if "ExpirationInDays" in rule]
    assert [rule["ExpirationInDays"] for rule in expiring] == [30, 30]
    assert f"{PIPELINE.ref('Pipeline')[:20]}/Source/a1B2c3D".startswith(expiring[0]["Prefix"])
    assert expiring[1]["Prefix"] == "pull-requests/"
    for rule in expiring:
        for key in ("artifacts/", "templates/", "releases/", "tested/", "good/"):
            assert not key.startswith(rule["Prefix"]) and not rule["Prefix"].startswith(key)


@pytest.mark.parametrize("environment", bootstrap.ENVIRONMENTS)
def test_the_pipelines_stack_is_out_of_reach_of_its_cloudformation_role(environment: str) -> None:
    """Whose rights go by names that begin with the application's stack's."""
    stacks = deployment(environment)
    assert stacks["pipeline"].name == f"sluice-pipeline-{environment}"
    for name in ("boundary", "pipeline", "target"):
        assert not stacks[name].name.startswith(stacks["pipeline"].outputs["ApplicationStack"])


def test_bootstrap_deploys_these_templates_and_knows_their_environments() -> None:
    assert (bootstrap.PIPELINE, bootstrap.TARGET) == (FILES["pipeline"], FILES["target"])
    assert bootstrap.BOUNDARY == FILES["boundary"]
    for name in ("boundary", "pipeline", "target"):
        assert list(bootstrap.ENVIRONMENTS) == load(name)["Parameters"]["Environment"]["AllowedValues"]


def test_every_output_of_the_target_is_a_parameter_of_the_pipeline() -> None:
    """As which scripts/bootstrap passes them on."""
    put_out = {*load("target")["Outputs"], *load("boundary")["Outputs"]}
    assert put_out == {key for key in load("pipeline")["Parameters"] if key.endswith(("RoleArn", "BoundaryArn"))}
