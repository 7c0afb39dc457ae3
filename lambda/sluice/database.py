"""The database: connections to MySQL over checked TLS, made with what a secret says.

This module loads the driver, so it is imported where a deployment has a database only.
"""

import functools
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection as Driver
from pymysql.connections import MySQLResult
from pymysql.constants import CLIENT, COMMAND, ER

from sluice.errors import TransientError

_AUTHORITIES = Path(__file__).with_name("rds-ca.pem")
# Seconds. A database that has paused answers after 15 or more: by then the upload is back in its queue.
_CONNECT = 10
# For somebody who has the time to wait for a database to come up, and between two looks at it.
_PATIENCE, _PAUSE = 240, 5
# To a ping: a connection whose server is gone may give no answer at all.
_PING = 3
# For 64 KB of rows to be taken: a session that was ended may leave its connection open, and read nothing more.
_SEND = 20
# To a statement: longer than any takes in the time that an invocation has.
_ANSWER = 900
# The password is not the account's; the second where none was given.
DENIED = (ER.ACCESS_DENIED_ERROR, 1698)
# What the server says to these names accounts, tables and columns; what it says to others may quote values of rows.
_QUOTED = {
    *DENIED,
    ER.CON_COUNT_ERROR,
    ER.DBACCESS_DENIED_ERROR,
    ER.BAD_DB_ERROR,
    ER.BAD_FIELD_ERROR,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.NO_SUCH_TABLE,
    # Of a writer that has become a reader, or is read-only for another reason, which it names.
    ER.OPTION_PREVENTS_STATEMENT,
    ER.LOCK_WAIT_TIMEOUT,
    ER.LOCK_DEADLOCK,
}
# The driver's own: https://dev.mysql.com/doc/mysql-errors/8.0/en/client-error-reference.html
_CLIENT_ERRORS = range(2000, 3000)
# TRADITIONAL: what does not fit into its column is an error. READ COMMITTED locks no gaps between rows, so that loads
# are less in each other's way, and shows whatever rows ours have clashed with.
_SESSION = (
    "SET SESSION sql_mode = 'TRADITIONAL', time_zone = '+00:00'",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    # Of a file, a part without a valid row may take longer than the half minute that a server waits for more of a load.
    f"SET SESSION net_read_timeout = {_ANSWER}",
)


class DatabaseError(TransientError):
    """The database or the way to it failed; `code` is MySQL's number, 0 where there is none. `is_lost` says that it
    was not reached, or went away.

    The message holds no values of rows.
    """

    def __init__(self, error: Exception) -> None:
        number = error.args[0] if error.args else 0
        self.code = number if isinstance(number, int) else 0
        self.is_lost = self.code in _CLIENT_ERRORS
        says = self.is_lost or self.code in _QUOTED
        super().__init__(f"the database: error {self.code}" + (f", {error.args[1]}" if says else ""))


class Connection:
    """One session: strict, in UTC, READ COMMITTED, each transaction ended by `commit` or `rollback`.

    `account` is a secret as RDS writes it: host, port, username, password, and dbname where one is to be used. Every
    failure is a DatabaseError, of connecting as well.
    """

    def __init__(self, account: dict) -> None:
        self._driver = _attempt(lambda: _connect(account))
        for statement in _SESSION:
            self.execute(statement)

    def execute(self, sql: str, *values: object, **named: object) -> int:
        """Runs a statement; the number of rows affected.

        Where there are values, `%s` stands for each of them, or `%(name)s` for one with a name, and `%%` for a percent
        sign.
        """
        with self._driver.cursor() as cursor:
            return _attempt(lambda: cursor.execute(sql, values or named or None))

    def fetch(self, sql: str, *values: object, **named: object) -> tuple[tuple, ...]:
        """The rows that a statement gives, which takes values as `execute` does."""
        with self._driver.cursor() as cursor:
            _attempt(lambda: cursor.execute(sql, values or named or None))
            return cursor.fetchall()

    def begin_load(self, sql: str) -> None:
        """Begins LOAD DATA LOCAL INFILE, whatever name the file has: what it reads is sent by `send`."""
        _attempt(lambda: self._driver.begin_load(sql))

    def send(self, data: bytes) -> None:
        """Sends a piece of what LOAD DATA reads."""
        _attempt(lambda: self._driver.write_packet(data))

    def end_load(self) -> tuple[int, int]:
        """Ends what LOAD DATA reads: how many rows it has loaded, and how many warnings it gives."""
        return _attempt(self._driver.end_load)

    def commit(self) -> None:
        """Commits the transaction."""
        _attempt(self._driver.commit)

    def rollback(self) -> None:
        """Takes the transaction back."""
        _attempt(self._driver.rollback)

    def answers(self) -> bool:
        """Whether the server still knows this session."""
        try:
            self._driver.ping_shortly()
        except (pymysql.MySQLError, OSError):
            return False
        return True

    def close(self) -> None:
        """Ends the session."""
        _attempt(self._driver.close)

    def drop(self) -> None:
        """Ends the session in whatever it is doing; what was not committed is taken back. Safe to call twice."""
        # Without the farewell, which the server would take for rows where it reads some.
        self._driver._force_close()


