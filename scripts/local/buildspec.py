"""A buildspec (version 0.2), read and checked the way CodeBuild reads it.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
Its form is that of buildspec.schema.json. What this machine cannot do is refused by name; nothing is skipped in
silence.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

PHASES = ("install", "pre_build", "build", "post_build")
SHELLS = {"bash": "bash", "/bin/bash": "bash", "sh": "sh", "/bin/sh": "sh"}

_YES = {"yes", "true", "on"}
_SCHEMA = json.loads(Path(__file__).with_name("buildspec.schema.json").read_text(encoding="utf-8"))
_VALIDATOR = jsonschema_rs.Draft202012Validator(_SCHEMA)
_KINDS = {"object": "a mapping", "array": "a list", "string": "text"}


class BuildspecError(ValueError):
    """The buildspec is wrong, or asks for something the local runner does not do."""


@dataclass(frozen=True)
class Phase:
    """One phase: its commands, its `finally` commands, and `on_failure` (ABORT, CONTINUE or None)."""

    commands: tuple[str, ...] = ()
    finally_: tuple[str, ...] = ()
    on_failure: str | None = None


@dataclass(frozen=True)
class Artifact:
    """Which files make up an output: patterns relative to `base_directory`, itself a pattern."""

    files: tuple[str, ...]
    base_directory: str = "."
    exclude_paths: tuple[str, ...] = ()
    discard_paths: bool = False


@dataclass(frozen=True)
class Buildspec:
    """A checked buildspec. `variables`, `parameters` and `secrets` map environment variable
    names to a text, a Parameter Store name and a Secrets Manager reference.
    """

    phases: Mapping[str, Phase]
    shell: str = "sh"
    variables: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()
    runtimes: Mapping[str, str] = field(default_factory=dict)
    artifact: Artifact | None = None
    secondary_artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class _Loader(yaml.BaseLoader):
    """Every scalar stays the text that was written (`1.10`, `yes`), as in CodeBuild's environment;
    a key given twice is an error instead of the last one winning.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                raise BuildspecError(f"line {key.start_mark.line + 1}: {key.value} is given twice or is no name")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse(text: str) -> Buildspec:
    """Read a buildspec. Raises BuildspecError naming the key or the line that is wrong."""
    try:
        top = yaml.load(text, Loader=_Loader)  # a SafeLoader  # nosec B506
    except yaml.YAMLError as error:
        raise BuildspecError(f"not YAML: {error}") from None
    _check(top)
    for key, why in (
        ("run-as", "commands run as you"),
        ("proxy", "there is no proxy server"),
        ("batch", "only single builds are run"),
    ):
        if key in top:
            raise BuildspecError(f"{key} is not supported locally: {why}")
    primary, secondary = _artifacts(top.get("artifacts"))
    return Buildspec(
        phases={name: _phase(name, top["phases"][name]) for name in PHASES if name in top["phases"]},
        runtimes=top["phases"].get("install", {}).get("runtime-versions", {}),
        artifact=primary,
        secondary_artifacts=secondary,
        notices=tuple(_notices(top)),
        **_env(top.get("env", {})),
    )


def _check(document: Any) -> None:
    """Raises BuildspecError with all that is not of the schema's form."""
    if wrong := [_described(error) for error in _VALIDATOR.iter_errors(document)]:
        raise BuildspecError("; ".join(wrong))


def _described(error: jsonschema_rs.ValidationError) -> str:
    where = ".".join(map(str, error.instance_path))
    given = error.kind.as_dict()
    match error.kind.name:
        case "additionalProperties":
            return f"{where or 'buildspec'}: unknown key {', '.join(map(repr, given['unexpected']))}"
        case "required":
            return f"{where}.{given['property']} is missing".removeprefix(".")
        case "type":
            quoted = " (quote a command that contains ': ')" if isinstance(error.instance, dict) else ""
            return f"{where or 'buildspec'} must be {_KINDS[given['types'][0]]}{quoted}"
    return f"{where}: {error.message}"


def _env(env: Mapping[str, Any]) -> dict[str, Any]:
    if _flag(env.get("git-credential-helper")):
        raise BuildspecError("env.git-credential-helper is not supported locally: the source is a zip, not a clone")
    shell = env.get("shell", "sh")
    if shell not in SHELLS:
        raise BuildspecError(f"env.shell is {shell!r}: bash or /bin/sh")
    found = {
        "shell": SHELLS[shell],
        "variables": env.get("variables", {}),
        "parameters": env.get("parameter-store", {}),
        "secrets": env.get("secrets-manager", {}),
        "exported": tuple(env.get("exported-variables", [])),
    }
    for name in found["exported"]:
        if name.startswith("AWS_") or name in found["parameters"] or name in found["secrets"]:
            raise BuildspecError(
                f"env.exported-variables: {name} is a secret or starts with AWS_: it cannot be exported"
            )
    return found


def _phase(name: str, phase: Mapping[str, Any]) -> Phase:
    where = f"phases.{name}"
    if "run-as" in phase:
        raise BuildspecError(f"{where}.run-as is not supported locally: commands run as you")
    on_failure = phase.get("on-failure")
    if on_failure not in (None, "ABORT", "CONTINUE"):
        raise BuildspecError(f"{where}.on-failure is {on_failure!r}: ABORT or CONTINUE; RETRY is not supported locally")
    return Phase(tuple(phase.get("commands", ())), tuple(phase.get("finally", ())), on_failure)


def _artifacts(primary: Mapping[str, Any] | None) -> tuple[Artifact | None, dict[str, Artifact]]:
    if primary is None:
        return None, {}
    where = "artifacts"
    secondary = primary.get("secondary-artifacts", {})
    return _artifact(primary, where), {
        name: _artifact(item, f"{where}.secondary-artifacts.{name}") for name, item in secondary.items()
    }


def _artifact(value: Mapping[str, Any], where: str) -> Artifact:
    """`name` is checked and then unused, as on AWS: CodePipeline names the outputs."""
    if _flag(value.get("enable-symlinks")):
        raise BuildspecError(f"{where}.enable-symlinks is not supported locally")
    if "s3-prefix" in value:
        raise BuildspecError(f"{where}.s3-prefix is not supported locally: CodePipeline names the object")
    excluded = value.get("exclude-paths", [])
    return Artifact(
        files=tuple(value["files"]),
        base_directory=value.get("base-directory", "."),
        exclude_paths=tuple([excluded] if isinstance(excluded, str) else excluded),
        discard_paths=_flag(value.get("discard-paths")),
    )


def _notices(top: Mapping[str, Any]) -> list[str]:
    """What is checked and then left undone: a cache changes how long a build takes, never what it makes."""
    reports = top.get("reports", {})
    notices = [f"reports: the report group {name} is checked but not collected locally" for name in reports]
    return notices + ["cache: nothing is kept between local builds"] * ("cache" in top)


def _flag(value: str | None) -> bool:
    return value is not None and value.lower() in _YES
