"""The demo, as a new user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest

from local.calls import fetch
from support.checkout import Checkout


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


def test_own_files_and_datasets_are_processed_and_saved(checkout, tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "orders.yaml").write_text(
        "name: orders\nschema: {fields: [{name: id, type: integer}]}\n"
        "sluice:key: orders/{name}.csv\nsluice:processor: clean\n"
    )
    (tmp_path / "orders.csv").write_text("id\n1\n2\n")
    own = tmp_path / "my own=prices.csv"
    own.write_bytes(b"".join(b"ABC,%02d-01-2026,%d\n" % (day, day) for day in range(1, 11)))
    process = demo(
        checkout,
        tmp_path / "tmp",
        "--json",
        "--save",
        str(tmp_path / "saved"),
        "--datasets",
        str(tmp_path / "datasets"),
        "--upload",
        f"{tmp_path / 'orders.csv'}=orders/monday.csv",
        "--upload",
        f"{own}=prices/LSE/my own.csv",
        "--upload",
        f"{own}=elsewhere.csv",
    )
    out, progress = process.communicate(timeout=180)

    assert process.returncode == 0, progress
    added, good, ignored = json.loads(out)["uploads"]
    assert (added["key"], added["state"], added["rows_good"]) == ("orders/monday.csv", "SUCCEEDED", 2)
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


@pytest.mark.parametrize(
    ("kill", "number"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)], ids=["Ctrl-C", "SIGTERM to it alone"]
)
def test_an_interrupted_demo_leaves_nothing_behind(checkout, tmp_path, kill, number):
    process = demo(checkout, tmp_path / "tmp")
    for line in process.stderr:
        if "Entering phase PRE_BUILD" in line:
            break
    time.sleep(1)
    kill(process.pid, number)
    _, progress = process.communicate(timeout=30)

    assert process.returncode == 130, progress
    assert "nothing is left behind" in progress
    assert left_behind(tmp_path / "tmp") == []


def test_a_key_is_given_to_one_file(checkout, tmp_path):
    file = f"{checkout.folder / 'README.md'}=a.csv"
    process = demo(checkout, tmp_path / "tmp", "--upload", file, "--upload", file)
    _, progress = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "a.csv is the key of two files" in progress


def test_the_stream_and_the_api_are_shown_and_a_kept_cloud_can_be_used_and_stopped(checkout, tmp_path):
    upload = f"{checkout.folder / 'README.md'}=notes.txt"
    process = demo(
        checkout, tmp_path / "tmp", "--keep", "--json", "--upload", upload, "--with", "stream", "--with", "api"
    )
    out, progress = process.communicate(timeout=300)
    assert process.returncode == 0, progress
    document = json.loads(out)
    kept = document["cloud"]
    try:
        averages = document["averages"]
        assert [row["count"] for row in averages] == [40, 40, 40, 40, 160, 168]
        assert [row["average"] for row in averages] == [row["reference"] for row in averages]
        assert len(document["rejects"]) == 6 and document["batches"]
        assert document["sample"]["bucket"] == document["partner"]["bucket"]
        assert len(document["sample_text"].splitlines()) == 6
        assert (document["upload"]["state"], len(document["report"])) == ("PARTIAL", 4)
        address = urlsplit(kept["page"])
        # Not every resolver knows that the names under localhost are this machine.
        page = fetch(f"http://127.0.0.1:{address.port}/", headers={"host": address.netloc})
        assert (address.hostname, page.status) == ("api.sluice.localhost", 200)
        credentials = {name: kept["environment"][name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        s3 = boto3.client(
            "s3",
            endpoint_url=kept["environment"]["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        )
        [uploads] = [item["Name"] for item in s3.list_buckets()["Buckets"] if "-uploads-" in item["Name"]]
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=uploads)["Contents"]]
        assert keys == ["notes.txt", "prices/NYSE/by-form.csv"]
        assert any(f"s3://{uploads}/" in command for command in kept["commands"])
    finally:
        os.kill(kept["pid"], signal.SIGTERM)
    deadline = time.monotonic() + 10
    while left := left_behind(tmp_path / "tmp"):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
