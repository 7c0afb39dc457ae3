"""Runs a build on this machine the way CodeBuild runs it from a buildspec.

Sources: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html,
.../build-env-ref-env-vars.html and .../view-build-details-phases.html

Different from AWS, and said in the build's log where it matters:
- the commands run on this machine, as you, with its Python, not in the project's image;
- report groups and caches are checked but not kept;
- what AWS's pages leave open is decided strictly: a phase that failed makes the build FAILED even
  when `on-failure: CONTINUE` let the next one run, and an exported variable must be exported.
"""

import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import artifacts
from local.buildspec import PHASES, Buildspec, BuildspecError, Phase, parse
from local.shell import Shell

Log = Callable[[str], None]

_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class PhaseResult:
    """`status` is SUCCEEDED, FAILED or TIMED_OUT; `message` says why, and is empty on success."""

    name: str
    status: str
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class BuildResult:
    """`artifacts` and each of `secondary_artifacts` list (file, name in the zip); the files are
    in the source directory.
    """

    status: str
    phases: list[PhaseResult]
    exported: dict[str, str] = field(default_factory=dict)
    artifacts: list[tuple[Path, str]] = field(default_factory=list)
    secondary_artifacts: dict[str, list[tuple[Path, str]]] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """Why the build did not succeed: its first phase that did not."""
        return next((f"{phase.name}: {phase.message}" for phase in self.phases if phase.status != "SUCCEEDED"), "")


def run_build(
    source_dir: Path,
    buildspec: str | Path,
    environment: Mapping[str, str],
    project_variables: Iterable[Mapping[str, str]] = (),
    overrides: Iterable[Mapping[str, str]] = (),
    log: Log = print,
    *,
    client: Callable[[str], Any] | None = None,
    timeout: float | None = None,
) -> BuildResult:
    """Run a build in `source_dir` and return how it went; it never raises for what a build does.

    `buildspec` is its text, or its path relative to `source_dir`. `environment` is the shell's
    whole environment: nothing of this process's own is added. `project_variables` and `overrides`
    (StartBuild's environmentVariablesOverride) are {name, value, type} as in CodeBuild's API and
    win in that order over the buildspec's. `client(service)` gives the build role's ssm and
    secretsmanager clients for variables kept there. `timeout` is in seconds.
    """
    source_dir = source_dir.resolve()
    started = time.monotonic()
    try:
        spec = parse(_text(source_dir, buildspec))
        variables, hidden = _variables(spec, project_variables, overrides, client)
    except (BuildspecError, OSError, UnicodeDecodeError) as error:
        _say(log, f"YAML_FILE_ERROR: {error}")
        return BuildResult("FAILED", [PhaseResult("DOWNLOAD_SOURCE", "FAILED", 0.0, f"YAML_FILE_ERROR: {error}")])

    complete = {
        **environment,
        "CODEBUILD_SRC_DIR": str(source_dir),
        "CODEBUILD_START_TIME": str(int(time.time() * 1000)),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        **variables,
    }
    log = _hiding([*hidden, *(complete.get(name, "") for name in _CREDENTIALS)], log)
    for notice in (*_runtimes(spec), *spec.notices):
        _say(log, notice)

    deadline = None if timeout is None else started + timeout
    with (
        tempfile.TemporaryDirectory(prefix="build-", dir=environment.get("TMPDIR")) as scratch,
        Shell(spec.shell, complete, source_dir, Path(scratch), log) as shell,
    ):
        phases, finished = _phases(spec, shell, log, deadline)
        exported = _exported(spec, shell.environment, log)
    outputs: dict[str, list[tuple[Path, str]]] = {}
    if finished:
        phases.append(_upload(source_dir, spec, outputs, log))
    statuses = {phase.status for phase in phases}
    status = next((one for one in ("TIMED_OUT", "FAILED") if one in statuses), "SUCCEEDED")
    return BuildResult(status, phases, exported, outputs.pop("", []), outputs)


def _say(log: Log, text: str) -> None:
    """Log what the build itself has to say, as opposed to its commands' output."""
    for line in text.split("\n"):
        log(f"[Container] {line}")


def _text(source_dir: Path, buildspec: str | Path) -> str:
    if isinstance(buildspec, str):
        return buildspec
    if not (source_dir / buildspec).is_file():
        raise BuildspecError(f"{buildspec} does not exist in the source")
    return (source_dir / buildspec).read_text(encoding="utf-8")


def _variables(
    spec: Buildspec,
    project: Iterable[Mapping[str, str]],
    overrides: Iterable[Mapping[str, str]],
    client: Callable[[str], Any] | None,
) -> tuple[dict[str, str], list[str]]:
    """(values by name, the values that logs must not show): each source wins over the one before."""
    declared = [
        {"name": name, "value": value, "type": kind}
        for kind, values in (
            ("PLAINTEXT", spec.variables),
            ("PARAMETER_STORE", spec.parameters),
            ("SECRETS_MANAGER", spec.secrets),
        )
        for name, value in values.items()
    ]
    winning = {item["name"]: item for item in (*declared, *project, *overrides)}
    readers = {"PARAMETER_STORE": ("ssm", _parameter), "SECRETS_MANAGER": ("secretsmanager", _secret)}
    values, hidden = {}, []
    for name, item in winning.items():
        kind = item.get("type") or "PLAINTEXT"
        if kind == "PLAINTEXT":
            values[name] = item["value"]
            continue
        if kind not in readers or client is None:
            raise BuildspecError(f"the variable {name} has the type {kind}, which cannot be read here")
        service, read = readers[kind]
        try:
            values[name] = read(client(service), item["value"])
        except Exception as error:
            raise BuildspecError(f"the variable {name} cannot be read from {kind} {item['value']}: {error}") from error
        hidden.append(values[name])
    return values, hidden


