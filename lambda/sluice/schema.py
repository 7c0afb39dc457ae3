"""The schema that rows are loaded into: its user, and its tables as the datasets of a release ask for them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sluice.contract.descriptor import Dataset
from sluice.database import DENIED, Connection, DatabaseError
from sluice.errors import TransientError
from sluice.load.columns import create_table, quote
from sluice.load.migration import ExistingColumn, ExistingTable, plan
from sluice.load.statements import CREATE_LOADS

_LOCK = "sluice_migration"
# Seconds, for another migration, and for loads that have a table in use while it is changed.
_WAIT = 120
_SCRATCH = "sluice_scratch"
# LOAD DATA LOCAL needs INSERT; the tables that rows are staged in are temporary.
_RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES"


def migrate(master: dict, account: dict, datasets: Iterable[Dataset]) -> list[str]:
    """Makes schema, user and tables; the statements that changed tables, none where they were as they should be.

    `master` is an account that may do so, `account` the one that rows are loaded by. Raises MigrationError where a
    table cannot be changed safely, and then no table is changed, and DatabaseError.
    """
    connection = Connection({**account, **master, "dbname": None})
    try:
        with _locked(connection):
            schema = quote(account["dbname"])
            connection.execute(f"CREATE DATABASE IF NOT EXISTS {schema} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
            connection.execute(f"USE {schema}")
            _make_user(connection, account)
            connection.execute(CREATE_LOADS)
            tables: dict[str, ExistingTable] = {}
            changes = [sql for dataset in datasets if dataset.target for sql in _plan(connection, dataset, tables)]
            for sql in changes:
                connection.execute(sql)
            return changes
    finally:
        connection.close()


@contextmanager
def _locked(connection: Connection) -> Iterator[None]:
    """Nobody else migrates meanwhile; the lock ends with its session."""
    connection.execute(f"SET SESSION lock_wait_timeout = {_WAIT}")
    if connection.fetch("SELECT GET_LOCK(%s, %s)", _LOCK, _WAIT) != ((1,),):
        raise TransientError(f"another migration has not ended in {_WAIT} seconds")
    yield


def _make_user(connection: Connection, account: dict) -> None:
    """Makes the user, or gives it the password of its secret where that is another one; TLS is required of it."""
    user, password = account["username"], account["password"]
    connection.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password)
    # In a name that rights are given on, these stand for any character.
    schema = quote(account["dbname"].replace("_", r"\_")).replace("%", r"\%%")
    connection.execute(f"GRANT {_RIGHTS} ON {schema}.* TO %s@'%%'", user)
    try:
        Connection(account).close()
    except DatabaseError as error:
        if error.code not in DENIED:
            raise
        connection.execute("ALTER USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password)


def _plan(connection: Connection, dataset: Dataset, tables: dict[str, ExistingTable]) -> list[str]:
    """The statements for a dataset; `tables` are those of the datasets before it as they will be, and gets its own."""
    # Beside what is there, what the server makes of what is asked for: both are then in its own words.
    connection.execute(f"DROP TABLE IF EXISTS {_SCRATCH}")
    connection.execute(create_table(dataset, _SCRATCH))
    wanted = _describe(connection, _SCRATCH)
    connection.execute(f"DROP TABLE {_SCRATCH}")
    name = dataset.target.table
    there = tables.get(name) or _describe(connection, name)
    changes = plan(dataset, there, wanted)
    asked = {column.name.lower() for column in wanted.columns}
    left = [column for column in there.columns if column.name.lower() not in asked] if there else []
    tables[name] = replace(wanted, columns=(*wanted.columns, *left))
    return changes


def _describe(connection: Connection, table: str) -> ExistingTable | None:
    """A table of the schema, by information_schema; None where there is none."""
    columns = connection.fetch(
        "SELECT COLUMN_NAME, CONCAT_WS(' ', COLUMN_TYPE, COLLATION_NAME), IS_NULLABLE = 'YES' "
        "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        table,
    )
    if not columns:
        return None
    indexes = connection.fetch(
        "SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX",
        table,
    )
    keys: dict[str, tuple[str, ...]] = {}
    for index, column in indexes:
        keys[index] = (*keys.get(index, ()), column)
    primary = keys.pop("PRIMARY", ())
    described = tuple(ExistingColumn(name, type_, bool(nullable)) for name, type_, nullable in columns)
    return ExistingTable(described, primary, frozenset(keys.values()))
