"""The local CodePipeline: a real push to a bare repository, run against the local cloud."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from local import codepipeline
from local.actions import ActionFailed, Job, Outcome, Revision, resolve
from local.cloud import Cloud, start
from local.codepipeline import PipelineExecution, run_pipeline
from local.providers import PROVIDERS, stack
from local.providers.source import git
from local.triggers import starts

FIXTURES = Path(__file__).parent / "fixtures"
PIPELINE = "a-pipeline-with-a-long-name"
TRUSTS_NOBODY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)

NO_CODE = (
    "{Type: AWS::Lambda::Function, Properties: {Role: 'arn:aws:iam::111122223333:role/any', Runtime: python3.13, "
    "Handler: a.b, Code: {S3Bucket: no-such-bucket, S3Key: code.zip}}}"
)


class Ci:
    """A local cloud with the pipeline of fixtures/pipeline.yaml, its repository, and a checkout."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        cloudformation = cloud.client("cloudformation")
        cloudformation.create_stack(
            StackName="ci", TemplateBody=(FIXTURES / "pipeline.yaml").read_text(), Capabilities=["CAPABILITY_IAM"]
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="ci", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )
        self.resources = {
            item["LogicalResourceId"]: item["PhysicalResourceId"]
            for item in cloudformation.describe_stack_resources(StackName="ci")["StackResources"]
        }
        self.repository = codepipeline.create_repository(cloud.folder / "product.git", cloud)
        self.checkout = folder
        self.output = ""
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, **environment: str) -> str:
        identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *identity, "-C", str(self.checkout), *arguments],
            text=True,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        return done.stdout

    def commit(self, message: str = "a change", **files: str) -> str:
        """Commit the fixture's source with some files replaced; the names have __ for / and _ for the dot."""
        for path in self.checkout.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(FIXTURES / "source", self.checkout, dirs_exist_ok=True)
        for name, content in files.items():
            (self.checkout / name.replace("__", "/").replace("_", ".")).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def push(self, branch: str = "main", **environment: str) -> PipelineExecution | None:
        """Push HEAD; the execution that this started, if any. `output` is what git printed."""
        before = self.executions()
        self.output = self.git("push", "--force", str(self.repository), f"HEAD:refs/heads/{branch}", **environment)
        return next((found for key, found in self.executions().items() if key not in before), None)

    def executions(self) -> dict[str, dict]:
        return {path.stem: json.loads(path.read_text()) for path in (self.cloud.folder / "executions").glob("*.json")}

    def definition(self) -> dict:
        return json.loads((self.cloud.folder / "pipelines" / f"{PIPELINE}.json").read_text())

    def run(self, change: Callable[[dict], object] = lambda definition: None, **arguments: object) -> PipelineExecution:
        """Run a changed definition on the pushed commit without a push."""
        definition = self.definition()
        change(definition)
        path = self.cloud.folder / "pipelines" / "variant.json"
        path.write_text(json.dumps(definition))
        try:
            commit = self.git("rev-parse", "HEAD").strip()
            subprocess.run(
                ["git", "-C", str(self.repository), "fetch", "--quiet", str(self.checkout), "HEAD"], check=True
            )
            self.lines: list[str] = []
            return run_pipeline(
                self.cloud, "variant", Revision(self.repository, "main", commit), self.lines.append, **arguments
            )
        finally:
            path.unlink()

    def setting(self, name: str = "/product/setting") -> str:
        return self.cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]

    def artifact(self, execution: dict, name: str) -> zipfile.ZipFile:
        where = execution["artifacts"][name]
        body = self.cloud.client("s3").get_object(Bucket=where["bucket"], Key=where["key"])["Body"].read()
        return zipfile.ZipFile(io.BytesIO(body))

    def product(self) -> dict:
        return self.cloud.client("cloudformation").describe_stacks(StackName="product")["Stacks"][0]


