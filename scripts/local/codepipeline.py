"""Runs a pipeline on this machine, its stages and actions read from its own definition.

The definition is what CloudFormation resolved for the AWS::CodePipeline::Pipeline resource, as the
local cloud keeps it in <folder>/pipelines/<name>.json. A bare repository stands in for the Git
host: a push runs the hook that `create_repository` writes, which runs the pipelines that watch
the branch, and its output comes back to `git push` as `remote:` lines.

Different from AWS, and said in the log where it matters: actions of one RunOrder run one after
another; an execution that finds another one running waits for it, whatever ExecutionMode says;
a stage's conditions but those of BeforeEntry, rules but VariableCheck, and providers that
`local.providers` lacks, fail as NOT RUN LOCALLY.
"""

import argparse
import contextlib
import dataclasses
import datetime
import fcntl
import functools
import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.actions import ActionFailed, Job, Log, Outcome, Revision, configuration
from local.artifacts import ArtifactError
from local.cloud import Cloud
from local.conditions import unmet
from local.providers import PROVIDERS, Provider
from local.roles import RoleError, assume_as
from local.triggers import starts

SCRIPTS = Path(__file__).resolve().parents[1]

_FAILURES = (ActionFailed, RoleError, ArtifactError, BotoCoreError, ClientError)
_ACTION_KEYS = {
    "Name",
    "ActionTypeId",
    "Configuration",
    "InputArtifacts",
    "OutputArtifacts",
    "RunOrder",
    "Namespace",
    "RoleArn",
    "Region",
}


class _Updated(Exception):
    """The pipeline is not any more what the execution goes by."""


@dataclass
class ActionExecution:
    """`status` is InProgress, Succeeded, Failed or Abandoned, as in CodePipeline's API; `log` is what it printed."""

    stage: str
    action: str
    provider: str
    status: str = "InProgress"
    seconds: float = 0.0
    message: str = ""
    external_id: str = ""
    log: list[str] = field(default_factory=list)


@dataclass
class PipelineExecution:
    """One run of a pipeline, kept as <folder>/executions/<id>.json while it runs and after.

    `status` is InProgress, Succeeded, Failed, Stopped or, where the pipeline was updated during it, Cancelled.
    `variables` are by namespace; `artifacts` are the {bucket, key} of each artifact made; `skipped` are the stages that
    a condition skipped.
    """

    id: str
    pipeline: str
    branch: str
    commit: str
    started: str
    status: str = "InProgress"
    seconds: float = 0.0
    message: str = ""
    actions: list[ActionExecution] = field(default_factory=list)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    artifacts: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def save(self, cloud: Cloud) -> None:
        """Write the file; a reader sees the old one or the new one."""
        folder = cloud.folder / "executions"
        folder.mkdir(exist_ok=True)
        draft = folder / f".{self.id}"
        draft.write_text(json.dumps(dataclasses.asdict(self), indent=1), encoding="utf-8")
        os.replace(draft, folder / f"{self.id}.json")


def run_pipeline(
    cloud: Cloud, name: str, revision: Revision, log: Log, providers: Mapping[str, Provider] = PROVIDERS
) -> PipelineExecution:
    """Run the pipeline called `name` on a pushed revision, to its end or its first failing stage.

    An execution during which the pipeline is updated is cancelled; where the pipeline says so
    (RestartExecutionOnUpdate), another one runs then by the new definition, and is what is returned. Never raises for
    what an action does; KeyboardInterrupt leaves the execution Stopped.
    """
    with _alone(cloud, name, log):
        while True:
            started = datetime.datetime.now(datetime.UTC).isoformat()
            execution = PipelineExecution(str(uuid.uuid4()), name, revision.branch, revision.commit, started)
            _Run(cloud, _definition(cloud, name), execution, revision, log, providers).pipeline()
            if execution.status != "Cancelled" or not _definition(cloud, name).get("RestartExecutionOnUpdate"):
                return execution
            log(f"Pipeline {name} starts again, as it was updated")


