"""The local CodePipeline: a real push to a bare repository, run against the local cloud."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.actions import ActionFailed, Job, Outcome, Revision
from local.codepipeline import run_pipeline
from local.providers import PROVIDERS, stack
from support.ci import (
    FIXTURES,
    NO_CODE,
    PIPELINE,
    TRUSTS_NOBODY,
    Ci,
    action,
    approval,
    failed,
    prepare,
    without_stages_before,
)


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


@pytest.mark.parametrize(("restarts", "ran"), [(True, ["A", "A", "New"]), (False, ["A"])])
def test_an_update_of_the_pipeline_cancels_the_execution_and_may_start_it_again(
    fresh: Ci, restarts: bool, ran: list[str]
) -> None:
    known, done = set(fresh.executions()), []

    def manual(job: Job) -> Outcome:
        done.append(job.declaration["Name"])
        path = job.cloud.folder / "pipelines" / f"{job.pipeline}.json"
        definition = json.loads(path.read_text())
        definition["Stages"][2:] = [{"Name": "Later", "Actions": [approval(Name="New")]}]
        path.write_text(json.dumps(definition))
        return Outcome()

    def change(pipeline: dict) -> None:
        pipeline["RestartExecutionOnUpdate"] = restarts
        pipeline["Stages"][1]["Actions"] = [approval(Name="A")]

    execution = fresh.run(change, providers={**PROVIDERS, "Manual": manual})
    new = [one for key, one in fresh.executions().items() if key not in known]
    new.sort(key=lambda one: one["started"])
    assert done == ran and execution.id == new[-1]["id"]
    assert [one["status"] for one in new] == (["Cancelled", "Succeeded"] if restarts else ["Cancelled"])
    assert new[0]["message"] == "the pipeline was updated during the execution"
    assert ("Pipeline variant starts again, as it was updated" in fresh.lines) is restarts


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