@pytest.fixture(scope="module")
def ci(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ci]:
    with start() as cloud:
        yield Ci(cloud, tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def deployed(ci: Ci) -> dict:
    """The execution that created the product's stack; `LEAK` was set where git pushed."""
    ci.commit("First\n\nwith a body")
    return ci.push(LEAK="seen", AWS_PROFILE="theirs")


@pytest.fixture
def fresh(ci: Ci, deployed: dict) -> Ci:
    """The same, with the checkout's HEAD on the fixture's own source."""
    ci.commit()
    return ci


def kept(execution: dict, *providers: str) -> dict:
    """PROVIDERS, but these do nothing again: their artifacts and variables are those of an earlier execution."""
    namespaces = {"CodeStarSourceConnection": "SourceVariables", "CodeBuild": "Build"}

    def provider(name: str) -> Callable[[Job], Outcome]:
        def run(job: Job) -> Outcome:
            job.artifacts.update({name: execution["artifacts"][name] for name in job.outputs})
            return Outcome(execution["variables"][namespaces[name]])

        return run

    return {**PROVIDERS, **{name: provider(name) for name in providers}}


def without_stages_before(execution: dict, action: str) -> dict:
    """Providers that do nothing again in the stages before the action's."""
    return kept(
        execution,
        *{"Source": (), "Build": ("CodeStarSourceConnection",)}.get(
            action.partition("/")[0], ("CodeStarSourceConnection", "CodeBuild")
        ),
    )


def failed(execution: PipelineExecution | dict) -> tuple[str, str]:
    """(stage/action that failed, message)."""
    actions = execution["actions"] if isinstance(execution, dict) else [vars(item) for item in execution.actions]
    (one,) = [item for item in actions if item["status"] == "Failed"]
    return f"{one['stage']}/{one['action']}", one["message"]


# --- what a push does -------------------------------------------------------------------------


def test_a_push_runs_the_stages_of_the_definition(ci: Ci, deployed: dict) -> None:
    assert (deployed["status"], deployed["pipeline"], deployed["branch"]) == ("Succeeded", PIPELINE, "main")
    assert [(item["stage"], item["action"], item["status"]) for item in deployed["actions"]] == [
        ("Source", "Source", "Succeeded"),
        ("Build", "Build", "Succeeded"),
        ("Deploy", "Prepare", "Succeeded"),
        ("Deploy", "Execute", "Succeeded"),
    ]
    assert ci.product()["StackStatus"] == "CREATE_COMPLETE"


def test_variables_of_the_source(deployed: dict) -> None:
    variables = deployed["variables"]["SourceVariables"]
    assert variables.pop("AuthorDate").endswith("Z")
    assert variables.pop("ConnectionArn").startswith("arn:aws:codeconnections:")
    assert variables == {
        "CommitId": deployed["commit"],
        "BranchName": "main",
        "CommitMessage": "First\n\nwith a body",
        "FullRepositoryName": "example/product",
    }


def test_artifacts_are_in_the_store_under_shortened_names(ci: Ci, deployed: dict) -> None:
    assert {name: where["key"].rsplit("/", 1)[0] for name, where in deployed["artifacts"].items()} == {
        "SourceArtifact": "a-pipeline-with-a-lo/SourceArti",
        "BuildArtifact": "a-pipeline-with-a-lo/BuildArtif",
        "Outputs": "a-pipeline-with-a-lo/Outputs",
    }
    assert "ci/buildspec.yml" in ci.artifact(deployed, "SourceArtifact").namelist()
    assert json.loads(ci.artifact(deployed, "Outputs").read("outputs.json")) == deployed["variables"]["Product"]


def test_parameters_tags_and_policy_of_the_stack(ci: Ci, deployed: dict) -> None:
    # Text: ParameterOverrides win over the template configuration; Note: Fn::GetParam.
    assert ci.setting() == "first INFO from the build"
    assert ci.setting("/product/nested") == "first"
    assert ci.product()["Tags"] == [{"Key": "team", "Value": "product"}]
    policy = ci.cloud.client("cloudformation").get_stack_policy(StackName="product")["StackPolicyBody"]
    assert json.loads(policy)["Statement"][0]["Action"] == "Update:*"


def test_environment_of_the_build(ci: Ci, deployed: dict) -> None:
    text = ci.artifact(deployed, "BuildArtifact").read("environment.txt").decode()
    environment = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    project = ci.resources["Build"]
    build_id = environment["CODEBUILD_BUILD_ID"]
    source = deployed["artifacts"]["SourceArtifact"]
    assert deployed["actions"][1]["external_id"] == build_id and build_id.startswith(f"{project}:")
    expected = {
        "ARTIFACT_BUCKET": ci.resources["Artifacts"],
        "ARTIFACT_TARGET": "local",
        "AWS_DEFAULT_REGION": ci.cloud.region,
        "AWS_REGION": ci.cloud.region,
        "CODEBUILD_BUILD_ARN": f"arn:aws:codebuild:{ci.cloud.region}:{ci.cloud.account}:build/{build_id}",
        "CODEBUILD_BUILD_IMAGE": "aws/codebuild/amazonlinux-aarch64-standard:3.0",
        "CODEBUILD_BUILD_NUMBER": "1",
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_INITIATOR": f"codepipeline/{PIPELINE}",
        "CODEBUILD_LOG_PATH": build_id.split(":")[1],
        "CODEBUILD_RESOLVED_SOURCE_VERSION": deployed["commit"],
        "CODEBUILD_SOURCE_VERSION": f"arn:aws:s3:::{source['bucket']}/{source['key']}",
        "COMMIT": deployed["commit"],
        "GREETING": f"hello {deployed['id']}",
        "PWD": environment["CODEBUILD_SRC_DIR"],
        "SLUICE_VENV": sys.prefix,
    }
    assert {name: environment.get(name) for name in expected} == expected
    assert {"LEAK", "AWS_PROFILE", "CI", "CODEBUILD_KMS_KEY_ID", "GIT_DIR"}.isdisjoint(environment)
    root = ci.cloud.environment()
    assert environment["AWS_ACCESS_KEY_ID"] != root["AWS_ACCESS_KEY_ID"]
    assert root["AWS_SECRET_ACCESS_KEY"] not in text


def test_each_part_ran_as_its_own_role(ci: Ci, deployed: dict) -> None:
    roles = {ci.resources[name]: name for name in ("PipelineRole", "BuildRole")}
    allowed = {
        (roles.get(one["role"]), one["action"], one["resource"])
        for one in ci.cloud.decisions()
        if one["decision"] == "Allow"
    }
    objects = {name: f"arn:aws:s3:::{made['bucket']}/{made['key']}" for name, made in deployed["artifacts"].items()}
    assert {
        ("PipelineRole", "s3:PutObject", objects["SourceArtifact"]),
        ("BuildRole", "s3:GetObject", objects["SourceArtifact"]),
        ("BuildRole", "s3:PutObject", objects["BuildArtifact"]),
        ("PipelineRole", "s3:GetObject", objects["BuildArtifact"]),
        ("PipelineRole", "s3:PutObject", objects["Outputs"]),
    } <= allowed
    actions = {(role, action) for role, action, _ in allowed}
    assert {("PipelineRole", "codebuild:StartBuild"), ("PipelineRole", "cloudformation:ExecuteChangeSet")} <= actions


def test_an_identical_tree_executes_nothing_and_git_push_shows_the_progress(fresh: Ci) -> None:
    before = fresh.product()
    execution = fresh.push()
    remote = [
        line.removeprefix("remote: ").rstrip() for line in fresh.output.splitlines() if line.startswith("remote:")
    ]
    assert "Build/Build (CodeBuild) started" in remote
    assert "  building first as codepipeline/a-pipeline-with-a-long-name" in remote
    assert any(line.startswith("Build/Build Succeeded in ") for line in remote)
    assert remote[-1].startswith(f"Pipeline {PIPELINE} Succeeded in ")
    assert execution["status"] == "Succeeded"
    assert [item["message"] for item in execution["actions"][2:]] == [
        "release on product: no changes",
        "release on product: no changes, nothing executed",
    ]
    assert fresh.product() == before
    assert execution["variables"]["Product"]["Setting"] == "/product/setting"


def test_a_changed_tree_updates_the_stack(fresh: Ci) -> None:
    fresh.commit(settings_sh="TEXT=second\n")
    assert fresh.push()["status"] == "Succeeded"
    assert fresh.setting() == "second INFO from the build"


def test_a_failing_build_deploys_nothing(fresh: Ci) -> None:
    before = fresh.product()
    commit = fresh.commit(settings_sh="TEXT=broken\necho something went wrong >&2\nexit 4\n")
    execution = fresh.push()
    assert execution["status"] == "Failed"
    action, message = failed(execution)
    assert action == "Build/Build" and "Reason: exit status 4" in message
    assert "something went wrong" in execution["actions"][-1]["log"]
    assert [item["stage"] for item in execution["actions"]] == ["Source", "Build"]
    assert f"Pipeline {PIPELINE} Failed in" in fresh.output and "Build/Build: the build" in fresh.output
    assert fresh.product() == before
    assert fresh.git("ls-remote", str(fresh.repository), "main").split()[0] == commit, "the push itself stays"


def test_a_failing_nested_resource_is_named_and_rolled_back(fresh: Ci) -> None:
    before = fresh.setting(), fresh.setting("/product/nested")
    child = (FIXTURES / "source" / "child.yaml").read_text()
    for number, name in enumerate(("Wrong", "Mistaken")):
        fresh.commit(
            child_yaml=child.replace("Outputs:", f"  {name}: {NO_CODE}\nOutputs:"), settings_sh=f"TEXT={number}\n"
        )
        execution = fresh.run()
        action, message = failed(execution)
        assert action == "Deploy/Execute"
        assert "UPDATE_ROLLBACK_COMPLETE" in message and f"{name} (AWS::Lambda::Function)" in message
        assert any("Nested (AWS::CloudFormation::Stack)" in line for line in fresh.lines)
        assert (fresh.setting(), fresh.setting("/product/nested")) == before
    assert not any("Wrong" in line for line in fresh.lines), "the failure of the execution before is no news"


def test_pushes_that_start_nothing(fresh: Ci) -> None:
    assert fresh.push("topic") is None
    assert "No pipeline watches this push to topic: nothing started" in fresh.output
    fresh.git("tag", "--force", "v1")
    assert "refs/tags/v1: no branch was pushed" in fresh.git("push", "--force", str(fresh.repository), "v1")
    assert "refs/heads/topic: no branch was pushed" in fresh.git("push", str(fresh.repository), ":topic")
    assert fresh.push("release/1")["branch"] == "release/1"


# --- roles ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "denied", "action"),
    [
        ("PipelineRole", "s3:PutObject", "Source/Source"),
        ("PipelineRole", "codeconnections:UseConnection", "Source/Source"),
        ("PipelineRole", "codebuild:StartBuild", "Build/Build"),
        ("BuildRole", "s3:GetObject", "Build/Build"),
        ("BuildRole", "s3:PutObject", "Build/Build"),
        ("PipelineRole", "s3:GetObject", "Deploy/Prepare"),
        ("PipelineRole", "iam:PassRole", "Deploy/Prepare"),
        ("PipelineRole", "cloudformation:CreateChangeSet", "Deploy/Prepare"),
        ("PipelineRole", "cloudformation:DescribeStacks", "Deploy/Prepare"),
    ],
)
def test_a_missing_permission_fails_the_action_that_needs_it(
    ci: Ci, deployed: dict, role: str, denied: str, action: str
) -> None:
    iam, name = ci.cloud.client("iam"), ci.resources[role]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": denied, "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="deny", PolicyDocument=json.dumps(policy))
    try:
        where, message = failed(ci.run(providers=without_stages_before(deployed, action)))
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="deny")
    assert where == action
    # The build's own upload is refused before that of its artifact.
    assert denied in message or (denied == "s3:PutObject" and "Reason: exit status 1" in message)


