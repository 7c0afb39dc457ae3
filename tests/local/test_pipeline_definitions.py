"""What the local CodePipeline makes of a definition: what it refuses, by name, and what it takes from it."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from local.actions import ActionFailed, Job, Outcome, resolve
from local.providers import PROVIDERS
from support.ci import Ci, action, approval, configure, failed, kept, without_stages_before

SOURCE, BUILD, PREPARE, EXECUTE = ("Source", "Source"), ("Build", "Build"), ("Deploy", "Prepare"), ("Deploy", "Execute")


@pytest.mark.parametrize(
    ("where", "values", "message"),
    [
        (SOURCE, {"OutputArtifactFormat": "CODEBUILD_CLONE_REF"}, "only CODE_ZIP"),
        (SOURCE, {"Unknown": "x"}, "Configuration.Unknown is not supported locally"),
        (BUILD, {"ProjectName": "none"}, "there is no CodeBuild project none"),
        (BUILD, {"ProjectName": ""}, "Configuration.ProjectName is missing"),
        (BUILD, {"BatchEnabled": "true"}, "Configuration.BatchEnabled is not supported locally"),
        (BUILD, {"EnvironmentVariables": "{"}, "EnvironmentVariables is no JSON list"),
        (BUILD, {"EnvironmentVariables": "#{Nowhere.X}"}, "unresolved variable #{Nowhere.X}"),
        (
            BUILD,
            {"EnvironmentVariables": "#{SourceVariables.Nothing}"},
            "unresolved variable #{SourceVariables.Nothing}",
        ),
        (BUILD, {"EnvironmentVariables": "x" * 1001}, "has 1001 characters"),
        (PREPARE, {"ActionMode": "REPLACE_ON_FAILURE"}, "NOT RUN LOCALLY"),
        (PREPARE, {"TemplatePath": "root.yaml"}, "must be Artifact::path"),
        (PREPARE, {"TemplatePath": "BuildArtifact::none.yaml"}, "there is no none.yaml in the artifact BuildArtifact"),
        (PREPARE, {"TemplatePath": "Other::root.yaml"}, "Other is not among the action's InputArtifacts"),
        (PREPARE, {"TemplateConfiguration": "SourceArtifact::settings.sh"}, "TemplateConfiguration is not JSON"),
        (PREPARE, {"ParameterOverrides": "[]"}, "ParameterOverrides is no JSON object"),
        (PREPARE, {"ParameterOverrides": '{"Text": 1}'}, "ParameterOverrides: 1 is neither text"),
        (PREPARE, {"ParameterOverrides": '{"Txt": "x"}'}, "Parameters: [Txt] do not exist in the template"),
        (
            PREPARE,
            {"ParameterOverrides": '{"Text": {"Fn::GetArtifactAtt": ["BuildArtifact", "Size"]}}'},
            "Size is none of",
        ),
        (PREPARE, {"ParameterOverrides": '{"Text": {"Fn::GetArtifactAtt": ["Other", "URL"]}}'}, "Other is not among"),
        (
            PREPARE,
            {"ParameterOverrides": '{"Text": {"Fn::GetParam": ["BuildArtifact", "notes.json", "x"]}}'},
            "has no x",
        ),
        (EXECUTE, {"ChangeSetName": "none"}, "the change set none of product does not exist"),
    ],
)
def test_configuration_that_fails_its_action(
    ci: Ci, deployed: dict, where: tuple[str, str], values: dict, message: str
) -> None:
    action = "/".join(where)
    failing, said = failed(ci.run(configure(*where, **values), providers=without_stages_before(deployed, action)))
    assert failing == action
    assert message in said


def before_entry(result: str, *check: str, provider: str = "VariableCheck") -> dict:
    """A stage's condition; `check` is variable, operator and value."""
    configuration = dict(zip(("Variable", "Operator", "Value"), check, strict=False))
    rule = {"Name": "Rule", "RuleTypeId": {"Provider": provider}, "Configuration": configuration}
    return {"BeforeEntry": {"Conditions": [{"Result": result, "Rules": [rule]}]}}


