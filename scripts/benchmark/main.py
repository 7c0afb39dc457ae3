"""`scripts/bench`: rows per second of the whole handler beside scripts and libraries, interleaved, on one core.

Ratios are what to trust: they are taken within one run. Peers read a local file; ours reads the object from the local
S3 and pays for ledger, result and notification as well.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmark import files
from local import cloud as local_cloud
from local.cloud import Cloud

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
PEERS = ROOT / ".venv-bench"
SMALL_FILES = 200


@dataclass
class Measured:
    """The runs of one contender on one file: seconds, and what it said of the rows."""

    seconds: list[float] = field(default_factory=list)
    good: int = 0
    bad: int | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def main() -> None:
    """Measures, prints a table or JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller files, three rounds instead of five")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    prices, people, rounds = (1_000_000, 300_000, 3) if options.quick else (8_000_000, 2_000_000, 5)
    python = _peers_python()
    with tempfile.TemporaryDirectory() as folder, local_cloud.start() as cloud:
        stage = Stage(cloud, Path(folder))
        _say(f"writing files: {prices:,} prices, {people:,} people")
        stage.add("prices", "prices/LSE/bench.csv", prices, files.write_prices(Path(folder, "prices"), prices))
        stage.add("people", "people/bench.csv", people, files.write_people(Path(folder, "people"), people))
        results = {name: _race(stage, name, python, rounds) for name in ("prices", "people")}
        small = stage.run_ours("small", "prices/LSE/small.csv", SMALL_FILES)
    report = _report(results, stage, statistics.median(run["own_seconds"] for run in small[SMALL_FILES // 10 :]))
    print(json.dumps(report, indent=2) if options.json else _table(report))


class Stage:
    """A cloud with what the handler needs, and the files in it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, int] = {}
        self.bad: dict[str, int] = {}
        self.keys: dict[str, str] = {}
        self.peak_rss_mb = 0.0
        self._s3, sqs, sns = cloud.client("s3"), cloud.client("sqs"), cloud.client("sns")
        self._dynamodb = cloud.client("dynamodb")
        for bucket in ("uploads", "results"):
            self._s3.create_bucket(Bucket=bucket)
            self._s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        names = {"upload_key": "HASH", "version_id": "RANGE"}
        self._dynamodb.create_table(
            TableName="ledger",
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names.items()],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            BillingMode="PAY_PER_REQUEST",
        )
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **cloud.environment(),
            "LEDGER_TABLE": "ledger",
            "RESULTS_BUCKET": "results",
            "TOPIC_ARN": sns.create_topic(Name="uploads")["TopicArn"],
            "QUEUE_URL": sqs.create_queue(QueueName="intake")["QueueUrl"],
            "ENVIRONMENT": "staging",
            "MAX_ATTEMPTS": "1",
            "MAX_RECEIVES": "2",
            "POWERTOOLS_LOG_LEVEL": "ERROR",
            "POWERTOOLS_SERVICE_NAME": "process",
        }
        files.write_small(folder / "small")

    def add(self, name: str, key: str, rows: int, bad: int) -> None:
        """A file of the folder and what is true of it."""
        self.keys[name], self.rows[name], self.bad[name] = key, rows, bad

    def run_ours(self, name: str, key: str, times: int = 1) -> list[dict]:
        """Processes a file so many times, each a new upload, in one process; leaves the last one's ledger item."""
        body = (self.folder / name).read_bytes()
        versions = [self._s3.put_object(Bucket="uploads", Key=key, Body=body)["VersionId"] for _ in range(times)]
        command = [sys.executable, "-m", "benchmark.ours", "uploads", key, *versions]
        runs = [json.loads(line) for line in _on_one_core(command, self._environment).splitlines()]
        if name in self.keys:
            self.peak_rss_mb = max(self.peak_rss_mb, runs[-1]["peak_rss_mb"])
            item = self._dynamodb.get_item(
                TableName="ledger", Key={"upload_key": {"S": f"uploads/{key}"}, "version_id": {"S": versions[-1]}}
            )["Item"]
            runs[-1] |= {"good": int(item["rows_good"]["N"]), "bad": int(item["rows_rejected"]["N"])}
        for version in versions:
            self._s3.delete_object(Bucket="uploads", Key=key, VersionId=version)
        return runs


def _race(stage: Stage, name: str, python: Path, rounds: int) -> dict[str, Measured]:
    """Ours and every contender on one file, in turn, `rounds` times."""
    from benchmark.contenders import CONTENDERS

    def peer(contender: str) -> Callable[[], dict]:
        command = [str(python), "-m", "benchmark.contenders", contender, str(stage.folder / name)]
        return lambda: json.loads(_on_one_core(command, dict(os.environ)))

    runners: dict[str, Callable[[], dict]] = {"ours": lambda: stage.run_ours(name, stage.keys[name])[-1]}
    runners |= {contender: peer(contender) for contender in CONTENDERS if contender.startswith(name)}
    measured = {contender: Measured() for contender in runners}
    for number in range(rounds):
        for contender, run in runners.items():
            result = run()
            _say(f"round {number + 1} of {rounds}: {name}, {contender}: {result['seconds']:.2f} s")
            measured[contender].seconds.append(result["seconds"])
            measured[contender].good, measured[contender].bad = result["good"], result["bad"]
    return measured


def _report(results: dict[str, dict[str, Measured]], stage: Stage, small_seconds: float) -> dict:
    ratios, contenders = {}, []
    for name, measured in results.items():
        for contender, runs in measured.items():
            if contender != "ours":
                ratios[f"{name}_vs_{contender.partition('_')[2]}"] = round(runs.median / measured["ours"].median, 2)
            missed = None if runs.bad is None else stage.bad[name] - runs.bad
            contenders.append(
                {
                    "file": name,
                    "contender": contender,
                    "rows_per_second": round(stage.rows[name] / runs.median),
                    "seconds": [round(seconds, 3) for seconds in runs.seconds],
                    "bad_rows": stage.bad[name],
                    "bad_rows_found": runs.bad,
                    "exact": missed == 0 and runs.good == stage.rows[name] - stage.bad[name],
                }
            )
    return {
        "ratios": ratios,
        "small_file_ms": round(small_seconds * 1000, 2),
        "peak_rss_mb": round(stage.peak_rss_mb),
        "contenders": contenders,
    }


def _table(report: dict) -> str:
    lines = [f"{'file':8}{'contender':16}{'rows/s':>12}  {'bad rows found':16}"]
    for row in report["contenders"]:
        found = "does not tell" if row["bad_rows_found"] is None else f"{row['bad_rows_found']:,}"
        told = f"{found} of {row['bad_rows']:,}"
        lines.append(f"{row['file']:8}{row['contender']:16}{row['rows_per_second']:>12,}  {told}")
    lines += ["", *(f"{name:18}{ratio:>7.2f}" for name, ratio in report["ratios"].items())]
    lines += ["", f"a 10 KB file: {report['small_file_ms']} ms of our own time when warm"]
    return "\n".join([*lines, f"peak memory: {report['peak_rss_mb']} MB"])


def _on_one_core(command: list[str], environment: dict[str, str]) -> str:
    """Runs a command on the first core, libraries told to use one thread, and returns what it prints."""
    threads = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    pin = (lambda: os.sched_setaffinity(0, {0})) if hasattr(os, "sched_setaffinity") else None
    run = subprocess.run(
        command, env=environment | threads, preexec_fn=pin, stdout=subprocess.PIPE, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(f"scripts/bench: {' '.join(command[:5])} failed: see its message above")
    return run.stdout


def _peers_python() -> Path:
    """The Python of the environment that the peers live in; makes it where it is missing or out of date."""
    python, stamp = PEERS / "bin" / "python", PEERS / "requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != REQUIREMENTS.read_bytes():
        _say("making .venv-bench for the libraries that are compared")
        uv = Path(sys.prefix) / "bin" / "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, PEERS], check=True)
        install = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, REQUIREMENTS]
        subprocess.run(install, check=True)
        stamp.write_bytes(REQUIREMENTS.read_bytes())
    return python


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
