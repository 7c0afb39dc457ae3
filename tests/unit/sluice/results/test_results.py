"""Results in every format, of files in every format: the same values, and the same bytes each time."""

import csv
import dataclasses
import gzip
import io
import json
import os
import random
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice import engine
from sluice.contract.check import Block, Check
from sluice.contract.descriptor import Dataset
from sluice.errors import PermanentError, TransientError
from sluice.processors.clean import clean
from sluice.results.parquet import write_parquet
from support.datasets import described

PLAIN = """
schema:
  fields:
    - {name: id, type: integer}
    - {name: name, type: string}
    - {name: day, type: date, format: "%d-%m-%Y"}
    - {name: at, type: datetime}
    - {name: price, type: number}
    - {name: ok, type: boolean}
    - {name: clock, type: time}
"""
RICH = """
schema:
  missingValues: ["", "-"]
  fields:
    - {name: "a \\"b\\"", type: integer, groupChar: "."}
    - {name: n, type: number, decimalChar: ",", groupChar: "."}
    - {name: ok, type: boolean, trueValues: ["ja"], falseValues: ["nein"]}
    - {name: d, type: date, format: "%d. %B %Y"}
    - {name: t, type: time}
    - {name: dt, type: datetime, format: "%d.%m.%Y %H:%M"}
    - {name: z, type: datetime, format: "%Y%m%d%H%M%S%z"}
    - {name: y, type: year}
    - {name: ym, type: yearmonth}
    - {name: x, type: any}
"""
RICH_ROWS = """\
"a ""b\""",n,ok,d,t,dt,z,y,ym,x
1.234,"1.234,50",ja,01. March 2026,23:59:58.25,31.12.2026 23:59,20261231235958+0100,2026,2026-12,"say ""hi"", é"
-,-,-,-,-,-,-,-,-,-
7,"0,5",nein,,,,,0999,,"a
b"
"""


def result(dataset: Dataset, data: bytes, chunk: int = 1 << 20) -> bytes:
    """What `clean` makes of a file that must have no errors."""
    pieces: list[bytes] = []
    chunks = (data[start : start + chunk] for start in range(0, len(data), chunk))
    check = Check(dataset, chunks, lambda error: pytest.fail(str(error)))
    clean(check.blocks(), pieces.append, dataset, "")
    return b"".join(pieces)


def table(parquet: bytes, folder: Path) -> tuple[dict[str, str], list[tuple]]:
    """Columns with their types, and the rows with instants as text."""
    path = folder / "result.parquet"
    path.write_bytes(parquet)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        described = connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
        types = {name: type_ for name, type_, *_ in described}
        columns = ", ".join(
            f"CAST({engine.name(name)} AS VARCHAR)" if type_.endswith("ZONE") else engine.name(name)
            for name, type_ in types.items()
        )
        return types, connection.execute(f"SELECT {columns} FROM '{path}'").fetchall()


def test_every_type_has_its_column(tmp_path):
    types, rows = table(result(described(RICH), RICH_ROWS.encode()), tmp_path)

    assert types == {
        'a "b"': "BIGINT",
        "n": "DOUBLE",
        "ok": "BOOLEAN",
        "d": "DATE",
        "t": "TIME",
        "dt": "TIMESTAMP",
        "z": "TIMESTAMP WITH TIME ZONE",
        "y": "INTEGER",
        "ym": "VARCHAR",
        "x": "VARCHAR",
    }
    day, moment = date(2026, 3, 1), datetime(2026, 12, 31, 23, 59)
    clock = datetime(2026, 1, 1, 23, 59, 58, 250_000).time()
    assert rows == [
        (1234, 1234.5, True, day, clock, moment, "2026-12-31 22:59:58+00", 2026, "2026-12", 'say "hi", é'),
        (None,) * 10,
        (7, 0.5, False, None, None, None, None, 999, None, "a\nb"),
    ]


def test_jsonl_has_the_values_of_every_type():
    lines = result(described(f"{RICH}sluice:format: jsonl"), RICH_ROWS.encode()).decode().splitlines()

    assert lines[0] == (
        '{"a \\"b\\"":1234,"n":1234.50,"ok":true,"d":"2026-03-01","t":"23:59:58.250000","dt":"2026-12-31T23:59:00",'
        '"z":"2026-12-31T23:59:58+01:00","y":2026,"ym":"2026-12","x":"say \\"hi\\", é"}'
    )
    assert set(json.loads(lines[1]).values()) == {None}


def test_an_empty_text_is_none_only_where_it_means_none(tmp_path):
    descriptor = "schema: {missingValues: [], fields: [{name: a, type: string}, {name: b, type: string}]}"

    assert table(result(described(descriptor), b'a,b\n,x\n"",y\n'), tmp_path)[1] == [("", "x"), ("", "y")]
    assert table(result(described(descriptor.replace("[]", '["-"]')), b"a,b\n-,\n"), tmp_path)[1] == [(None, "")]


