"""What the database of a local cloud holds."""

import json
from pathlib import Path

import pymysql
from pymysql.connections import Connection

_SCHEMA = "sluice"


def connect(folder: Path) -> Connection:
    """A connection of the master user; `folder` is that of a cloud that was started with a database."""
    server = json.loads((folder / "database.json").read_text())
    return pymysql.connect(
        host=server["host"],
        port=server["port"],
        user=server["user"],
        password=server["password"],
        database=_SCHEMA,
        ssl={"ca": server["authority"]},
        cursorclass=pymysql.cursors.DictCursor,
    )


def read(folder: Path) -> dict[str, list[dict]]:
    """The rows of every table that a dataset loads into, in the order of its first column.

    What JSON has no type for is text.
    """
    with connect(folder) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        names = [name for row in cursor.fetchall() for name in row.values() if not name.startswith("sluice_")]
        tables = {}
        for name in names:
            cursor.execute(f"SELECT * FROM `{name}` ORDER BY 1")  # a name from the database itself  # nosec B608
            tables[name] = [{column: _plain(value) for column, value in row.items()} for row in cursor.fetchall()]
    return tables


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | str) else str(value)
