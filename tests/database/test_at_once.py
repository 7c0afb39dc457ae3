"""Loads at the same time, and loads that are killed: the table is as after one after another, whole or not at all."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice.database import Connection, DatabaseError
from sluice.load import statements
from sluice.upload import Loaded, Position, Upload
from support import loading
from support.loading import load, loaded_dataset
from support.mariadb import wait_for_lock

ROOT = Path(__file__).parents[2]
ROWS = 3_000


def file(start: int, count: int, email: str, step: int = 1) -> bytes:
    rows = (f"{number},{email}\n" for number in range(start, start + count * step, step))
    return b"id,email\n" + "".join(rows).encode()


@pytest.mark.parametrize("mode", ["insert-ignore", "upsert"])
def test_overlapping_files_at_once_are_as_one_after_another(schema, mode):
    dataset = loaded_dataset(mode)
    schema.migrate(dataset)
    # Forwards and backwards, so that they get into each other's way.
    files = {
        f"{place}.csv": file(place * 500 + (ROWS if place % 2 else 0), ROWS, f"{place}@x", -1 if place % 2 else 1)
        for place in range(6)
    }
    together = threading.Barrier(len(files))

    def run(key: str) -> Loaded:
        together.wait()
        return load(schema.tables(), dataset, files[key], key, day=1 + int(key[0])).loaded

    with ThreadPoolExecutor(len(files)) as pool:
        done = list(pool.map(run, files))

    rows = schema.rows("SELECT id, email FROM people ORDER BY id")
    expected = {int(line.split(b",")[0]) for data in files.values() for line in data.splitlines()[1:]}
    assert [number for number, _ in rows] == sorted(expected)
    assert sum(each.inserted for each in done) == len(expected)
    assert all(each.inserted + each.updated + each.duplicates == ROWS for each in done)
    if mode == "upsert":
        latest = {}
        for key, data in files.items():
            latest |= {int(line.split(b",")[0]): f"{key[0]}@x" for line in data.splitlines()[1:]}
        assert dict(rows) == latest
    counted = "SELECT SUM(inserted), SUM(updated), SUM(duplicates) FROM sluice_loads"
    assert [tuple(map(int, row)) for row in schema.rows(counted)] == [
        (sum(each.inserted for each in done), sum(each.updated for each in done), sum(each.duplicates for each in done))
    ]


def test_one_upload_at_once_is_loaded_once(schema):
    dataset = loaded_dataset("append", "schema: {fields: [{name: id, type: integer}]}")
    schema.migrate(dataset)
    data = b"id\n" + b"".join(b"%d\n" % number for number in range(ROWS))
    together = threading.Barrier(4)

    def run(_: int) -> Loaded:
        together.wait()
        return load(schema.tables(), dataset, data).loaded

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(run, range(4))) == {Loaded(ROWS, 0, 0)}
    assert schema.rows("SELECT COUNT(*) FROM people") == [(ROWS,)]


def test_a_deadlock_is_tried_again(schema, monkeypatch):
    """Another transaction holds the second row and wants the first: the one of the two that did less is taken back."""
    dataset = loaded_dataset("insert-ignore")
    schema.migrate(dataset)
    load(schema.tables(), dataset, b"id,email\n1,a@x\n2,a@x\n", "before")
    load(schema.tables(), dataset, file(100, 50, "b@x"), "weight")
    failures = []
    execute = Connection.execute

    def counted(connection: Connection, sql: str, *values: object, **named: object) -> int:
        try:
            return execute(connection, sql, *values, **named)
        except DatabaseError as error:
            failures.append(error.code)
            raise

    monkeypatch.setattr(Connection, "execute", counted)
    other = Connection(schema.account)
    # What it has changed makes it the heavier one.
    other.execute("UPDATE people SET email = 'c@x' WHERE id >= 100")
    other.execute("UPDATE people SET email = 'c@x' WHERE id = 2")
    with ThreadPoolExecutor(1) as pool:
        loaded = pool.submit(load, schema.tables(), dataset, b"id,email\n1,d@x\n2,d@x\n3,d@x\n", "late")
        wait_for_lock(schema.server)
        other.execute("UPDATE people SET email = 'c@x' WHERE id = 1")
        other.commit()
        assert loaded.result().loaded == Loaded(1, 0, 2)

    assert failures == [1213]
    assert schema.rows("SELECT id, email FROM people WHERE id < 100 ORDER BY id") == [
        (1, "c@x"),
        (2, "c@x"),
        (3, "d@x"),
    ]


def test_rows_that_were_committed_while_the_load_waited_are_listed(schema):
    dataset = loaded_dataset("insert-ignore")
    schema.migrate(dataset)
    other = Connection(schema.account)
    other.execute(statements.RECORD, "other", "people")
    other.execute("INSERT INTO people VALUES (1, 'a@x', LAST_INSERT_ID(), 7)")
    with ThreadPoolExecutor(1) as pool:
        loaded = pool.submit(load, schema.tables(), dataset, b"id,email\n1,d@x\n2,d@x\n", "late")
        wait_for_lock(schema.server)
        other.commit()
        [duplicate] = loaded.result().duplicates

    assert (duplicate.row, duplicate.message) == (2, "has the same id as row 7 of upload other")


def test_a_lock_that_is_not_let_go_is_transient(schema, monkeypatch):
    dataset = loaded_dataset("insert-ignore")
    schema.migrate(dataset)
    load(schema.tables(), dataset, b"id,email\n1,a@x\n", "before")
    monkeypatch.setattr("sluice.table._DELAYS", (0.01,))
    monkeypatch.setattr(
        "sluice.database._SESSION", ("SET SESSION innodb_lock_wait_timeout = 1", "SET time_zone = '+00:00'")
    )
    other = Connection(schema.account)
    other.execute("UPDATE people SET email = 'c@x' WHERE id = 1")
    tables = schema.tables()

    with pytest.raises(DatabaseError, match="error 1205"):
        load(tables, dataset, b"id,email\n1,d@x\n3,d@x\n", "late")

    other.rollback()
    assert load(tables, dataset, b"id,email\n1,d@x\n3,d@x\n", "late").loaded == Loaded(1, 0, 1)


MOMENTS = [
    "before the first row",
    "in mid-load",
    "LOAD DATA done",
    "sluice_loads",
    "INSERT INTO `people`",
    "SELECT STRAIGHT_JOIN",
    "UPDATE sluice_loads",
    "commit",
    "committed",
]


@pytest.mark.parametrize("mode", ["insert-ignore", "upsert"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_leaves_all_rows_or_none_and_a_retry_the_same_table(schema, mode, moment):
    dataset = loaded_dataset(mode)
    schema.migrate(dataset)
    before = b"id,email\n10,a@x\n11,a@x\n"
    load(schema.tables(), dataset, before, "before", day=1)

    child = subprocess.run(
        [sys.executable, "-c", f"from database.test_at_once import be_killed; be_killed({moment!r}, {mode!r})"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("tests", "scripts", "lambda"))},
        input=repr(schema.account).encode(),
        check=False,
    )

    assert child.returncode == -signal.SIGKILL
    kept = schema.rows("SELECT COUNT(*) FROM people")[0][0]
    assert kept == (ROWS if moment == "committed" else 2)
    done = load(schema.tables(), dataset, file(1, ROWS, "b@x"), "killed", day=2)
    assert done.loaded == (Loaded(ROWS - 2, 0, 2) if mode == "insert-ignore" else Loaded(ROWS - 2, 2, 0))
    assert [error.row for error in done.duplicates] == ([11, 12] if mode == "insert-ignore" else [])
    rows = schema.rows("SELECT id, email FROM people ORDER BY id")
    stayed = {10, 11} if mode == "insert-ignore" else set()
    assert rows == [(number, "a@x" if number in stayed else "b@x") for number in range(1, ROWS + 1)]


def be_killed(moment: str, mode: str) -> None:
    """A load in a process of its own, which is killed at that moment; the account is on its standard input."""
    import ast

    from sluice.database import Database
    from sluice.table import Tables
    from support.secrets import FakeSecrets

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    execute, commit, end_load, fetch = Connection.execute, Connection.commit, Connection.end_load, Connection.fetch
    recorded = False

    def executed(connection: Connection, sql: str, *values: object, **named: object) -> int:
        nonlocal recorded
        affected = execute(connection, sql, *values, **named)
        recorded = recorded or sql == statements.RECORD
        if moment == "before the first row" and sql.startswith("CREATE TEMPORARY"):
            die()
        if moment == "sluice_loads" and sql == statements.RECORD or recorded and sql.startswith(moment):
            die()
        return affected

    def fetched(connection: Connection, sql: str, *values: object, **named: object) -> tuple:
        answer = fetch(connection, sql, *values, **named)
        if sql.startswith(moment):
            die()
        return answer

    def ended(connection: Connection) -> tuple[int, int]:
        answer = end_load(connection)
        if moment == "LOAD DATA done":
            die()
        return answer

    def committed(connection: Connection) -> None:
        if moment == "commit" and recorded:
            die()
        commit(connection)
        if moment == "committed" and recorded:
            die()

    Connection.execute, Connection.commit = executed, committed
    Connection.end_load, Connection.fetch = ended, fetched
    account = ast.literal_eval(sys.stdin.read())
    tables = Tables(Database(FakeSecrets(application=account), "application"))
    dataset = loading.loaded_dataset(mode)
    data = file(1, ROWS, "b@x")
    if moment == "in mid-load":
        position = Position("", datetime(2026, 1, 2, tzinfo=UTC))
        writer = tables.create(Upload("uploads", "killed", "v1", 1), dataset, position)
        writer.write(b"".join(b"%d,%d,b@x\n" % (number + 1, number) for number in range(1, ROWS + 1)))
        writer._send()
        die()
    load(tables, dataset, data, "killed", day=2)
    # A moment that this mode does not have.
    die()
