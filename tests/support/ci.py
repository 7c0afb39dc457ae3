"""A small pipeline in the local cloud, and looking at its executions."""

import io
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

from local import codepipeline
from local.actions import Job, Outcome, Revision
from local.cloud import Cloud
from local.codepipeline import PipelineExecution, run_pipeline
from local.providers import PROVIDERS

FIXTURES = Path(__file__).parents[1] / "local" / "fixtures"
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


def action(pipeline: dict, stage: str, name: str) -> dict:
    actions = next(item["Actions"] for item in pipeline["Stages"] if item["Name"] == stage)
    return next(item for item in actions if item["Name"] == name)


def prepare(pipeline: dict) -> dict:
    return action(pipeline, "Deploy", "Prepare")


def configure(stage: str, name: str, **values: str) -> Callable[[dict], None]:
    return lambda pipeline: action(pipeline, stage, name)["Configuration"].update(values)


def approval(**declared: object) -> dict:
    return {
        "Name": "Approve",
        "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"},
        "Configuration": {"CustomData": "#{SourceVariables.BranchName}: ok?"},
        **declared,
    }
