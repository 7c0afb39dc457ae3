"""`scripts/bench load`: rows per second into a table, of the whole handler and of what people do instead.

All work on one private MariaDB and load the same file, one row in a hundred of which repeats a key, into tables of the
same columns and key. Ours reads the object from the local S3, checks every row, stages them, lists the duplicates,
keeps the ledger and publishes; the others read a local file and check nothing.
"""

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmark import files
from benchmark.loaders import COLUMNS, LOADERS
from benchmark.processes import on_one_core, say
from benchmark.stage import Stage
from local import cloud as local_cloud
from local import mariadb
from sluice.database import Connection
from sluice.datasets import Catalogue
from sluice.processors import NEEDS
from sluice.schema import migrate

_DATASETS = Path(__file__).parents[2] / "lambda" / "datasets"
_SCHEMA = "sluice"
_ROWS, _QUICK_ROWS = 1_000_000, 200_000
_ROUNDS, _QUICK_ROUNDS = 5, 3
# Of who commits every row: enough for a rate.
_FEW = 10_000
# Rows, with keys of their own: the others find no row of theirs in the table either.
_FIRST = 1_000


def measure(*, is_quick: bool) -> dict:
    """Runs ours and all others in turn; rates, and how ours compares."""
    rows, rounds = (_QUICK_ROWS, _QUICK_ROUNDS) if is_quick else (_ROWS, _ROUNDS)
    with tempfile.TemporaryDirectory() as name, local_cloud.start() as cloud, mariadb.start() as server:
        folder = Path(name)
        os.environ["SSL_CERT_FILE"] = str(server.authority)
        master = {"username": server.user, "password": server.password}
        account = {"host": server.host, "port": server.port, "dbname": _SCHEMA}
        account |= {"username": _SCHEMA, "password": server.password}
        migrate(master, account, Catalogue(_DATASETS, NEEDS))
        secret = cloud.client("secretsmanager").create_secret(Name="application", SecretString=json.dumps(account))
        say("building the artifact")
        settings = {"DATABASE_SECRET": secret["ARN"], "SSL_CERT_FILE": str(server.authority)}
        stage = Stage(cloud, folder, (), settings)
        sizes = {"rows": rows, "few": min(rows, _FEW)}
        repeated = {name: files.write_repeating(folder / name, size, _FIRST) for name, size in sizes.items()}
        files.write_repeating(folder / "first", _FIRST)
        connection = Connection({**account, **master})
        runs: dict[str, list[float]] = {"ours": [], **{name: [] for name in LOADERS}}
        for number in range(rounds):
            for contender, seconds in runs.items():
                size = "few" if contender == "row_by_row" else "rows"
                if contender == "ours":
                    took = _ours(stage, connection, number)
                else:
                    connection.execute("DROP TABLE IF EXISTS peers")
                    connection.execute(f"CREATE TABLE peers {COLUMNS}")
                    command = [sys.executable, "-m", "benchmark.loaders", contender, str(folder / size)]
                    environment = os.environ | {"BENCHMARK_ACCOUNT": json.dumps({**account, **master})}
                    [run] = on_one_core(command, environment)
                    took = run["seconds"]
                table = "people" if contender == "ours" else "peers"
                [(found,)] = connection.fetch(f"SELECT COUNT(*) FROM {table}")  # one of two names  # nosec B608
                connection.commit()
                first = _FIRST - _FIRST // 100 if contender == "ours" else 0
                if found != first + sizes[size] - repeated[size]:
                    raise SystemExit(f"scripts/bench: {contender} has loaded {found} rows")
                say(f"round {number + 1} of {rounds}: {contender}: {took:.2f} s")
                seconds.append(took / sizes[size])
        connection.close()
    return _report(rows, repeated["rows"], runs)


def _ours(stage: Stage, connection: Connection, number: int) -> float:
    """Seconds of the whole handler, after a small file: what is loaded and connected for the first one is not it."""
    for table in ("people", "sluice_loads"):
        connection.execute(f"TRUNCATE TABLE {table}")
    uploads = [(f"people/{name}-{number}.csv", stage.folder / name) for name in ("first", "rows")]
    _, run = stage.run_ours(uploads)
    if run["bad"] or run["duplicates"] != run["good"] // 100:
        raise SystemExit(f"scripts/bench: ours found {run['duplicates']} duplicates of {run['good']} rows")
    return run["seconds"]


def _report(rows: int, repeated: int, runs: dict[str, list[float]]) -> dict:
    rates = {name: round(1 / statistics.median(seconds)) for name, seconds in runs.items()}
    others = {name: rate for name, rate in rates.items() if name != "ours"}
    return {
        "rows": rows,
        "repeated_keys": repeated,
        "ratios": {f"load_vs_{name}": round(rates["ours"] / rate, 2) for name, rate in others.items()},
        "contenders": [
            {
                "contender": name,
                "title": "Sluice, the whole handler" if name == "ours" else LOADERS[name].__doc__.rstrip("."),
                "rows_per_second": rate,
                "seconds_per_million": [round(seconds * 1e6, 2) for seconds in runs[name]],
            }
            for name, rate in rates.items()
        ],
    }


def table(report: dict) -> str:
    """The report for people."""
    lines = [f"{'contender':14}{'rows/s':>10}"]
    lines += [f"{each['contender']:14}{each['rows_per_second']:>10,}  {each['title']}" for each in report["contenders"]]
    return "\n".join([*lines, "", *(f"{name:20}{ratio:>8.2f}" for name, ratio in report["ratios"].items())])