@dataclass
class _Run:
    """A run in progress: of a pipeline, of its stages, of their actions."""

    cloud: Cloud
    definition: Mapping[str, Any]
    execution: PipelineExecution
    revision: Revision
    log: Log
    providers: Mapping[str, Provider]

    def pipeline(self) -> None:
        execution = self.execution
        self.log(
            f"Pipeline {execution.pipeline}: {self.revision.branch} {self.revision.commit[:12]}, "
            f"execution {execution.id}"
        )
        execution.variables = {
            "codepipeline": {"PipelineExecutionId": execution.id},
            "variables": {
                item["Name"]: item["DefaultValue"]
                for item in self.definition.get("Variables") or []
                if "DefaultValue" in item
            },
        }
        started = time.monotonic()
        status = "Stopped"  # unless it comes to an end of its own
        try:
            _refuse(self.definition, ("ArtifactStores", "DisableInboundStageTransitions"), "pipeline")
            status = "Succeeded" if all(map(self.stage, self.definition["Stages"])) else "Failed"
        except ActionFailed as error:
            status, execution.message = "Failed", str(error)
        except _Updated:
            status, execution.message = "Cancelled", "the pipeline was updated during the execution"
        finally:
            execution.status, execution.seconds = status, round(time.monotonic() - started, 3)
            execution.save(self.cloud)
            self._measure()
            self.log(_ended(f"Pipeline {execution.pipeline}", status, execution.seconds, execution.message))

    def _measure(self) -> None:
        """As CodePipeline does: https://docs.aws.amazon.com/codepipeline/latest/userguide/metrics-dimensions.html"""
        values = {"PipelineDuration": (self.execution.seconds, "Seconds")}
        if self.execution.status == "Failed":
            values["FailedPipelineExecutions"] = (1, "Count")
        dimensions = [{"Name": "PipelineName", "Value": self.execution.pipeline}]
        self.cloud.client("cloudwatch").put_metric_data(
            Namespace="AWS/CodePipeline",
            MetricData=[
                {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
                for name, (value, unit) in values.items()
            ],
        )

    def stage(self, stage: Mapping[str, Any]) -> bool:
        """Run the actions by RunOrder, unless a condition skips them; True unless the stage fails.

        Those of one order all run even when one of them fails.
        """
        _refuse(stage, ("OnSuccess", "OnFailure", "Blockers"), f"stage {stage['Name']}")
        for condition in (stage.get("BeforeEntry") or {}).get("Conditions", []):
            reason = unmet(condition, self.execution.variables)
            if reason and condition["Result"] == "SKIP":
                self.log(f"{stage['Name']} skipped: {reason}")
                self.execution.skipped.append(stage["Name"])
                return True
            if reason:
                raise ActionFailed(f"the stage {stage['Name']} was not entered: {reason}")

        def order(action: Mapping[str, Any]) -> int:
            return int(action.get("RunOrder", 1))

        for _, group in itertools.groupby(sorted(stage["Actions"], key=order), order):
            actions = list(group)
            if len(actions) > 1:
                self.log(
                    f"{stage['Name']}: {', '.join(action['Name'] for action in actions)} have one RunOrder: "
                    "in parallel on AWS, one after another here"
                )
            results = [self.action(stage["Name"], action) for action in actions]
            if _definition(self.cloud, self.execution.pipeline) != self.definition:
                raise _Updated
            failed = next((result for result in results if result.status != "Succeeded"), None)
            if failed:
                self.execution.message = f"{failed.stage}/{failed.action}: {failed.message}"
                return False
        return True

    def action(self, stage: str, action: Mapping[str, Any]) -> ActionExecution:
        """Run one action and record how it went."""
        provider = action["ActionTypeId"]["Provider"]
        record = ActionExecution(stage, action["Name"], provider)
        self.execution.actions.append(record)
        self.execution.save(self.cloud)
        self.log(f"{stage}/{record.action} ({provider}) started")
        started = time.monotonic()

        def action_log(line: str) -> None:
            record.log.append(line)
            self.log(f"  {line}")

        status = "Abandoned"  # unless it comes to an end of its own
        try:
            with tempfile.TemporaryDirectory(prefix="action-", dir=self.cloud.folder) as scratch:
                outcome = self.outcome(action, Path(scratch), action_log)
            if action.get("Namespace"):
                self.execution.variables[action["Namespace"]] = outcome.variables
            status, record.message, record.external_id = "Succeeded", outcome.message, outcome.external_id
        except _FAILURES as error:
            status, record.message = "Failed", str(error)
        finally:
            record.status, record.seconds = status, round(time.monotonic() - started, 3)
            self.execution.save(self.cloud)
        self.log(_ended(f"{stage}/{record.action}", status, record.seconds, record.message))
        return record

    def outcome(self, action: Mapping[str, Any], folder: Path, log: Log) -> Outcome:
        """What the action's provider leaves, run with the credentials of the action's role."""
        provider = action["ActionTypeId"]["Provider"]
        if provider not in self.providers:
            raise ActionFailed(f"NOT RUN LOCALLY: there is no provider {provider} here")
        _refuse(action, sorted(set(action) - _ACTION_KEYS), "action")
        if action.get("Region", self.cloud.region) != self.cloud.region:
            raise ActionFailed(
                f"NOT RUN LOCALLY: the action is in {action['Region']}, the local cloud in {self.cloud.region}"
            )
        role, credentials = self.role(action)
        store = self.definition["ArtifactStore"]
        return self.providers[provider](
            Job(
                cloud=self.cloud,
                pipeline=self.execution.pipeline,
                declaration=action,
                configuration=configuration(action, self.execution.variables),
                bucket=store["Location"],
                encryption_key=(store.get("EncryptionKey") or {}).get("Id"),
                role=role,
                credentials=credentials,
                artifacts=self.execution.artifacts,
                revision=self.revision,
                execution_id=self.execution.id,
                folder=folder,
                log=log,
            )
        )

    def role(self, action: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        """(ARN, credentials) of the pipeline's role, or of the action's own, which that one assumes."""
        if not action.get("RoleArn"):
            return self.definition["RoleArn"], self.credentials
        answer = self.cloud.client("sts", self.credentials).assume_role(
            RoleArn=action["RoleArn"], RoleSessionName=self.execution.id
        )
        return action["RoleArn"], answer["Credentials"]

    @functools.cached_property
    def credentials(self) -> dict[str, str]:
        """Those of the pipeline's role."""
        arn = f"arn:aws:codepipeline:{self.cloud.region}:{self.cloud.account}:{self.execution.pipeline}"
        return assume_as(self.cloud, "codepipeline.amazonaws.com", arn, self.definition["RoleArn"], self.execution.id)


def _ended(what: str, status: str, seconds: float, message: str) -> str:
    return f"{what} {status} in {seconds:.1f} s" + (f": {message}" if message else "")


def _definition(cloud: Cloud, name: str) -> dict[str, Any]:
    return json.loads((cloud.folder / "pipelines" / f"{name}.json").read_text(encoding="utf-8"))


def _refuse(structure: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    for name in names:
        if structure.get(name):
            raise ActionFailed(f"NOT RUN LOCALLY: {name} of the {where} is not supported here")


@contextlib.contextmanager
def _alone(cloud: Cloud, name: str, log: Log) -> Iterator[None]:
    """Hold the pipeline's lock: two pushes at once run one after the other."""
    with (cloud.folder / "pipelines" / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(f"Pipeline {name}: waiting for the execution in progress")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def create_repository(folder: Path, cloud: Cloud) -> Path:
    """Make a bare repository at `folder` whose every push runs the pipelines that watch its branch.

    Its settings hold the secret of the cloud's root: the folder is for its owner only.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(folder)],
        check=True,
        env=environment,
    )
    folder.chmod(0o700)
    # A core.hooksPath in the user's own configuration would keep our hook from running.
    subprocess.run(
        ["git", "-C", str(folder), "config", "core.hooksPath", str(folder / "hooks")], check=True, env=environment
    )
    settings = folder / "pipelines.json"
    settings.write_text(json.dumps({"folder": str(cloud.folder), "environment": cloud.environment()}), encoding="utf-8")
    hook = folder / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"""#!/bin/sh
PYTHONPATH={shlex.quote(str(SCRIPTS))} PYTHONIOENCODING=utf-8 PYTHONDONTWRITEBYTECODE=1 \\
exec {shlex.quote(sys.executable)} -P -m local.codepipeline receive {shlex.quote(str(settings))}
""",
        encoding="utf-8",
    )
    hook.chmod(0o700)
    return folder


def receive(settings: Path, updates: Iterable[str], log: Log) -> bool:
    """The post-receive hook: run what the pushed refs start; whether all of it succeeded.

    `updates` are git's lines `<old id> <new id> <ref>`.
    """
    cloud = _reopen(settings)
    succeeded = True
    for update in updates:
        old, new, ref = update.split()
        if not ref.startswith("refs/heads/") or not new.strip("0"):
            log(f"{ref}: no branch was pushed, nothing started")
            continue
        revision = Revision(settings.parent, ref.removeprefix("refs/heads/"), new, old if old.strip("0") else None)
        names = sorted(path.stem for path in (cloud.folder / "pipelines").glob("*.json"))
        started = [name for name in names if starts(_definition(cloud, name), revision)]
        if not started:
            log(f"No pipeline watches this push to {revision.branch}: nothing started")
        for name in started:
            succeeded &= run_pipeline(cloud, name, revision, log).status == "Succeeded"
    return succeeded


def _reopen(settings: Path) -> Cloud:
    kept = json.loads(settings.read_text(encoding="utf-8"))
    port = int(kept["environment"]["AWS_ENDPOINT_URL"].rpartition(":")[2])
    return Cloud(None, Path(kept["folder"]), port, kept["environment"]["AWS_SECRET_ACCESS_KEY"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="local.codepipeline", description=receive.__doc__)
    command = parser.add_subparsers(required=True).add_parser("receive")
    command.add_argument("settings", type=Path)
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that a running build is ended, too
    return 0 if receive(arguments.settings, sys.stdin, lambda line: print(line, flush=True)) else 1


if __name__ == "__main__":
    sys.exit(main())
