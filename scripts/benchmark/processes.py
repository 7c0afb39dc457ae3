"""Processes that are measured: each on the first core, libraries told to use one thread."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_REQUIREMENTS = Path(__file__).parent / "requirements.txt"
_PEERS = _ROOT / ".venv-bench"


def on_one_core(command: list[str], environment: dict[str, str]) -> list[dict]:
    """Runs a command and returns what it prints, one JSON object a line. Raises SystemExit where it fails."""
    threads = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        command, env=environment | threads, preexec_fn=pin(), stdout=subprocess.PIPE, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(f"{run.stdout[:3000]}\nscripts/bench: {' '.join(command[:5])} failed: see its messages above")
    # The functions' metrics are lines of the same output (sluice/metrics.py).
    return [found for line in run.stdout.splitlines() if "_aws" not in (found := json.loads(line))]


def pin() -> Callable[[], None] | None:
    """What a new process runs to stay on the first core; None where the system has no such thing."""
    return (lambda: os.sched_setaffinity(0, {0})) if hasattr(os, "sched_setaffinity") else None


def peers_python() -> str:
    """The Python of the environment that the peers live in; makes it where it is missing or out of date."""
    python, stamp = _PEERS / "bin" / "python", _PEERS / "requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != _REQUIREMENTS.read_bytes():
        say("making .venv-bench for the libraries that are compared")
        uv = Path(sys.prefix) / "bin" / "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, _PEERS], check=True)
        install = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, _REQUIREMENTS]
        subprocess.run(install, check=True)
        stamp.write_bytes(_REQUIREMENTS.read_bytes())
    return str(python)


def say(text: str) -> None:
    """Tells whoever waits how far it is."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