VALUES = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
    st.none() | st.dates(),
    st.none() | st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.sampled_from([None, UTC])),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.booleans(),
    st.none() | st.times(),
).map(lambda values: dict(zip(["id", "name", "day", "at", "price", "ok", "clock"], values, strict=True)))


def texts(row: dict) -> dict:
    """A row as JSON has it."""
    day, at = row["day"], row["at"]
    return row | {
        "day": day and f"{day.day:02}-{day.month:02}-{day.year:04}",
        "at": at and at.isoformat().replace("+00:00", "Z"),
        "clock": row["clock"] and row["clock"].isoformat(),
    }


def as_csv(rows: list[dict]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(rows[0])
    for row in rows:
        price = row["price"]
        ok = None if row["ok"] is None else str(row["ok"])
        cells = texts(row) | {"ok": ok, "price": None if price is None else format(Decimal(repr(price)), "f")}
        writer.writerow("" if cell is None else cell for cell in cells.values())
    return file.getvalue().encode()


def as_jsonl(rows: list[dict]) -> bytes:
    return "".join(json.dumps(texts(row)) + "\n" for row in rows).encode()


def as_json(rows: list[dict]) -> bytes:
    return json.dumps([texts(row) for row in rows], indent=1).encode()


FILES = {"csv": as_csv, "jsonl": as_jsonl, "json": as_json}


@settings(max_examples=25, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6), st.sampled_from(sorted(FILES)), st.booleans(), st.booleans())
def test_values_are_the_same_whatever_the_format_of_the_file(tmp_path_factory, rows, form, fast, compressed):
    folder = tmp_path_factory.mktemp("results")
    dataset = described(f"format: {form}\n{PLAIN}")
    assert dataset.acceptor is not None
    data = FILES[form](rows)
    if not fast:
        dataset = dataclasses.replace(dataset, acceptor=None)
    if compressed:
        data = gzip.compress(data)

    parquet = result(dataset, data)

    _, found = table(parquet, folder)
    zoned = [
        row["at"] and str(row["at"].replace(tzinfo=None)).rstrip("0" if row["at"].microsecond else "") + "+00"
        for row in rows
    ]
    names = ("id", "name", "day", "price", "ok", "clock")
    assert [row[:3] + row[4:] for row in found] == [tuple(row[name] for name in names) for row in rows]
    assert [row[3] for row in found] == zoned

    # And back: the result is a file of the same dataset, as Parquet.
    again = described(f"format: parquet\n{PLAIN}")
    if not fast:
        again = dataclasses.replace(again, acceptor=None)
    assert table(result(again, parquet), folder)[1] == found
    lines = result(dataclasses.replace(dataset, result_format="jsonl"), data)
    assert [json.loads(line)["id"] for line in lines.splitlines()] == [row["id"] for row in rows]
    text = result(dataclasses.replace(dataset, result_format="csv"), data)
    assert table(result(described(PLAIN), text), folder)[1] == found


def people(count: int) -> Iterable[Block]:
    for start in range(0, count, 1000):
        data = b"".join(b"%d,person.%d@example.org\n" % (n, n) for n in range(start, start + 1000))
        yield Block(data, 1000, start + 1)


PEOPLE = "schema: {fields: [{name: id, type: integer}, {name: email, type: string, format: email}]}"


@pytest.mark.parametrize("pipes", [3, 1000])
def test_the_bytes_do_not_depend_on_how_the_file_arrives(monkeypatch, pipes):
    """Rows at the ends of chunks take another path, and an engine that reads from pipes sees their timing."""
    monkeypatch.setattr(engine, "_PIPE_BYTES", 100_000)
    monkeypatch.setattr(engine, "_PIPES", pipes)
    rows = [b"%d,person.%d@example.org%s\n" % (n, n, b"\r" * (n % 3 == 0)) for n in range(150_000)]
    rows[::1000] = [b'"%d","person.%d@example.org"\n' % (n, n) for n in range(0, 150_000, 1000)]
    data = b"id,email\n" + b"".join(rows)

    def haltingly(feed, *rest, transform=engine.transform):
        chance = random.Random(7)

        def write_row(pipe, data, write_row=engine.Feed.write_row):
            if chance.random() < 0.001:
                time.sleep(0.002)
            write_row(pipe, data)

        with monkeypatch.context() as patch:
            patch.setattr(engine.Feed, "write_row", write_row)
            transform(feed, *rest)

    expected = result(described(PEOPLE), data)
    monkeypatch.setattr(engine, "transform", haltingly)

    assert result(described(PEOPLE), data, 4093) == expected
    assert result(described(PEOPLE), data, 1 << 17) == expected


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("names", ["a", "ab"])
def test_rows_come_through_many_pipes(monkeypatch, tmp_path, form, names):
    """With one column, an engine that guesses what a line of JSON is would look into more than one of them."""
    monkeypatch.setattr(engine, "_PIPE_BYTES", 50_000)
    fields = ", ".join(f"{{name: {name}, type: string}}" for name in names)
    dataset = described(f"format: {form}\nschema: {{fields: [{fields}]}}")
    cells = [f"value {n}" for n in range(20_000)]
    if form == "csv":
        lines = [",".join(names), *(",".join([cell] * len(names)) for cell in cells)]
    else:
        lines = [json.dumps(dict.fromkeys(names, cell)) for cell in cells]

    _, rows = table(result(dataset, "".join(f"{line}\n" for line in lines).encode()), tmp_path)

    assert rows == [(cell,) * len(names) for cell in cells]


