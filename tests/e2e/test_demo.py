"""The demo, as a new user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.checkout import Checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"))


def demo(checkout: Checkout, temporary: Path, *arguments: str) -> subprocess.Popen:
    """The demo, in an environment that has nothing but what it needs, keeping everything it writes in one folder."""
    temporary.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "SLUICE_VENV": sys.prefix}
    return subprocess.Popen(
        [checkout.folder / "scripts" / "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "TMPDIR": str(temporary)},
        start_new_session=True,
    )


def left_behind(temporary: Path) -> list[str]:
    """The processes that a demo has started and that still run, wherever they stand, and the files it has left."""
    found = [str(path) for path in temporary.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(temporary).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_own_files_are_processed_and_saved(checkout, tmp_path):
    own = tmp_path / "my own=prices.csv"
    own.write_bytes(b"".join(b"ABC,%02d-01-2026,%d\n" % (day, day) for day in range(1, 11)))
    process = demo(
        checkout,
        tmp_path / "tmp",
        "--json",
        "--save",
        str(tmp_path / "saved"),
        "--upload",
        f"{own}=prices/LSE/my own.csv",
        "--upload",
        f"{own}=elsewhere.csv",
    )
    out, progress = process.communicate(timeout=180)

    assert process.returncode == 0, progress
    good, ignored = json.loads(out)["uploads"]
    assert good.pop("seconds") > 0
    assert good == {
        "key": "prices/LSE/my own.csv",
        "state": "SUCCEEDED",
        "reason": "all 10 rows are valid",
        "rows_good": 10,
        "rows_rejected": 0,
        "result": good["result"],
        "error_report": None,
    }
    assert good["result"].startswith("s3://")
    assert good["result"].endswith("/prices/LSE/my own_predicted.csv")
    assert (ignored["state"], ignored["result"], ignored["error_report"]) == ("IGNORED", None, None)
    # p1 = 9; p2 = 9 + (10 - 9) / 2 = 9.5, half-even 10; p3 = 9.5 + 0.5 / 4 = 9.625
    saved = tmp_path / "saved" / "prices" / "LSE" / "my own_predicted.csv"
    assert saved.read_text() == "ABC,11-01-2026,9\nABC,12-01-2026,10\nABC,13-01-2026,10\n"
    assert left_behind(tmp_path / "tmp") == []


def test_an_interrupted_demo_leaves_nothing_behind(checkout, tmp_path):
    process = demo(checkout, tmp_path / "tmp")
    for line in process.stderr:
        if "pushing" in line:
            break
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, progress = process.communicate(timeout=30)

    assert process.returncode == 130, progress
    deadline = time.monotonic() + 10
    while left := left_behind(tmp_path / "tmp"):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