class Database:
    """The database that a secret names: read once, and again where the database refuses what it said."""

    def __init__(self, secrets: Any, secret_id: str) -> None:
        self._secrets = secrets
        self._secret_id = secret_id
        self._account: dict | None = None
        self._connection: Connection | None = None

    def connect(self) -> Connection:
        """The connection that was there before, if it still answers, or a new one. Raises DatabaseError."""
        if self._connection and self._connection.answers():
            return self._connection
        if self._connection:
            self._connection.drop()
        known = self._account is not None
        self._account = self._account or read_secret(self._secrets, self._secret_id)
        try:
            self._connection = Connection(self._account)
        except DatabaseError as error:
            if not known or error.code not in DENIED:
                raise
            # It has been rotated since.
            self._account = read_secret(self._secrets, self._secret_id)
            self._connection = Connection(self._account)
        return self._connection


def patiently(call: Callable[[], Any]) -> Any:
    """What `call` gives, once the database can be reached: one that is new or has paused comes up in some minutes."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return call()
        except DatabaseError as error:
            if not error.is_lost or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)


def read_secret(secrets: Any, secret_id: str, **version: str) -> dict:
    """What a secret says of an account: its current version, or that which `version` names as GetSecretValue does."""
    return json.loads(secrets.get_secret_value(SecretId=secret_id, **version)["SecretString"])


def _attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    # RuntimeError: the driver's where a server asks for a file.
    except (pymysql.MySQLError, OSError, RuntimeError) as error:
        # Not from it: a traceback that is logged would hold what the server says.
        raise DatabaseError(error) from None


class _Driver(Driver):
    """pymysql's connection, which never opens a file: a server may ask for one at any time, by any name.

    That is told it by `local_infile`, while the server is told by the flag that it may ask.
    """

    def begin_load(self, sql: str) -> None:
        self._execute_command(COMMAND.COM_QUERY, sql)
        packet = self._read_packet()
        if not packet.is_load_local_packet():
            raise pymysql.InternalError(0, "it asks for no rows")

    def end_load(self) -> tuple[int, int]:
        self.write_packet(b"")
        result = MySQLResult(self)
        result._read_ok_packet(self._read_packet())
        return result.affected_rows, result.warning_count

    def ping_shortly(self) -> None:
        self._read_timeout = _PING
        self.ping(reconnect=False)
        self._read_timeout = _ANSWER


def _connect(account: dict) -> _Driver:
    driver = _Driver(
        host=account["host"],
        port=int(account["port"]),
        user=account["username"],
        password=account["password"],
        database=account.get("dbname"),
        charset="utf8mb4",
        # Texts that come with a statement compare as those of the tables do, and not by the server's idea of letters.
        collation="utf8mb4_bin",
        autocommit=False,
        connect_timeout=_CONNECT,
        read_timeout=_CONNECT,
        write_timeout=_SEND,
        ssl=_trust(),
        client_flag=CLIENT.LOCAL_FILES,
        local_infile=False,
    )
    driver._read_timeout = _ANSWER
    return driver


@functools.cache
def _trust() -> ssl.SSLContext:
    """Trusts the authorities of RDS and those of the system, for the names in their certificates only."""
    context = ssl.create_default_context(cafile=_AUTHORITIES)
    # Or the system's would be left out.
    context.load_default_certs()
    # As pymysql's own: Python 3.13 asks for a form that certificates of databases do not always have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
