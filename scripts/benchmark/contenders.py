"""What Sluice is compared with: `python -m benchmark.contenders NAME FILE` prints {"seconds", "good", "bad"} as JSON.

Each does what a person would write who wants to use the rows of the file afterwards. `bad` is the number of rows it
says are bad, None where it does not tell.
"""

import csv
import importlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Result = tuple[int, int | None]


def prices_script(path: str) -> Result:
    """csv.reader, strptime and float, the rows in a list."""
    from datetime import datetime

    with open(path, newline="") as file:
        rows = [(stock, datetime.strptime(day, "%d-%m-%Y"), float(price)) for stock, day, price in csv.reader(file)]
    return len(rows), None


def prices_pandas(path: str) -> Result:
    """pandas, parsed to types."""
    import pandas

    frame = pandas.read_csv(path, header=None, names=["stock", "day", "price"], dtype={"price": "float64"})
    frame["day"] = pandas.to_datetime(frame["day"], format="%d-%m-%Y")
    return len(frame), None


def prices_polars(path: str) -> Result:
    """polars, parsed to types."""
    import polars

    columns = {"stock": polars.String, "day": polars.String, "price": polars.Float64}
    frame = polars.read_csv(path, has_header=False, schema=columns)
    frame = frame.with_columns(polars.col("day").str.to_date("%d-%m-%Y"))
    return frame.height, None


def prices_floor(path: str) -> Result:
    """The floor: DuckDB's typed scan to Parquet, no checks."""
    return _duckdb(path, "header=false, columns={'a': 'VARCHAR', 'b': 'DATE', 'c': 'DOUBLE'}, dateformat='%d-%m-%Y'")


def people_csv(path: str) -> Result:
    """csv.reader and checks by hand, the good rows written as CSV."""
    address = re.compile(r"[^\s@\"(),:;<>\[\]\\]+@[^\s@.\"(),:;<>\[\]\\]+(\.[^\s@.\"(),:;<>\[\]\\]+)+")
    number = re.compile(r"[+-]?[0-9]+")
    good = bad = 0
    with open(path, newline="", encoding="utf-8-sig") as file, tempfile.TemporaryFile("w", newline="") as out:
        reader, writer = csv.reader(file), csv.writer(out)
        writer.writerow(next(reader))
        for row in reader:
            valid = len(row) == 2 and number.fullmatch(row[0]) and address.fullmatch(row[1]) and len(row[1]) <= 254
            if valid:
                writer.writerow(row)
                good += 1
            else:
                bad += 1
    return good, bad


def people_floor(path: str) -> Result:
    """The floor: DuckDB's typed scan to Parquet, bad rows ignored without a word."""
    return _duckdb(path, "header=true, columns={'a': 'BIGINT', 'b': 'VARCHAR'}, ignore_errors=true")


def _duckdb(path: str, options: str) -> Result:
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rows.parquet"
        connection.execute(f"COPY (FROM read_csv('{path}', {options})) TO '{target}' (FORMAT parquet)")
        [(rows,)] = connection.execute(f"SELECT count(*) FROM '{target}'").fetchall()
    return rows, None


CONTENDERS: dict[str, Callable[[str], Result]] = {
    contender.__name__: contender
    for contender in (prices_script, prices_pandas, prices_polars, prices_floor, people_csv, people_floor)
}

if __name__ == "__main__":
    name, file = sys.argv[1:]
    # Loading a library is not what is measured.
    for library, users in {"pandas": "pandas", "polars": "polars", "duckdb": "floor"}.items():
        if name.endswith(users):
            importlib.import_module(library)
    started = time.perf_counter()
    good, bad = CONTENDERS[name](file)
    print(json.dumps({"seconds": time.perf_counter() - started, "good": good, "bad": bad}))
