"""What every action of a pipeline works with: its declaration, its role, its artifacts.

A provider is a function from a `Job` to an `Outcome`; it raises `ActionFailed` with the reason.
Sources: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference.html and
.../reference-variables.html
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.artifacts import unpack
from local.cloud import Cloud

Log = Callable[[str], None]

CONFIGURATION_LIMIT = 1000  # characters in one configuration value, as declared


class ActionFailed(Exception):
    """The action failed, or cannot be run here; the message says why."""


@dataclass(frozen=True)
class Revision:
    """A pushed commit: full ids, `previous` being the branch's former commit (None: a new branch)."""

    repository: Path
    branch: str
    commit: str
    previous: str | None = None


@dataclass
class Outcome:
    """What an action leaves: variables for its namespace and the id of what it started on AWS."""

    variables: dict[str, str] = field(default_factory=dict)
    external_id: str = ""
    message: str = ""


@dataclass
class Job:
    """One action about to run.

    `configuration` has its variables resolved; `role` is the ARN of the action's role and
    `credentials` are that role's;
    `artifacts` maps the name of each artifact made so far to its {bucket, key} and is added to by
    `store`; `folder` is a scratch folder of this action's own.
    """

    cloud: Cloud
    pipeline: str
    declaration: Mapping[str, Any]
    configuration: Mapping[str, str]
    bucket: str
    encryption_key: str | None
    role: str
    credentials: dict[str, str]
    artifacts: dict[str, dict[str, str]]
    revision: Revision
    execution_id: str
    folder: Path
    log: Log
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> list[str]:
        return [item["Name"] for item in self.declaration.get("InputArtifacts", [])]

    @property
    def outputs(self) -> list[str]:
        return [item["Name"] for item in self.declaration.get("OutputArtifacts", [])]

    def setting(self, name: str) -> str:
        """A required configuration value."""
        if not self.configuration.get(name):
            raise ActionFailed(f"Configuration.{name} is missing")
        return self.configuration[name]

    def only(self, *names: str) -> None:
        """Refuse configuration that this provider would otherwise ignore."""
        unknown = sorted(set(self.configuration) - set(names))
        if unknown:
            raise ActionFailed(f"Configuration.{unknown[0]} is not supported locally")

    def client(self, service: str) -> Any:
        """A client with the credentials of the action's role."""
        if service not in self._clients:
            self._clients[service] = self.cloud.client(service, self.credentials)
        return self._clients[service]

    def fetch(self, name: str, credentials: Mapping[str, str] | None = None) -> Path:
        """The folder of an input artifact, downloaded (by default by the action's role) and unzipped."""
        if name not in self.inputs:
            raise ActionFailed(f"{name} is not among the action's InputArtifacts")
        if name not in self.artifacts:
            raise ActionFailed(f"no earlier action has made the artifact {name}")
        folder = self.folder / f"input-{name}"
        if not folder.exists():
            where = self.artifacts[name]
            archive = self.folder / f"{name}.zip"
            answer = self.cloud.client("s3", credentials or self.credentials).get_object(
                Bucket=where["bucket"], Key=where["key"]
            )
            with archive.open("wb") as target:
                for chunk in answer["Body"].iter_chunks(1 << 20):
                    target.write(chunk)
            unpack(archive, folder)
        return folder

    def store(self, name: str, archive: Path, credentials: Mapping[str, str] | None = None) -> None:
        """Upload a zip as the output artifact `name`."""
        # CodePipeline shortens both names; a role that names the whole prefix fails there as here.
        key = f"{self.pipeline[:20]}/{name[:10]}/{secrets.token_hex(4)[:7]}.zip"
        encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.encryption_key} if self.encryption_key else {}
        )
        with archive.open("rb") as body:
            self.cloud.client("s3", credentials or self.credentials).put_object(
                Bucket=self.bucket, Key=key, Body=body, **encryption
            )
        self.artifacts[name] = {"bucket": self.bucket, "key": key}

    def file(self, reference: str, setting: str) -> bytes:
        """The content of `Artifact::path`, as TemplatePath and TemplateConfiguration name files."""
        artifact, separator, path = reference.partition("::")
        if not separator:
            raise ActionFailed(f"Configuration.{setting} is {reference!r}: it must be Artifact::path")
        target = self.fetch(artifact) / path
        if not target.is_file():
            raise ActionFailed(f"Configuration.{setting}: there is no {path} in the artifact {artifact}")
        return target.read_bytes()


def resolve(text: str, variables: Mapping[str, Mapping[str, str]]) -> str:
    """Replace every #{namespace.variable}; the value is put in as it is.

    Raises ActionFailed for a variable that no action so far has set.
    """

    def value(found: re.Match) -> str:
        namespace, name = found[1], found[2]
        if name not in variables.get(namespace, {}):
            raise ActionFailed(
                f"unresolved variable #{{{namespace}.{name}}}: no earlier action with that namespace has set it"
            )
        return variables[namespace][name]

    return re.sub(r"#\{([A-Za-z0-9@_-]+)\.([A-Za-z0-9@_.-]+)\}", value, text)


def configuration(declaration: Mapping[str, Any], variables: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The action's configuration as texts, its variables resolved.

    A value longer than CodePipeline takes is refused:
    https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
    """
    declared = {
        name: value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in declaration.get("Configuration", {}).items()
    }
    for name, value in declared.items():
        if len(value) > CONFIGURATION_LIMIT:
            raise ActionFailed(
                f"Configuration.{name} has {len(value)} characters: CodePipeline takes {CONFIGURATION_LIMIT}"
            )
    return {name: resolve(value, variables) for name, value in declared.items()}