@pytest.mark.parametrize(
    ("role", "service", "action"),
    [
        ("PipelineRole", "codepipeline", "Source/Source"),
        ("BuildRole", "codebuild", "Build/Build"),
        ("CloudFormationRole", "cloudformation", "Deploy/Prepare"),
    ],
)
def test_a_role_must_trust_its_service(ci: Ci, deployed: dict, role: str, service: str, action: str) -> None:
    iam, name = ci.cloud.client("iam"), ci.resources[role]
    before = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=TRUSTS_NOBODY)
    try:
        where, message = failed(ci.run(providers=without_stages_before(deployed, action)))
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(before))
    assert where == action and f"{service}.amazonaws.com may not assume" in message


def test_an_action_s_own_role_is_the_one_that_acts(ci: Ci, deployed: dict) -> None:
    name = ci.resources["DeployRole"]
    role = ci.cloud.client("iam").get_role(RoleName=name)["Role"]["Arn"]
    execution = ci.run(
        lambda pipeline: prepare(pipeline).update(RoleArn=role),
        providers=without_stages_before(deployed, "Deploy/Prepare"),
    )
    where, message = failed(execution)
    assert where == "Deploy/Prepare" and role in message and "iam:PassRole" in message
    assert (name, "s3:GetObject") in {(one["role"], one["action"]) for one in ci.cloud.decisions()}


