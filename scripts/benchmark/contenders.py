"""What Sluice is compared with: `python -m benchmark.contenders NAME FILE...` prints one JSON object a file.

Each does what a person would write who wants to use the rows of the file afterwards. `good` is the number of rows that
are used, `bad` of those it says are bad, None where it does not tell; `stopped` names the exception that ended it.
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

_NUMBER = re.compile(r"[+-]?[0-9]+").fullmatch
_ADDRESS = re.compile(r"[^\s@\"(),:;<>\[\]\\]{1,64}@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_][\w-]*").fullmatch


def prices_script(path: str) -> Result:
    """csv.reader with strptime and float, the rows in a list."""
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
    good = bad = 0
    with open(path, newline="", encoding="utf-8-sig") as file, tempfile.TemporaryFile("w", newline="") as out:
        reader, writer = csv.reader(file, strict=True), csv.writer(out)
        writer.writerow(next(reader))
        while True:
            try:
                for row in reader:
                    if len(row) == 2 and _NUMBER(row[0]) and _ADDRESS(row[1]) and len(row[1]) <= 254:
                        writer.writerow(row)
                        good += 1
                    else:
                        bad += 1
                return good, bad
            except csv.Error:
                bad += 1


def people_csv_lines(path: str) -> Result:
    """csv.reader for each line and checks by hand, the good rows written; cells with line ends in them are lost."""
    good = bad = 0
    with open(path, newline="", encoding="utf-8-sig") as file, tempfile.TemporaryFile("w", newline="") as out:
        writer = csv.writer(out)
        out.write(next(file))
        for line in file:
            try:
                [row] = csv.reader((line,), strict=True)
                valid = len(row) == 2 and _NUMBER(row[0]) and _ADDRESS(row[1]) and len(row[1]) <= 254
            except csv.Error:
                valid = False
            if valid:
                writer.writerow(row)
                good += 1
            else:
                bad += 1
    return good, bad


def people_floor(path: str) -> Result:
    """The floor: DuckDB's typed scan to Parquet, bad rows ignored without a word."""
    return _duckdb(path, "header=true, columns={'a': 'BIGINT', 'b': 'VARCHAR'}, ignore_errors=true")


def sensors_json(path: str) -> Result:
    """json.loads and checks by hand, the good lines written as they are."""
    from datetime import datetime

    keys = {"sensor", "time", "temperature"}
    good = bad = 0
    with open(path, "rb") as file, tempfile.TemporaryFile() as out:
        for line in file:
            try:
                row = json.loads(line)
                valid = row.keys() == keys and isinstance(row["sensor"], str)
                valid = valid and type(row["temperature"]) in (int, float)
                datetime.fromisoformat(row["time"])
            except (AttributeError, KeyError, TypeError, ValueError):
                valid = False
            if valid:
                out.write(line)
                good += 1
            else:
                bad += 1
    return good, bad


def _duckdb(path: str, options: str) -> Result:
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rows.parquet"
        connection.execute(f"COPY (FROM read_csv('{path}', {options})) TO '{target}' (FORMAT parquet)")
        [(rows,)] = connection.execute(f"SELECT count(*) FROM '{target}'").fetchall()  # our own file  # nosec B608
    return rows, None


CONTENDERS: dict[str, Callable[[str], Result]] = {
    contender.__name__: contender
    for contender in (
        prices_script,
        prices_pandas,
        prices_polars,
        prices_floor,
        people_csv,
        people_csv_lines,
        people_floor,
        sensors_json,
    )
}

if __name__ == "__main__":
    name, *paths = sys.argv[1:]
    # Loading a library is not what is measured.
    for library, users in {"pandas": "pandas", "polars": "polars", "duckdb": "floor"}.items():
        if name.endswith(users):
            importlib.import_module(library)
    for path in paths:
        started = time.perf_counter()
        try:
            good, bad = CONTENDERS[name](path)
            stopped = None
        except Exception as error:  # noqa: BLE001 - that it stops at a bad row is a finding
            good, bad, stopped = 0, None, type(error).__name__
        print(json.dumps({"seconds": time.perf_counter() - started, "good": good, "bad": bad, "stopped": stopped}))