@pytest.mark.parametrize(
    ("operator", "value", "is_entered"),
    [
        ("EQ", "main", True),
        ("EQ", "other", False),
        ("NE", "main", False),
        ("CONTAINS", "ai", True),
        ("MATCHES", "m.*", True),
        ("MATCHES", "m", False),
    ],
)
def test_a_condition_skips_a_stage(ci: Ci, deployed: dict, operator: str, value: str, is_entered: bool) -> None:
    def change(pipeline: dict) -> None:
        pipeline["Stages"][1].update(before_entry("SKIP", "#{SourceVariables.BranchName}", operator, value))
        del pipeline["Stages"][2]

    execution = ci.run(change, providers=kept(deployed, "CodeStarSourceConnection", "CodeBuild"))
    assert (execution.status, execution.skipped) == ("Succeeded", [] if is_entered else ["Build"])
    assert [item.stage for item in execution.actions] == ["Source", "Build"][: 1 + is_entered]


def test_a_condition_fails_a_stage(ci: Ci, deployed: dict) -> None:
    def change(pipeline: dict) -> None:
        pipeline["Stages"][1].update(before_entry("FAIL", "#{SourceVariables.BranchName}", "EQ", "other"))

    execution = ci.run(change, providers=kept(deployed, "CodeStarSourceConnection"))
    assert (execution.status, len(execution.actions)) == ("Failed", 1)
    assert execution.message == (
        "the stage Build was not entered: #{SourceVariables.BranchName} is main, which is not EQ other"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda pipeline: pipeline["Stages"][0].update(OnFailure={"Result": "ROLLBACK"}),
            "OnFailure of the stage Source",
        ),
        (
            lambda pipeline: pipeline["Stages"][2].update(before_entry("FAIL", provider="LambdaInvoke")),
            "the rule LambdaInvoke",
        ),
        (
            lambda pipeline: pipeline["Stages"][2].update(before_entry("RETRY")),
            "a condition with the result RETRY",
        ),
        (lambda pipeline: pipeline.update(ArtifactStores=[{}]), "ArtifactStores of the pipeline"),
    ],
)
def test_structure_that_is_not_run_here_fails_by_name(ci: Ci, deployed: dict, change: Callable, message: str) -> None:
    execution = ci.run(change, providers=kept(deployed, "CodeStarSourceConnection", "CodeBuild"))
    assert execution.status == "Failed" and "NOT RUN LOCALLY" in execution.message and message in execution.message


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"TimeoutInMinutes": 5}, "TimeoutInMinutes of the action"),
        ({"Region": "eu-west-1"}, "the action is in eu-west-1"),
    ],
)
def test_declarations_that_are_not_run_here_fail_by_name(fresh: Ci, declared: dict, message: str) -> None:
    where, said = failed(fresh.run(lambda pipeline: action(pipeline, "Source", "Source").update(declared)))
    assert where == "Source/Source" and "NOT RUN LOCALLY" in said and message in said


def test_an_unknown_provider_is_not_run_and_a_registered_one_is(fresh: Ci) -> None:
    def change(pipeline: dict) -> None:
        pipeline["Stages"][1]["Actions"] = [approval(ActionTypeId={"Provider": "Jenkins"})]
        del pipeline["Stages"][2]

    assert failed(fresh.run(change)) == ("Build/Approve", "NOT RUN LOCALLY: there is no provider Jenkins here")

    asked = []

    def manual(job: Job) -> Outcome:
        asked.append(job.configuration["CustomData"])
        return Outcome(message="approved")

    execution = fresh.run(change, providers={**PROVIDERS, "Jenkins": manual})
    assert (execution.status, asked, execution.actions[-1].message) == ("Succeeded", ["main: ok?"], "approved")


def test_nobody_is_there_to_be_asked(fresh: Ci) -> None:
    # A terminal of whoever runs the tests is not one.
    script = (
        "import json, sys; from local.providers import approval\n"
        "try: approval._at_the_terminal({'pipeline': 'p', 'summary': 's'})\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert done.stdout == "NOT RUN LOCALLY: there is no terminal to ask at\n"


def test_resolve() -> None:
    variables = {"A-1": {"x": "1"}, "codepipeline": {"PipelineExecutionId": "id"}}
    assert resolve("#{A-1.x}#{codepipeline.PipelineExecutionId} ${x} #{", variables) == "1id ${x} #{"
    with pytest.raises(ActionFailed, match="unresolved variable #{A-1.y}"):
        resolve("#{A-1.y}", variables)