# --- what is refused, and what an action's configuration says ------------------------------------


def action(pipeline: dict, stage: str, name: str) -> dict:
    actions = next(item["Actions"] for item in pipeline["Stages"] if item["Name"] == stage)
    return next(item for item in actions if item["Name"] == name)


def prepare(pipeline: dict) -> dict:
    return action(pipeline, "Deploy", "Prepare")


def configure(stage: str, name: str, **values: str) -> Callable[[dict], None]:
    return lambda pipeline: action(pipeline, stage, name)["Configuration"].update(values)


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


def approval(**declared: object) -> dict:
    return {
        "Name": "Approve",
        "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"},
        "Configuration": {"CustomData": "#{SourceVariables.BranchName}: ok?"},
        **declared,
    }


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


def test_actions_of_one_run_order_all_run_and_later_ones_do_not(fresh: Ci) -> None:
    ran = []

    def manual(job: Job) -> Outcome:
        ran.append(job.declaration["Name"])
        if job.declaration["Name"] == "A":
            raise ActionFailed("no")
        return Outcome()

    def change(pipeline: dict) -> None:
        pipeline["Stages"][1]["Actions"] = [
            approval(Name="C", RunOrder=2),
            approval(Name="A", RunOrder=1),
            approval(Name="B"),
        ]

    execution = fresh.run(change, providers={**PROVIDERS, "Manual": manual})
    assert ran == ["A", "B"] and execution.status == "Failed" and execution.message == "Build/A: no"
    assert "Build: A, B have one RunOrder: in parallel on AWS, one after another here" in fresh.lines


