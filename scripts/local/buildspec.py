"""A buildspec (version 0.2), read and checked the way CodeBuild reads it.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
What this machine cannot do is refused by name; nothing is skipped in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

PHASES = ("install", "pre_build", "build", "post_build")
SHELLS = {"bash": "bash", "/bin/bash": "bash", "sh": "sh", "/bin/sh": "sh"}

_YES = {"yes", "true", "on"}
_NO = {"no", "false", "off", ""}


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
        document = yaml.load(text, Loader=_Loader)  # a SafeLoader  # nosec B506
    except yaml.YAMLError as error:
        raise BuildspecError(f"not YAML: {error}") from None
    top = _mapping(
        document, "buildspec", {"version", "run-as", "env", "proxy", "batch", "phases", "reports", "artifacts", "cache"}
    )
    if top.get("version") != "0.2":
        raise BuildspecError(f"version is {top.get('version')!r}: only 0.2 is run here")
    for key, why in (
        ("run-as", "commands run as you"),
        ("proxy", "there is no proxy server"),
        ("batch", "only single builds are run"),
    ):
        if key in top:
            raise BuildspecError(f"{key} is not supported locally: {why}")
    if "phases" not in top:
        raise BuildspecError("phases is missing")

    env = _env(top.get("env"))
    phases = _mapping(top["phases"], "phases", set(PHASES))
    runtimes = _texts_by_name(
        phases.get("install", {}).get("runtime-versions") if isinstance(phases.get("install"), dict) else None,
        "phases.install.runtime-versions",
    )
    primary, secondary = _artifacts(top.get("artifacts"))
    return Buildspec(
        phases={name: _phase(name, phases[name]) for name in PHASES if name in phases},
        runtimes=runtimes,
        artifact=primary,
        secondary_artifacts=secondary,
        notices=(*_reports(top.get("reports")), *_cache(top.get("cache"))),
        **env,
    )


def _env(value: Any) -> dict[str, Any]:
    env = _mapping(
        value,
        "env",
        {"shell", "variables", "parameter-store", "secrets-manager", "exported-variables", "git-credential-helper"},
    )
    if _flag(env.get("git-credential-helper", ""), "env.git-credential-helper"):
        raise BuildspecError("env.git-credential-helper is not supported locally: the source is a zip, not a clone")
    shell = env.get("shell", "sh")
    if shell not in SHELLS:
        raise BuildspecError(f"env.shell is {shell!r}: bash or /bin/sh")
    found = {
        "shell": SHELLS[shell],
        "variables": _texts_by_name(env.get("variables"), "env.variables"),
        "parameters": _texts_by_name(env.get("parameter-store"), "env.parameter-store"),
        "secrets": _texts_by_name(env.get("secrets-manager"), "env.secrets-manager"),
        "exported": _texts(env.get("exported-variables", []), "env.exported-variables"),
    }
    for section in ("variables", "parameters", "secrets"):
        for name in found[section]:
            if name.startswith("CODEBUILD_"):
                raise BuildspecError(f"env: {name}: names that start with CODEBUILD_ are reserved")
    for name in found["exported"]:
        if name.startswith("AWS_") or name in found["parameters"] or name in found["secrets"]:
            raise BuildspecError(
                f"env.exported-variables: {name} is a secret or starts with AWS_: it cannot be exported"
            )
    return found


def _phase(name: str, value: Any) -> Phase:
    where = f"phases.{name}"
    keys = {"run-as", "on-failure", "commands", "finally"} | ({"runtime-versions"} if name == "install" else set())
    phase = _mapping(value, where, keys)
    if "run-as" in phase:
        raise BuildspecError(f"{where}.run-as is not supported locally: commands run as you")
    if "commands" not in phase and name != "install":
        raise BuildspecError(f"{where}.commands is missing")
    on_failure = phase.get("on-failure")
    if on_failure not in (None, "ABORT", "CONTINUE"):
        raise BuildspecError(f"{where}.on-failure is {on_failure!r}: ABORT or CONTINUE; RETRY is not supported locally")
    return Phase(
        _texts(phase.get("commands", []), f"{where}.commands"),
        _texts(phase.get("finally", []), f"{where}.finally"),
        on_failure,
    )


def _artifacts(value: Any) -> tuple[Artifact | None, dict[str, Artifact]]:
    if value is None:
        return None, {}
    where = "artifacts"
    keys = {"files", "name", "discard-paths", "base-directory", "exclude-paths", "enable-symlinks", "s3-prefix"}
    primary = _mapping(value, where, keys | {"secondary-artifacts"})
    secondary = _mapping(primary.get("secondary-artifacts"), f"{where}.secondary-artifacts")
    return _artifact(primary, where), {
        name: _artifact(
            _mapping(item, f"{where}.secondary-artifacts.{name}", keys), f"{where}.secondary-artifacts.{name}"
        )
        for name, item in secondary.items()
    }


def _artifact(value: Mapping[str, Any], where: str) -> Artifact:
    """`name` is checked and then unused, as on AWS: CodePipeline names the outputs."""
    if _flag(value.get("enable-symlinks", ""), f"{where}.enable-symlinks"):
        raise BuildspecError(f"{where}.enable-symlinks is not supported locally")
    if "s3-prefix" in value:
        raise BuildspecError(f"{where}.s3-prefix is not supported locally: CodePipeline names the object")
    if "files" not in value:
        raise BuildspecError(f"{where}.files is missing")
    excluded = value.get("exclude-paths", [])
    return Artifact(
        files=_texts(value["files"], f"{where}.files"),
        base_directory=value.get("base-directory", "."),
        exclude_paths=_texts([excluded] if isinstance(excluded, str) else excluded, f"{where}.exclude-paths"),
        discard_paths=_flag(value.get("discard-paths", ""), f"{where}.discard-paths"),
    )


def _reports(value: Any) -> list[str]:
    notices = []
    for name, group in _mapping(value, "reports").items():
        group = _mapping(group, f"reports.{name}", {"files", "file-format", "base-directory", "discard-paths"})
        if "files" not in group:
            raise BuildspecError(f"reports.{name}.files is missing")
        notices.append(f"reports: the report group {name} is checked but not collected locally")
    return notices


def _cache(value: Any) -> list[str]:
    """The keys that AWS knows; a cache changes how long a build takes, never what it makes."""
    if value is None:
        return []
    cache = _mapping(value, "cache", {"action", "key", "fallback-keys", "paths"})
    if "paths" not in cache:
        raise BuildspecError("cache.paths is missing")
    _texts(cache["paths"], "cache.paths")
    return ["cache: nothing is kept between local builds"]


def _mapping(value: Any, where: str, keys: set[str] | None = None) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise BuildspecError(f"{where} must be a mapping")
    for key in value:
        if keys is not None and key not in keys:
            raise BuildspecError(f"{where}: unknown key {key!r} (known: {', '.join(sorted(keys))})")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BuildspecError(f"{where} must be a list")
    for item in value:
        if not isinstance(item, str):
            raise BuildspecError(f"{where}: {item!r} is not text; quote a command that contains ': '")
    return tuple(value)


def _texts_by_name(value: Any, where: str) -> dict[str, str]:
    found = _mapping(value, where)
    for name, item in found.items():
        if not isinstance(item, str):
            raise BuildspecError(f"{where}.{name} must be text")
    return found


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, str) or value.lower() not in _YES | _NO:
        raise BuildspecError(f"{where} must be yes or no")
    return value.lower() in _YES
