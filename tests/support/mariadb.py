"""The tests' own MariaDB: one server for all tests of a process, and a database of its own for each that asks."""

import contextlib
import ssl
from collections.abc import Iterator

import pymysql
import pytest

from local import mariadb


@pytest.fixture(scope="session")
def server() -> Iterator[mariadb.Server]:
    """A running server; skips the test where it is not installed."""
    if reason := mariadb.missing():
        pytest.skip(reason)
    with mariadb.start() as started:
        yield started


@contextlib.contextmanager
def connected(server: mariadb.Server, database: str | None = None) -> Iterator[pymysql.cursors.Cursor]:
    """A cursor of the master user, that commits each statement."""
    context = ssl.create_default_context(cafile=server.authority)
    account = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    with pymysql.connect(**account, database=database, ssl=context, autocommit=True) as connection:
        yield connection.cursor()
