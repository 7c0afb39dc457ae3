"""The tests' own MariaDB: one server for all tests of a process, and for each test a schema with a user of its own."""

import contextlib
import dataclasses
import itertools
import os
import ssl
import time
from collections.abc import Iterator

import pymysql
import pytest

from local import mariadb
from sluice.contract.descriptor import Dataset
from sluice.database import Database
from sluice.schema import migrate
from sluice.table import Tables
from support.secrets import FakeSecrets

_numbers = itertools.count(1)


@dataclasses.dataclass
class Schema:
    """A schema of the server, its accounts as secrets have them, and those secrets: `application` and `master`."""

    server: mariadb.Server
    account: dict
    master: dict
    secrets: FakeSecrets

    def database(self) -> Database:
        """The database as an environment of the function has it."""
        return Database(self.secrets, "application")

    def tables(self) -> Tables:
        """The tables likewise."""
        return Tables(self.database())

    def migrate(self, *datasets: Dataset) -> list[str]:
        """What a release with these datasets does."""
        return migrate(self.master, self.account, datasets)

    def rows(self, sql: str, *values: object) -> list[tuple]:
        """What the server answers its master user."""
        with connected(self.server, self.account["dbname"]) as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())


@pytest.fixture(scope="session")
def server() -> Iterator[mariadb.Server]:
    """A running server; skips the test where it is not installed."""
    if reason := mariadb.missing():
        pytest.skip(reason)
    with mariadb.start() as started:
        yield started


@pytest.fixture
def schema(server: mariadb.Server, monkeypatch: pytest.MonkeyPatch) -> Schema:
    """A schema that no migration has made yet, on a server that the functions' code trusts for the time of the test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    name = f"test_{os.getpid()}_{next(_numbers)}"
    where = {"host": server.host, "port": server.port, "dbname": name}
    account = where | {"username": name, "password": "first%s'password"}
    master = {"username": server.user, "password": server.password}
    return Schema(server, account, master, FakeSecrets(application=account, master=master))


@contextlib.contextmanager
def connected(server: mariadb.Server, database: str | None = None) -> Iterator[pymysql.cursors.Cursor]:
    """A cursor of the master user, that commits each statement."""
    context = ssl.create_default_context(cafile=server.authority)
    account = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    with pymysql.connect(**account, database=database, ssl=context, autocommit=True) as connection:
        yield connection.cursor()


def wait_for_lock(server: mariadb.Server) -> None:
    """Waits until a transaction waits for a row that another one holds."""
    with connected(server) as cursor:
        while not cursor.execute("SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"):
            # Asked more often, the server would give its first answer for ever.
            time.sleep(0.2)