def _parameter(ssm: Any, name: str) -> str:
    # GetParameters, not GetParameter: it is what CodeBuild's role has to allow.
    found = ssm.get_parameters(Names=[name], WithDecryption=True)["Parameters"]
    if not found:
        raise BuildspecError("there is no such parameter")
    return found[0]["Value"]


def _secret(manager: Any, reference: str) -> str:
    """`reference` is secret-id:json-key:version-stage:version-id; the secret's id may be an ARN."""
    parts = reference.split(":")
    length = 7 if parts[0] == "arn" else 1
    key, stage, version = ([*parts[length:], "", "", ""])[:3]
    text = manager.get_secret_value(
        SecretId=":".join(parts[:length]),
        **({"VersionStage": stage} if stage else {}),
        **({"VersionId": version} if version else {}),
    )["SecretString"]
    return str(json.loads(text)[key]) if key else text


def _hiding(values: Iterable[str], log: Log) -> Log:
    """`log`, with every secret value shown as ***."""
    secrets = [line for value in values for line in value.split("\n") if line]

    def hide(text: str) -> None:
        for secret in secrets:
            text = text.replace(secret, "***")
        log(text)

    return hide


def _runtimes(spec: Buildspec) -> list[str]:
    local = {"python": f"Python {platform.python_version()}"}
    return [
        f"runtime-versions: {name} {version} is asked for; this machine's {local.get(name, name)} is used"
        for name, version in spec.runtimes.items()
    ]


def _phases(spec: Buildspec, shell: Shell, log: Log, deadline: float | None) -> tuple[list[PhaseResult], bool]:
    """(result of each phase that ran, whether the build got past its phases to its artifacts).

    By default a failing install or pre_build ends the build, while post_build runs after a failing
    build phase, and artifacts are looked for.
    """
    results = []
    for name in PHASES:
        phase = spec.phases.get(name, Phase())
        result = _phase(name.upper(), phase, shell, log, deadline)
        results.append(result)
        if result.status == "TIMED_OUT":
            return results, False
        if result.status == "FAILED":
            shell.set("CODEBUILD_BUILD_SUCCEEDING", "0")
            if phase.on_failure == "ABORT" or (phase.on_failure is None and name in ("install", "pre_build")):
                return results, False
    return results, True


def _phase(name: str, phase: Phase, shell: Shell, log: Log, deadline: float | None) -> PhaseResult:
    started = time.monotonic()
    status, message = "SUCCEEDED", ""
    if phase.commands or phase.finally_:
        _say(log, f"Entering phase {name}")
    try:
        for block in (phase.commands, phase.finally_):
            failure = _commands(block, shell, log, deadline)
            if failure:
                status, message = "FAILED", message or failure
                shell.set("CODEBUILD_BUILD_SUCCEEDING", "0")
    except TimeoutError:
        status, message = "TIMED_OUT", "the project's timeout has passed"
    if phase.commands or phase.finally_:
        _say(log, f"Phase complete: {name} State: {status}")
    if message:
        _say(log, f"Phase context status code: COMMAND_EXECUTION_ERROR Message: {message}")
    return PhaseResult(name, status, time.monotonic() - started, message)


def _commands(commands: Iterable[str], shell: Shell, log: Log, deadline: float | None) -> str:
    """Run commands until one fails; why it failed, or nothing."""
    for command in commands:
        _say(log, f"Running command {command.rstrip()}")
        status = shell.run(command, deadline)
        if status:
            _say(log, f"Command did not exit successfully {command.rstrip()} exit status {status}")
            return f"Error while executing command: {command.rstrip()}. Reason: exit status {status}"
    return ""


def _exported(spec: Buildspec, environment: Mapping[str, str], log: Log) -> dict[str, str]:
    for name in spec.exported:
        if name not in environment:
            _say(log, f"exported-variables: {name} is not set: `export {name}=...` in a command sets it")
    return {name: environment[name] for name in spec.exported if name in environment}


def _upload(source_dir: Path, spec: Buildspec, outputs: dict[str, list[tuple[Path, str]]], log: Log) -> PhaseResult:
    """Find the files of every artifact; `outputs` gets them by identifier, the primary's being ''."""
    started = time.monotonic()
    wanted = {"": spec.artifact, **spec.secondary_artifacts} if spec.artifact else {}
    message = ""
    for identifier, artifact in wanted.items():
        try:
            outputs[identifier] = artifacts.collect(source_dir, artifact, lambda line: _say(log, line))
        except artifacts.ArtifactError as error:
            message = message or f"CLIENT_ERROR: {identifier and identifier + ': '}{error}"
    status = "FAILED" if message else "SUCCEEDED"
    if wanted:
        _say(log, f"Phase complete: UPLOAD_ARTIFACTS State: {status} {message}".rstrip())
    return PhaseResult("UPLOAD_ARTIFACTS", status, time.monotonic() - started, message)
