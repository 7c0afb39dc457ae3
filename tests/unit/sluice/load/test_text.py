"""The text that rows are loaded from: what a real server makes of it, by the fast path and without it."""

import dataclasses
import itertools
import ssl
from datetime import date, datetime, timedelta
from decimal import Decimal

import pymysql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import PermanentError
from sluice.load import statements
from sluice.load.columns import columns, quote
from sluice.processors.load import load
from support.datasets import checked_blocks, dataset, loading

TYPES = ("integer", "number", "boolean", "date", "time", "datetime", "year", "yearmonth", "string", "any")
FIELDS = "\n".join(f"    - {{name: {type_}, type: {type_}}}" for type_ in TYPES)
ALL = f"""
schema:
  fields:
{FIELDS}
    - {{name: "e `mail`", type: string, format: email, constraints: {{maxLength: 254}}}}
    - {{name: day, type: date, format: "%d.%m.%Y"}}
"""


def without(*words: str) -> str:
    """The descriptor without the fields that have one of the words."""
    return "\n".join(line for line in ALL.splitlines() if not any(word in line for word in words))


# With a fast path, whose lines are not the text itself, and whose lines are.
FAST = 'dialect: {delimiter: ";"}' + without("any")
PLAIN = without("any", "boolean", "datetime", "%d")
THREE = loading("schema: {fields: [{name: a}, {name: b}, {name: c}]}", "three", "append")
CELLS = {
    "integer": ["", "0", "-0", "+5", "007", str(2**62), "-9223372036854775808", "9223372036854775807"],
    "number": ["", "0.5", ".5", "5.", "+1.50", "-0", "007.10", "9" * 35 + "." + "9" * 30, "0." + "0" * 29 + "1"],
    "boolean": ["", "true", "FALSE", "1", "0"],
    "date": ["", "1000-01-01", "2024-02-29", "9999-12-31"],
    "time": ["", "00:00:00", "23:59:59.999999", "01:02:03.5"],
    "datetime": ["", "2026-12-31T23:59:58", "2026-12-31T23:59:58.25+01:00", "1000-01-01T00:00:00Z"],
    "year": ["", "0000", "0999", "2026"],
    "yearmonth": ["", "2026-12", "0001-01"],
    "string": ["", "NULL", "null", "\\N", "a\\", "é😀", " x ", '"a;b"', "\t", '"q,\n""r"""'],
    "any": ["", "x", "NULL"],
    "e `mail`": ["", "a@b.org"],
    "day": ["", "31.12.2026"],
}
EXPECTED = {
    "integer": int,
    "number": Decimal,
    "boolean": lambda text: int(text.lower() in ("true", "1")),
    "date": date.fromisoformat,
    "time": lambda text: datetime.fromisoformat(f"2000-01-01T{text.ljust(8)}".strip()) - datetime(2000, 1, 1),
    "datetime": lambda text: (
        datetime.fromisoformat(text).replace(tzinfo=None) - (datetime.fromisoformat(text).utcoffset() or timedelta(0))
    ),
    "year": int,
    "string": lambda text: text[1:-1].replace('""', '"') if text.startswith('"') else text,
    "day": lambda text: datetime.strptime(text, "%d.%m.%Y").date(),
}


def text(given_dataset, data: bytes, size: int = 1 << 20) -> bytes:
    pieces: list[bytes] = []
    load(checked_blocks(given_dataset, data, size), pieces.append, given_dataset, "")
    return b"".join(pieces)


def table(server, given_dataset, data: bytes, path) -> list[tuple]:
    """The rows of a table that the text has been loaded into."""
    path.write_bytes(text(given_dataset, data))
    names = ", ".join(quote(column.name) for column in columns(given_dataset))
    account = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    context = ssl.create_default_context(cafile=server.authority)
    with pymysql.connect(**account, ssl=context, local_infile=True) as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS text")
        cursor.execute("CREATE DATABASE text")
        cursor.execute("USE text")
        cursor.execute("SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE'")
        [create], load_rows = statements.stage(given_dataset)
        cursor.execute(create)
        cursor.execute(load_rows.replace("'rows'", f"'{path}'"))
        cursor.execute("SHOW WARNINGS")
        assert cursor.fetchall() == ()
        cursor.execute(f"SELECT sluice_row, {names} FROM {statements.STAGING} ORDER BY sluice_row")
        return list(cursor.fetchall())


@pytest.mark.parametrize("descriptor", [ALL, FAST, PLAIN])
def test_the_table_has_the_values_of_the_file(server, tmp_path, descriptor):
    given_dataset = loading(descriptor, "rows_of_all", "append")
    assert (given_dataset.acceptor is not None) == (descriptor != ALL)
    delimiter = given_dataset.dialect.delimiter
    names = [field.name for field in given_dataset.fields]
    cells = [[CELLS[name][row % len(CELLS[name])] for name in names] for row in range(40)]
    lines = [f"{delimiter.join(row)}\n" for row in (names, *cells)]
    numbers = itertools.accumulate((line.count("\n") for line in lines[:-1]), initial=1)
    data = "".join(lines).encode()

    rows = table(server, given_dataset, data, tmp_path / "rows")

    expected = [
        (line, *(EXPECTED.get(name, str)(cell) if cell else None for name, cell in zip(names, row, strict=True)))
        for line, row in zip(list(numbers)[1:], cells, strict=True)
    ]
    assert rows == expected
    if given_dataset.acceptor:
        assert table(server, dataclasses.replace(given_dataset, acceptor=None), data, tmp_path / "rows") == rows


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["", "x", "N", "NULL", "NULLx"]), min_size=3, max_size=3), min_size=1))
def test_an_empty_cell_is_null_and_the_word_is_text(rows):
    assert THREE.acceptor

    data = "".join(f"{','.join(row)}\n" for row in ["abc", *rows]).encode()
    lines = [line.split(",")[1:] for line in text(THREE, data).decode().splitlines()]

    written = [[{"NULL": "", '"NULL"': "NULL"}.get(cell, cell.strip('"')) for cell in line] for line in lines]
    assert written == rows


def test_a_file_of_plain_rows_is_the_text_itself_with_numbers():
    rows = [b"%d,person%%d.%d@example.org\n" % (n, n) for n in range(10_000)]

    numbered = b"".join(b"%d,%b" % (number, row) for number, row in enumerate(rows, 2))
    assert text(dataset("people"), b"id,email\n" + b"".join(rows)) == numbered


LINES = st.sampled_from([b"1,a@b.org", b"2,c%d@d.org", b'3,"e@f.org"', b"x,g@h.org", b"", b'x,"i\n\nj"'])


@settings(deadline=None)
@given(st.lists(LINES, max_size=40).map(lambda lines: [b"0,z@z.org", *lines]), st.integers(1, 90))
def test_a_valid_row_has_the_number_of_its_line(lines, size):
    data = b"id,email\n" + b"\n".join(lines) + b"\n"
    valid = [line.replace(b'"', b"") for line in lines if line[:1].isdigit()]

    numbered = [line.replace(b'"', b"").split(b",", 1) for line in text(dataset("people"), data, size).splitlines()]

    physical = data.split(b"\n")
    assert [row for _, row in numbered] == valid
    assert [physical[int(number) - 1].replace(b'"', b"") for number, _ in numbered] == valid
    assert len({number for number, _ in numbered}) == len(valid)


def test_no_row_is_no_load():
    with pytest.raises(PermanentError, match="no row is valid"):
        text(dataset("people"), b"id,email\n")
