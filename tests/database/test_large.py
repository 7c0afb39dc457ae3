"""A million rows: loaded in bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

from support.loading import loaded_dataset

ROOT = Path(__file__).parents[2]


def test_a_million_rows_take_no_more_memory_than_some(schema):
    schema.migrate(loaded_dataset("insert-ignore"))

    few, many = run(schema, "few", 10_000), run(schema, "many", 1_000_000)

    # The few are among the many.
    assert (few["loaded"], many["loaded"]) == ([10_000, 0, 0], [990_000, 0, 10_000])
    assert (many["listed"], many["first"]) == (10_000, 2)
    assert schema.rows("SELECT COUNT(*), MAX(id) FROM people") == [(1_000_000, 1_000_000)]
    # What the list of 10,000 duplicates takes, and twice that.
    assert many["peak_mb"] - few["peak_mb"] < 30, (few, many)


def run(schema, key: str, rows: int) -> dict:
    """Loads so many rows in a process of its own."""
    child = subprocess.run(
        [sys.executable, "-c", f"from database.test_large import load_rows; load_rows({key!r}, {rows})"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("tests", "scripts", "lambda"))},
        input=json.dumps(schema.account),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(child.stdout)


def load_rows(key: str, rows: int) -> None:
    """The child: the account is on its standard input."""
    import resource

    from sluice.database import Database
    from sluice.table import Tables
    from support.loading import load
    from support.secrets import FakeSecrets

    def chunks():
        yield b"id,email\n"
        for start in range(1, rows + 1, 1000):
            yield b"".join(b"%d,user-%d@example.org\n" % (number, number) for number in range(start, start + 1000))

    tables = Tables(Database(FakeSecrets(application=json.load(sys.stdin)), "application"))
    done = load(tables, loaded_dataset("insert-ignore"), chunks(), key)
    print(
        json.dumps(
            {
                "loaded": list(vars(done.loaded).values()),
                "listed": len(done.duplicates),
                "first": done.duplicates[0].row if done.duplicates else None,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )
