"""bandit and zizmor have nothing to say of the code and the workflows, and would have if there were something."""

import os
import subprocess
import sys
from pathlib import Path

from support.checkout import ROOT, Checkout


def scan(folder: Path) -> subprocess.CompletedProcess:
    """The scan without a network, in an environment that has nothing but what it needs."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "SLUICE_VENV": sys.prefix}
    command = ["sh", folder / "scripts" / "scan", "--offline"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_scan_finds_nothing() -> None:
    done = scan(ROOT)
    assert done.returncode == 0 and done.stderr.endswith("scan: clean\n"), done.stdout + done.stderr


def test_the_scan_sees_what_is_wrong(tmp_path: Path) -> None:
    """And goes on, to say all of it."""
    checkout = Checkout(tmp_path)
    bad = 'BAD = f"SELECT * FROM {LOADS}"\nTOKEN = "a1b2"\n\n\n'
    checkout.replace("lambda/sluice/load/statements.py", "def keys(", bad + "def keys(")
    checkout.replace(".github/workflows/pull-request.yml", "on: pull_request\n", "on: pull_request_target\n")
    done = scan(tmp_path)
    assert done.returncode == 1 and done.stderr.endswith("failed: bandit zizmor\n"), done.stderr
    for finding in ("B608:hardcoded_sql_expressions", "B105:hardcoded_password_string", "dangerous-triggers"):
        assert finding in done.stdout, finding
