"""A database that fails while the function loads rows into it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from faults.environment import CODE, Function
from faults.injection import Fault
from local import mariadb
from sluice import database
from sluice.datasets import Catalogue
from sluice.processors import NEEDS
from sluice.schema import migrate
from support.cases import case
from support.faults import once
from support.mariadb import connected, server, wait_for_lock

__all__ = ["server"]

PEOPLE = b"id,email\n%d,ann@example.org\n%d,bob@example.org\nx,eve@example.org\n%d,dan@example.org\n"


@pytest.fixture(scope="module")
def secret(shared_account, server: mariadb.Server) -> dict:
    """The account of the function, as its secret has it."""
    with pytest.MonkeyPatch.context() as patch:
        # Not what another server's tests have trusted before, in this process.
        database._trust.cache_clear()
        patch.setenv("SSL_CERT_FILE", str(server.authority))
        where = {"host": server.host, "port": server.port, "dbname": "faults"}
        account = {**where, "username": "faults", "password": "first"}
        migrate({"username": server.user, "password": server.password}, account, Catalogue(CODE / "datasets", NEEDS))
    return account


@pytest.fixture(scope="module")
def loading(shared_account, server, secret, log) -> Iterator[Function]:
    """The function in a deployment that has a database."""
    secrets = shared_account.cloud.client("secretsmanager")
    made = secrets.create_secret(Name="faults", SecretString=json.dumps(secret))
    settings = {"DATABASE_SECRET": made["ARN"], "SSL_CERT_FILE": str(server.authority)}
    with Function({**shared_account.settings, **settings}, log) as function:
        yield function


@pytest.fixture
def loader(account, releases, loading) -> Function:
    releases.append(loading)
    account.tables = ("people",)
    return loading


@pytest.fixture
def rows(server, account):
    """How many rows the table has of an upload."""

    def count(upload) -> int:
        with connected(server, "faults") as cursor:
            sql = "SELECT COUNT(*) FROM people JOIN sluice_loads ON number = sluice_upload WHERE upload = %s"
            cursor.execute(sql, [upload.id])
            return cursor.fetchone()[0]

    return count


_numbers = iter(range(1, 100_000, 3))


def upload(account, name: str):
    """A file whose keys no other one has: three rows are good."""
    first = next(_numbers)
    made = account.upload(f"people/{name}.csv", PEOPLE % (first, first + 1, first + 2))
    account.await_events(1)
    return made


def fails(account, loader, made) -> str:
    """Delivers until all attempts are spent; the reason."""
    account.settle(loader)
    item = account.items()[made]
    assert (item["state"], len(account.dead())) == ("FAILED", 1)
    return item["reason"]


def redriven(account, loader) -> None:
    """What an operator does once the database is there again."""
    assert account.redrive() == 1
    account.settle(loader)


@case(
    "the database is down",
    injected="the server is killed, and started again before the redrive",
    layer="MariaDB",
    promised="FAILED with that reason, announced, dead letter; redriven, each row is there once",
)
def test_down(account, loader, server, rows):
    made = upload(account, "down")
    server.kill()
    try:
        assert "Can't connect" in fails(account, loader, made)
    finally:
        server.restart()
    redriven(account, loader)

    assert rows(made) == 3


@case(
    "the database is read-only",
    injected="the server runs with --read-only, as a writer that has become a reader, until before the redrive",
    layer="MariaDB",
    promised="FAILED with that reason, announced, dead letter; redriven, each row is there once",
)
def test_read_only(account, loader, server, rows):
    made = upload(account, "read-only")
    server.restart("--read-only")
    try:
        assert "running with the --read-only option" in fails(account, loader, made)
    finally:
        server.restart()
    redriven(account, loader)

    assert rows(made) == 3


def deadlocks(cursor) -> int:
    """How many the server has seen."""
    cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
    return int(cursor.fetchone()[1])


@case(
    "a load and another transaction deadlock",
    injected="the other one holds a row and wants one that the load holds, and has done more",
    layer="MariaDB",
    promised="the load is taken back by the server and done again, in the same attempt; each row is there once",
)
def test_deadlock(account, loader, server, rows):
    made = upload(account, "deadlock")
    first = int(account.uploads[made].split()[1].partition(b",")[0])
    insert = "INSERT INTO people VALUES (%s, 'other@example.org', 0, 0)"
    with connected(server, "faults") as other, ThreadPoolExecutor(1) as pool:
        before = deadlocks(other)
        other.execute("START TRANSACTION")
        other.executemany(insert, [[first + 1], *([number] for number in range(1_000_000, 1_000_050))])
        loading = pool.submit(account.deliver, loader)
        wait_for_lock(server)
        other.execute(insert, [first])
        other.execute("ROLLBACK")
        loading.result()
        assert deadlocks(other) == before + 1

    assert account.items()[made]["attempt"] == "1"
    assert rows(made) == 3


@case(
    "the secret is rotated half-way",
    injected="the database has the new password and the secret the old one, until after a failed attempt",
    layer="MariaDB and the secret",
    promised="the attempt fails and the next one reads the secret anew",
)
def test_half_rotated(account, loader, server, secret, rows):
    made = upload(account, "rotated")
    with connected(server) as cursor:
        cursor.execute("ALTER USER faults IDENTIFIED BY 'second'")
    account.deliver(loader)
    assert "Access denied" in account.items()[made]["last_error"]
    value = json.dumps({**secret, "password": "second"})
    account.cloud.client("secretsmanager").put_secret_value(SecretId="faults", SecretString=value)
    account.pass_time()
    account.settle(loader)

    assert rows(made) == 3


@case(
    "the secret cannot be read",
    injected="403 for GetSecretValue, until after the redrive",
    layer="botocore",
    promised="FAILED with that reason, announced, dead letter; redriven",
)
def test_no_secret(account, loader, rows):
    made = upload(account, "no-secret")
    account.settle(loader, [Fault("denied", operation="GetSecretValue", times=None)])
    assert account.state(made) == "FAILED"
    redriven(account, loader)

    assert rows(made) == 3


@case(
    "a function that loads is killed at every step",
    injected="SIGKILL before each of its requests, before and after the load is committed",
    layer="signal, in a process of its own; between two statements, see the last rows",
    promised="each row is there once, and the next attempt says what was loaded",
    only="kill",
)
@case(
    "each request of a function that loads is done and its answer never comes",
    injected="AWS does what was asked, four times; the function gets time-outs",
    layer="botocore",
    promised="the same",
    only="timeout",
)
@pytest.mark.parametrize("kind", ["kill", "timeout"])
def test_each_request(account, loader, rows, kind):
    upload(account, f"{kind}-recorded")
    calls = account.deliver(loader).calls
    assert calls[:3] == ["UpdateItem", "GetObject", "GetSecretValue"]
    made = []
    for number in range(len(calls)):
        made.append(upload(account, f"{kind}-{number}"))
        account.deliver(loader, [once(kind, number + 1)])
    account.heal(loader)

    assert [rows(one) for one in made] == [3] * len(calls)
    assert {item["inserted"] for item in account.items().values()} == {"3"}
