"""The environment of the security scanners, .venv-scan, which cannot be that of everything else.

`python -m security.environment` makes it where it is missing or out of date, and prints its folder.
"""

import fcntl
import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
LOCKED = (FOLDER / "requirements.txt", FOLDER / "guard.txt")
_NAME = ".venv-scan"
_STAMP = "sluice-stamp"
# Where the package keeps the program for a system and a processor.
_PROGRAMS = {
    ("Linux", "x86_64"): "ubuntu/x86_64",
    ("Linux", "aarch64"): "ubuntu/aarch64",
    ("Darwin", "x86_64"): "macos/x86_64",
    ("Darwin", "arm64"): "macos/aarch64",
}


class EnvironmentFailed(Exception):
    """The environment cannot be made; the message says why."""


def environment() -> Path:
    """Its folder, made where it is missing, half made or out of date.

    It is beside the environment that this runs in, so that a build in a copy of the tree finds it ready; where that one
    is another tree's and made from other requirements, at the root of this tree. Raises EnvironmentFailed with what pip
    said.
    """
    beside = Path(sys.prefix).with_name(_NAME)
    folder = beside if _up_to_date(beside) else ROOT / _NAME
    # One set-up at a time, of all trees that share an environment.
    with (Path(sys.prefix) / "pyvenv.cfg").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _up_to_date(folder):
            _make(folder)
    return folder


def guard(folder: Path) -> Path:
    """cfn-guard in an environment. Raises EnvironmentFailed where there is none for this machine."""
    machine = (platform.system(), platform.machine())
    if machine not in _PROGRAMS:
        raise EnvironmentFailed(f"there is no cfn-guard for {' '.join(machine)}: run this on Linux or macOS")
    return folder / "guard" / "package" / "bin" / _PROGRAMS[machine] / "cfn-guard"


def rules(folder: Path) -> list[Path]:
    """The rules of Control Tower in an environment, a file a control."""
    return sorted((folder / "guard" / "package" / "rules" / "control-tower").rglob("*.guard"))


def _stamp() -> str:
    """What an environment is made from. It is written last: an interrupted set-up is never taken for an environment."""
    locked = hashlib.sha256(b"".join(path.read_bytes() for path in LOCKED)).hexdigest()
    return f"{sys.version_info[:3]} {locked}\n"


def _up_to_date(folder: Path) -> bool:
    stamp = folder / _STAMP
    return stamp.is_file() and stamp.read_text() == _stamp()


def _make(folder: Path) -> None:
    print(f"making {_NAME} from scripts/security/, a quarter of a minute the first time", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    uv = str(Path(sys.executable).with_name("uv"))
    _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
    # Compiled, or each run would do it where Python is told to write no bytecode.
    options = ("--quiet", "--require-hashes", "--compile-bytecode", "--python", str(folder / "bin" / "python"))
    _run(uv, "pip", "sync", *options, *map(str, LOCKED))
    [archive] = folder.rglob("cdk-validator-cfnguard@*.jsii.tgz")
    (folder / "guard").mkdir()
    _run("tar", "-xzf", str(archive), "-C", str(folder / "guard"))
    (folder / _STAMP).write_text(_stamp())


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentFailed(f"{' '.join(command[:3])} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    try:
        print(environment())
    except EnvironmentFailed as error:
        sys.exit(f"scan: {error}")
