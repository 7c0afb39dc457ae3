"""Builds the Lambda artifact: a zip of lambda/sluice, lambda/datasets and the locked dependencies.

The same tree, target, Python and uv give the same bytes, whoever builds, where and when: entries are sorted, times and
modes fixed, and what installers leave behind (RECORD, INSTALLER, console scripts) stays out. The SHA-256 of those bytes
is the artifact's name.

Bytecode is included: without it a cold start takes more than twice as long. AWS advises against bytecode that another
Python may have made (https://docs.aws.amazon.com/lambda/latest/dg/python-package.html); this is made by the target's
version, and does not depend on the processor. The sources stay beside it, because stack traces quote them.
"""

import hashlib
import io
import json
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from delivery.models import cut_models

ROOT = Path(__file__).parents[2]

# zlib's, 1 to 9: its usual 6 takes twice as long and saves a thirtieth.
_COMPRESSION = 4
# Lambda's Python 3.12 and later run on Amazon Linux 2023, whose glibc is 2.34:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}


class ArtifactError(Exception):
    """The artifact cannot be built; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """What an artifact is built for."""

    python: str
    """Version, such as 3.13."""
    platform: str | None
    """uv's name of the platform; None is this machine's."""
    interpreter: str
    """Command of a Python of that version: bytecode belongs to one version."""


@dataclass(frozen=True)
class Artifact:
    path: Path
    digest: str
    """SHA-256 of the file, 64 hex digits."""


def key(digest: str) -> str:
    """Key of an artifact in the artifact bucket, as templates/lambda.yaml has it."""
    return f"artifacts/{digest}.zip"


def named_target(name: str, template: Path = ROOT / "templates" / "lambda.yaml") -> Target:
    """The target `local` (this Python, this machine) or `lambda` (what the functions of `template` run on).

    Raises ArtifactError when the template does not say, or no Python of its version is installed.
    """
    if name == "local":
        return Target(_version(sys.executable), None, sys.executable)
    if name != "lambda":
        raise ArtifactError(f"unknown target {name}: use local or lambda")
    version, architecture = _runtime(template)
    for interpreter in (sys.executable, f"python{version}"):
        if _version(interpreter) == version:
            return Target(version, _PLATFORMS[architecture], interpreter)
    raise ArtifactError(
        f"the functions of {template.name} run on Python {version} and no python{version} works on the PATH, which "
        f"their bytecode needs: install Python {version}, or build for this machine with --target local"
    )


def build(target: Target, out_dir: Path, lambda_dir: Path = ROOT / "lambda") -> Artifact:
    """Build `<out_dir>/<digest>.zip`.

    Raises ArtifactError when a dependency cannot be installed or a file does not compile.
    """
    with tempfile.TemporaryDirectory(prefix="artifact-") as scratch:
        stage = Path(scratch, "stage")
        _install(target, lambda_dir / "requirements.txt", stage)
        for package in ("sluice", "datasets"):
            shutil.copytree(lambda_dir / package, stage / package)
        found = {path.relative_to(stage).as_posix(): path for path in sorted(stage.rglob("*")) if path.is_file()}
        files = {name: path for name, path in found.items() if _ships(PurePosixPath(name))}
        files = cut_models(files, Path(scratch, "models"))
        files |= _compile(target, files, Path(scratch, "bytecode"))
        content = _zip(files)
    digest = hashlib.sha256(content).hexdigest()
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f"{digest}.zip"
    path.write_bytes(content)
    return Artifact(path, digest)


def _install(target: Target, requirements: Path, stage: Path) -> None:
    platform_options = ["--python-platform", target.platform] if target.platform else []
    run = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", stage, "--python", sys.executable,
         "--python-version", target.python, *platform_options, "--only-binary", ":all:", "--require-hashes",
         "--requirements", requirements],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        raise ArtifactError(f"cannot install {requirements}:\n{run.stderr.strip()}")


def _ships(name: PurePosixPath) -> bool:
    """Whether a staged file belongs in the artifact."""
    top = name.parts[0]
    if top == "bin" or any(part.startswith(".") or part == "__pycache__" for part in name.parts):
        return False
    if top.endswith(".dist-info"):
        # For scanners such as Amazon Inspector, which read the versions of packages there.
        return name.name == "METADATA"
    return True


def _compile(target: Target, files: dict[str, Path], out_dir: Path) -> dict[str, Path]:
    """Bytecode of the Python files among `files`, by its name in the artifact."""
    tag = f"cpython-{target.python.replace('.', '')}"
    bytecode, jobs = {}, []
    for name, source in files.items():
        if source.suffix == ".py":
            module = PurePosixPath(name)
            cached = module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc"
            bytecode[str(cached)] = out_dir / cached
            jobs.append([str(source), str(out_dir / cached), name])
    run = subprocess.run(
        [target.interpreter, "-I", "-S", Path(__file__).with_name("bytecode.py")],
        input=json.dumps(jobs), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        raise ArtifactError(f"Python {target.python} cannot compile the artifact:\n{run.stderr.strip()}")
    return bytecode


def _zip(files: dict[str, Path]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)  # its time is 1980-01-01 unless told otherwise
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whatever builds
            entry.external_attr = (stat.S_IFREG | 0o644) << 16  # Lambda runs as a user that owns none of the files
            archive.writestr(entry, files[name].read_bytes(), compresslevel=_COMPRESSION)
    return content.getvalue()


def _version(interpreter: str) -> str | None:
    """Version of a CPython, such as 3.13; None if the command does not work."""
    command = [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


class _TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref`, `!Sub`, ...) as nothing: no such value is needed here."""


_TemplateLoader.add_multi_constructor("!", lambda loader, tag, node: None)


def _runtime(template: Path) -> tuple[str, str]:
    """Python version and architecture of the functions of a template."""
    resources = yaml.load(template.read_text(encoding="utf-8"), _TemplateLoader)["Resources"].values()  # nosec B506
    functions = [item["Properties"] for item in resources if item["Type"] == "AWS::Lambda::Function"]
    found = {(str(item.get("Runtime")), *(item.get("Architectures") or ["x86_64"])) for item in functions}
    if len(found) != 1:
        raise ArtifactError(f"{template}: functions must share one Runtime and Architectures, found {sorted(found)}")
    runtime, architecture = found.pop()
    if not runtime.startswith("python") or architecture not in _PLATFORMS:
        raise ArtifactError(f"{template}: cannot build for Runtime {runtime} and Architectures {architecture}")
    return runtime.removeprefix("python"), architecture