@pytest.mark.parametrize("width", [1_000, 20_000])
def test_wide_rows_fit_into_memory(width, tmp_path):
    dataset = described("schema: {fields: [{name: id, type: integer}, {name: text, type: string}]}")
    count = 100_000_000 // width

    def blocks():
        for n in range(count):
            yield Block(b"%d," % n + b"x" * width + b"\n", 1, n + 1)

    pieces: list[bytes] = []
    write_parquet(blocks(), pieces.append, dataset)

    path = tmp_path / "wide.parquet"
    path.write_bytes(b"".join(pieces))
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT count(*), min(length(text)) FROM '{path}'").fetchall() == [(count, width)]


def test_rows_too_wide_for_parquet_are_the_files_fault():
    dataset = described("schema: {fields: [{name: id, type: integer}, {name: text, type: string}]}")
    blocks = (Block(b"%d," % n + b"x" * (2 << 20) + b"\n", 1, n + 1) for n in range(400))

    with pytest.raises(PermanentError, match="too wide for Parquet") as raised:
        write_parquet(blocks, lambda piece: None, dataset)
    assert raised.value.state == "REJECTED"


def test_a_byte_order_mark_in_a_cell_is_text(monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "_PIPE_BYTES", 10)
    rows = [("\ufeff",), ("\ufeffa",), ("b",)] * 3

    data = "a\n" + "".join(f"{cell}\n" for (cell,) in rows)

    required = described("schema: {fields: [{name: a, type: string, constraints: {required: true}}]}")
    assert table(result(required, data.encode()), tmp_path)[1] == rows


@pytest.mark.parametrize("function", ["mkfifo", "pipe"])
def test_an_engine_that_cannot_begin_says_why(monkeypatch, function):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    monkeypatch.setattr(engine.os, function, fail)

    with pytest.raises(OSError, match="No space left"):
        write_parquet(people(2000), lambda piece: None, described(PEOPLE))
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_an_engine_that_is_stuck_is_let_go(monkeypatch):
    monkeypatch.setattr(engine, "_PIPE_BYTES", 10_000)
    monkeypatch.setattr(engine, "_PATIENCE", 0.2)
    stuck = Event()
    fetch = engine.fetch

    def wait(sql: str) -> list[tuple]:
        stuck.wait(1)
        return fetch(sql)

    monkeypatch.setattr(engine, "fetch", wait)
    with pytest.raises(TransientError, match="has not asked for more rows"):
        write_parquet(people(2000), lambda piece: None, described(PEOPLE))


def test_a_row_that_the_engine_loses_is_no_success(monkeypatch):
    monkeypatch.setattr(engine, "fetch", lambda sql, fetch=engine.fetch: [(fetch(sql)[0][0] - 1,)])

    with pytest.raises(TransientError, match="2000 valid rows were handed to the engine, which stored 1999"):
        write_parquet(people(2000), lambda piece: None, described(PEOPLE))


def test_a_result_that_cannot_be_stored_says_why():
    def write(piece: bytes) -> None:
        raise ConnectionError("no route")

    with pytest.raises(ConnectionError, match="no route"):
        write_parquet(people(500_000), write, described(PEOPLE))


def test_a_file_that_breaks_off_gives_its_own_reason():
    def blocks():
        yield from people(2000)
        raise PermanentError("REJECTED", "cut off")

    with pytest.raises(PermanentError, match="cut off"):
        write_parquet(blocks(), lambda piece: None, described(PEOPLE))


def test_the_engine_that_fails_says_why():
    blocks = [Block(b"x,a@b.org\n", 1, 1), *people(200_000)]

    with pytest.raises(duckdb.ConversionException):
        write_parquet(blocks, lambda piece: None, described(PEOPLE))


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_a_cell_of_many_megabytes_passes(form, tmp_path):
    fields = "[{name: id, type: integer}, {name: text, type: string}]"
    descriptor = f"schema: {{fields: {fields}}}\nsluice:format: {form}"
    cell, quotes = "é" * (5 << 20), '""' * (5 << 20)

    data = result(described(descriptor), f'id,text\n1,{cell}\n2,"{cell[1:]}"\n3,"{quotes}"\n'.encode())

    if form == "parquet":
        assert [len(text) for _, text in table(data, tmp_path)[1]] == [5 << 20, (5 << 20) - 1, 5 << 20]
    else:
        assert data.count(b"\n") == (4 if form == "csv" else 3)
