"""Sluice deployed to the local cloud by a git push, and files on their way through it."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from delivery import subscriber
from delivery.bootstrap import deploy_pipeline
from local import codepipeline
from local.cloud import Cloud
from local.providers import approval

REPOSITORY = "example/sluice"
BRANCH = "main"
ENVIRONMENT = "staging"
ROOT_STACK = f"sluice-{ENVIRONMENT}"
_END_SECONDS = 5


LOADED = ("inserted", "updated", "duplicates")


class DeploymentError(RuntimeError):
    """A push that was not deployed; the message says which action failed and shows its log."""


@dataclass(frozen=True)
class Ending:
    """How an uploaded file ended, as its notification told: the row of the demo's table.

    `result` and `error_report` are s3:// URIs or None, `seconds` go from the start of the upload to the receipt
    of the notification. The last three are of rows that went into a table, else None.
    """

    key: str
    state: str
    reason: str
    rows_good: int
    rows_rejected: int
    result: str | None
    error_report: str | None
    seconds: float
    inserted: int | None = None
    updated: int | None = None
    duplicates: int | None = None

    def as_dict(self) -> dict:
        """As a JSON object; what is of a table only where there is one."""
        return {name: value for name, value in asdict(self).items() if name not in LOADED or value is not None}


class Deployment:
    """A pipeline and the git repository that it watches, in a running local cloud.

    `pipeline` are the outputs of its stack. `approver` is asked whether to go on, with the plan's summary.
    """

    def __init__(
        self,
        cloud: Cloud,
        say: Callable[[str], None],
        parameters: Mapping[str, str] = MappingProxyType({}),
        approver: Callable[[str], bool] | None = None,
        target: Cloud | None = None,
    ) -> None:
        """`parameters` of pipeline.yaml are added to, or win over, those of a staging pipeline for `main`.

        `target` is the cloud as the application's account sees it, where that is not the pipeline's.
        """
        self.cloud = cloud
        self.target = target or cloud
        self._say = say
        self._approver = approver
        if approver:
            approval.expect_questions(cloud)
        chosen = {"Repository": REPOSITORY, "Branch": BRANCH, "Environment": ENVIRONMENT, **parameters}
        self._branch = chosen["Branch"]
        self.pipeline = deploy_pipeline(cloud.client, self.target.client, chosen, say)
        self.stack = self.pipeline["ApplicationStack"]
        self._remote = codepipeline.create_repository(cloud.folder / "repository.git", cloud)
        self._subscriber = ""

    def push(self, checkout: Path, revision: str = "HEAD") -> dict:
        """Pushes a revision of a checkout to the watched branch and returns the pipeline's execution, done.

        The execution is what `codepipeline` records of it: `status`, `actions`, `variables`. Raises DeploymentError
        where the push itself fails.
        """
        # In a session of its own, so that all of it can be ended together, however we are.
        push = subprocess.Popen(
            ["git", "-C", str(checkout), "push", "--force", str(self._remote), f"{revision}:refs/heads/{self._branch}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            for line in push.stdout:
                self._say(line.rstrip())
                for question in approval.questions(self.cloud) if self._approver else ():
                    approval.answer(self.cloud, question, self._approver(question["summary"]))
            push.wait()
        except BaseException:
            _end(push)
            raise
        if push.returncode:
            raise DeploymentError(f"git push ended with exit code {push.returncode}: see its output above")
        return self.executions()[-1]

    def executions(self) -> list[dict]:
        """All executions of the pipeline so far, in order."""
        files = (self.cloud.folder / "executions").glob("*.json")
        found = (json.loads(file.read_text()) for file in files)
        own = (execution for execution in found if execution["pipeline"] == self.pipeline["Pipeline"])
        return sorted(own, key=lambda execution: execution["started"])

    def outputs(self) -> dict[str, str]:
        """The outputs of the root stack by name."""
        [stack] = self.target.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def parameters(self) -> dict[str, str]:
        """The parameters of the root stack by name, as they are now."""
        [stack] = self.target.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}

    def change(self, **parameters: str) -> None:
        """Gives parameters of the application's stack other values, as a push of other settings would.

        Raises DeploymentError where the update fails.
        """
        cloudformation = self.target.client("cloudformation")
        names = self.parameters().keys() - parameters.keys()
        kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(names)]
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        cloudformation.update_stack(
            StackName=self.stack,
            UsePreviousTemplate=True,
            Parameters=kept + given,
            Capabilities=["CAPABILITY_IAM"],
        )
        while True:
            [stack] = cloudformation.describe_stacks(StackName=self.stack)["Stacks"]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                break
            time.sleep(0.2)
        if stack["StackStatus"] != "UPDATE_COMPLETE":
            raise DeploymentError(f"the stack could not be changed: {stack.get('StackStatusReason')}")

    def subscribe(self) -> None:
        """Subscribes a queue to the upload topic; `process` and `receive` read from it."""
        sqs, topic = self.target.client("sqs"), self.outputs()["TopicArn"]
        self._subscriber, arn = subscriber.create(sqs, topic, "subscriber")
        self.target.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def upload(self, key: str, body: bytes) -> str:
        """Puts a file into the uploads bucket and returns its version id."""
        bucket = self.outputs()["UploadsBucket"]
        return self.target.client("s3").put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]

    def receive(self, wait: int = 1) -> list[dict]:
        """The notifications that have arrived, as their JSON documents; waits up to `wait` seconds for the first."""
        sqs = self.target.client("sqs")
        answer = sqs.receive_message(QueueUrl=self._subscriber, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
        told = []
        for message in answer.get("Messages", []):
            body = json.loads(message["Body"])
            attributes = {name: value["Value"] for name, value in body.get("MessageAttributes", {}).items()}
            told.append({**json.loads(body["Message"]), "attributes": attributes})
            sqs.delete_message(QueueUrl=self._subscriber, ReceiptHandle=message["ReceiptHandle"])
        return told

    def process(
        self,
        files: Mapping[str, bytes],
        timeout: float = 120,
        each: Callable[[Ending], None] = lambda ending: None,
    ) -> list[Ending]:
        """Uploads the files (by key) and waits until each one's notification has arrived.

        Calls `each` as they arrive. Returns the endings in the order of `files`; those of which nothing was heard
        within `timeout` seconds are missing.
        """
        started, versions, endings = {}, {}, {}
        for key, body in files.items():
            started[key] = time.monotonic()
            versions[key] = self.upload(key, body)
        deadline = time.monotonic() + timeout
        while len(endings) < len(files) and time.monotonic() < deadline:
            for told in self.receive():
                key = told["key"]
                if told["version_id"] != versions.get(key):
                    continue
                fields = {name: told[name] for name in Ending.__dataclass_fields__ if name in told}
                endings[key] = Ending(**fields, seconds=round(time.monotonic() - started[key], 2))
                each(endings[key])
        return [endings[key] for key in files if key in endings]

    def download(self, uris: Iterable[str | None], folder: Path) -> list[Path]:
        """Copies objects, given as s3:// URIs, under a folder by their keys; None is skipped."""
        s3, saved = self.target.client("s3"), []
        for uri in filter(None, uris):
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            path = (folder / key).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise ValueError(f"{key!r} would be written outside of {folder}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            saved.append(path)
        return saved


def _end(process: subprocess.Popen) -> None:
    """Ends a process and all of its session: asks first, so that a build can end what it has started itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + _END_SECONDS
        while _alive(process) and time.monotonic() < deadline:
            time.sleep(0.05)


def _alive(process: subprocess.Popen) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
