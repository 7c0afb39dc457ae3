"""What people do to get a file's rows into MySQL: `python -m benchmark.loaders NAME FILE` prints one JSON object.

Into the table `peers` of the account in BENCHMARK_ACCOUNT, a row for each key. Nothing is checked, and nobody is told
which rows repeat a key.
"""

import csv
import itertools
import json
import os
import ssl
import sys
import time
from collections.abc import Callable, Iterator

import pymysql
from pymysql.cursors import Cursor

COLUMNS = (
    "(id BIGINT NOT NULL PRIMARY KEY, "
    "email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL) ENGINE = InnoDB"
)
_INSERT = "INSERT IGNORE INTO peers (id, email) VALUES (%s, %s)"
_BATCH = 10_000


def load_data(cursor: Cursor, path: str) -> None:
    """LOAD DATA LOCAL INFILE into the table itself, the limit: what the server alone takes."""
    cursor.execute(
        "LOAD DATA LOCAL INFILE %s INTO TABLE peers CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' "
        "OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n' IGNORE 1 LINES (id, email)",
        (path,),
    )


def multi_row(cursor: Cursor, path: str) -> None:
    """INSERT IGNORE of 10,000 rows at a time, in one transaction."""
    rows = _rows(path)
    while batch := list(itertools.islice(rows, _BATCH)):
        places = ", ".join(["(%s, %s)"] * len(batch))
        cursor.execute(
            f"INSERT IGNORE INTO peers (id, email) VALUES {places}", [value for row in batch for value in row]
        )


def executemany(cursor: Cursor, path: str) -> None:
    """executemany of the driver, in one transaction."""
    rows = _rows(path)
    while batch := list(itertools.islice(rows, _BATCH)):
        cursor.executemany(_INSERT, batch)


def row_by_row(cursor: Cursor, path: str) -> None:
    """A statement and a commit for each row, on fewer rows."""
    for row in _rows(path):
        cursor.execute(_INSERT, row)
        cursor.connection.commit()


def _rows(path: str) -> Iterator[list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        yield from itertools.islice(csv.reader(file), 1, None)


LOADERS: dict[str, Callable[[Cursor, str], None]] = {
    loader.__name__: loader for loader in (load_data, multi_row, executemany, row_by_row)
}

if __name__ == "__main__":
    name, path = sys.argv[1:]
    account = json.loads(os.environ["BENCHMARK_ACCOUNT"])
    connection = pymysql.connect(
        host=account["host"],
        port=account["port"],
        user=account["username"],
        password=account["password"],
        database=account["dbname"],
        ssl=ssl.create_default_context(),
        local_infile=True,
    )
    started = time.perf_counter()
    LOADERS[name](connection.cursor(), path)
    connection.commit()
    print(json.dumps({"seconds": time.perf_counter() - started}))