def test_an_interrupted_execution_is_stopped(fresh: Ci) -> None:
    def interrupted(job: Job) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fresh.run(providers={**PROVIDERS, "CodeBuild": interrupted})
    newest = max(fresh.executions().values(), key=lambda execution: execution["started"])
    assert (newest["status"], newest["actions"][-1]["status"]) == ("Stopped", "Abandoned")


def test_ctrl_c_during_git_push_ends_the_build(fresh: Ci, tmp_path: Path) -> None:
    started = tmp_path / "started"
    fresh.commit(settings_sh=f"sleep 60 & echo $! >{started}; wait\n")
    push = subprocess.Popen(
        ["git", "-C", str(fresh.checkout), "push", "--quiet", "--force", str(fresh.repository), "HEAD:main"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _until(lambda: started.exists() and started.read_text().strip())
    os.killpg(push.pid, signal.SIGINT)
    push.wait(10)
    _until(lambda: not Path(f"/proc/{started.read_text().strip()}").exists())
    _until(lambda: max(fresh.executions().values(), key=lambda one: one["started"])["status"] == "Stopped")
    _until(lambda: not list(fresh.cloud.folder.glob("action-*")))


def _until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def test_two_executions_of_a_pipeline_run_one_after_the_other(fresh: Ci) -> None:
    running, most, lines = [], [], []

    def slow(job: Job) -> Outcome:
        running.append(job)
        most.append(len(running))
        time.sleep(0.1)
        running.remove(job)
        return Outcome()

    revision = Revision(fresh.repository, "main", fresh.git("rev-parse", "HEAD").strip())
    threads = [
        threading.Thread(
            target=run_pipeline, args=(fresh.cloud, PIPELINE, revision, lines.append, dict.fromkeys(PROVIDERS, slow))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert f"Pipeline {PIPELINE}: waiting for the execution in progress" in lines


def test_several_inputs_and_outputs_of_a_build(fresh: Ci) -> None:
    iam = fresh.cloud.client("iam")
    fresh.cloud.client("codebuild").create_project(
        name="several",
        source={
            "type": "CODEPIPELINE",
            "buildspec": (
                "version: 0.2\nphases: {build: {commands: ['cp \"$CODEBUILD_SRC_DIR_BuildArtifact/notes.json\" .']}}\n"
                "artifacts:\n  files: [root.yaml]\n  secondary-artifacts:\n"
                "    One: {files: [notes.json]}\n    Two: {files: [settings.sh]}\n"
            ),
        },
        artifacts={"type": "CODEPIPELINE"},
        environment={"type": "ARM_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=iam.get_role(RoleName=fresh.resources["BuildRole"])["Role"]["Arn"],
    )

    def change(pipeline: dict) -> None:
        pipeline["Stages"][2]["Actions"] = [
            {
                **action(pipeline, "Build", "Build"),
                "Name": "Several",
                "Namespace": "Several",
                "Configuration": {"ProjectName": "several", "PrimarySource": "SourceArtifact"},
                "InputArtifacts": [{"Name": "BuildArtifact"}, {"Name": "SourceArtifact"}],
                "OutputArtifacts": [{"Name": "One"}, {"Name": "Two"}],
            }
        ]

    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "codebuild:StartBuild", "Resource": "arn:aws:codebuild:*:*:project/several"}
        ],
    }
    iam.put_role_policy(
        RoleName=fresh.resources["PipelineRole"], PolicyName="several", PolicyDocument=json.dumps(allow)
    )
    execution = fresh.run(change)
    assert execution.status == "Succeeded", execution.message
    assert [fresh.artifact(vars(execution), name).namelist() for name in ("One", "Two")] == [
        ["notes.json"],
        ["settings.sh"],
    ]

    def missing(pipeline: dict) -> None:
        change(pipeline)
        pipeline["Stages"][2]["Actions"][0]["OutputArtifacts"].append({"Name": "Three"})

    assert "the buildspec makes no artifact for the output Three" in failed(fresh.run(missing))[1]


def test_a_template_that_is_too_long_for_the_call_goes_by_the_store(fresh: Ci, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "BODY_LIMIT", 10)
    fresh.commit(settings_sh="TEXT=long\n")
    execution = fresh.run()
    assert execution.status == "Succeeded", execution.message
    assert fresh.setting().startswith("long ")


def test_a_stack_whose_first_change_set_was_never_executed_is_created(fresh: Ci) -> None:
    cloudformation = fresh.cloud.client("cloudformation")
    cloudformation.delete_stack(StackName="product")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="product", WaiterConfig={"Delay": 0.1})

    def only_prepare(pipeline: dict) -> None:
        pipeline["Stages"][2]["Actions"] = [prepare(pipeline)]

    assert fresh.run(only_prepare).status == "Succeeded"
    assert fresh.product()["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert fresh.push()["status"] == "Succeeded"
    assert fresh.product()["StackStatus"] == "CREATE_COMPLETE"


# --- without a cloud --------------------------------------------------------------------------


def test_resolve() -> None:
    variables = {"A-1": {"x": "1"}, "codepipeline": {"PipelineExecutionId": "id"}}
    assert resolve("#{A-1.x}#{codepipeline.PipelineExecutionId} ${x} #{", variables) == "1id ${x} #{"
    with pytest.raises(ActionFailed, match="unresolved variable #{A-1.y}"):
        resolve("#{A-1.y}", variables)


TRIGGER = "{ProviderType: CodeStarSourceConnection, GitConfiguration: {SourceActionName: Source, Push: [%s]}}"


@pytest.mark.parametrize(
    ("source", "push", "branch", "expected"),
    [
        ("BranchName: main", None, "main", True),
        ("BranchName: main", None, "other", False),
        ("{BranchName: main, DetectChanges: false}", None, "main", False),
        ("{BranchName: main, DetectChanges: 'true'}", None, "main", True),
        ("BranchName: other", "{Branches: {Includes: [main]}}", "main", True),
        ("BranchName: other", "{Branches: {Includes: [main]}}", "other", False),
        ("BranchName: main", "{Branches: {Includes: ['release/*']}}", "release/1", True),
        ("BranchName: main", "{Branches: {Includes: ['release/*']}}", "release/1/2", False),
        ("BranchName: main", "{Branches: {Includes: ['**'], Excludes: [main]}}", "main", False),
        ("BranchName: main", "{Branches: {Includes: [x]}}, {Branches: {Includes: [main]}}", "main", True),
        ("BranchName: main", "{Tags: {Includes: ['*']}}", "main", False),
        ("BranchName: main", "{Branches: {Includes: [main]}, FilePaths: {Includes: ['lambda/**']}}", "main", True),
        ("BranchName: main", "{Branches: {Includes: [main]}, FilePaths: {Includes: ['templates/**']}}", "main", False),
        ("BranchName: main", "{Branches: {Includes: [main]}, FilePaths: {Excludes: ['**/*.py']}}", "main", False),
        ("BranchName: main", "{Branches: {Includes: [main]}, FilePaths: {Excludes: ['docs/**']}}", "main", True),
    ],
)
def test_which_pushes_start_a_pipeline(
    two_commits: Revision, source: str, push: str | None, branch: str, expected: bool
) -> None:
    source = source if source.startswith("{") else f"{{{source}}}"
    pipeline = yaml.safe_load(
        "{Stages: [{Name: S, Actions: [{Name: Source, ActionTypeId: {Provider: CodeStarSourceConnection}, "
        f"Configuration: {source}}}]}}], Triggers: [{TRIGGER % push if push else ''}]}}"
    )
    revision = Revision(two_commits.repository, branch, two_commits.commit, two_commits.previous)
    assert starts(pipeline, revision) == expected


def test_git_variables_of_the_caller_do_not_count(
    ci: Ci, two_commits: Revision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git(two_commits, "rev-parse", "HEAD").strip() == two_commits.commit
    codepipeline.create_repository(tmp_path / "made.git", ci.cloud)
    assert (tmp_path / "made.git" / "HEAD").exists() and not (tmp_path / "elsewhere").exists()


def test_a_new_branch_changes_every_file(two_commits: Revision) -> None:
    pipeline = {
        "Stages": [],
        "Triggers": [
            {
                "ProviderType": "CodeStarSourceConnection",
                "GitConfiguration": {"Push": [{"FilePaths": {"Includes": ["templates/*"]}}]},
            }
        ],
    }
    assert not starts(pipeline, two_commits)
    assert starts(pipeline, Revision(two_commits.repository, "main", two_commits.commit))


@pytest.fixture(scope="module")
def two_commits(tmp_path_factory: pytest.TempPathFactory) -> Revision:
    """templates/a.yaml, then lambda/b.py."""
    folder = tmp_path_factory.mktemp("repository")
    commits = []
    git = ["git", "-C", str(folder), "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    for name in ("templates/a.yaml", "lambda/b.py"):
        (folder / name).parent.mkdir()
        (folder / name).write_text(name)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", name], check=True)
        commits.append(
            subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        )
    return Revision(folder, "main", commits[1], commits[0])
