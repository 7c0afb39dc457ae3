"""Parquet files against their contract."""

import gzip
from pathlib import Path

import duckdb
import pytest

from sluice import engine
from sluice.contract import compression, parquet
from sluice.errors import PermanentError, TransientError
from sluice.upload import REJECTED
from support.datasets import checked, described

READINGS = """
format: parquet
schema:
  fields:
    - {name: sensor, type: string, constraints: {required: true}}
    - {name: celsius, type: number, constraints: {minimum: -50}}
    - {name: day, type: date, format: "%d-%m-%Y"}
    - {name: moment, type: datetime}
    - {name: n, type: integer}
"""
COLUMNS = "'s1' AS sensor, 1.5 AS celsius, DATE '2026-11-01' AS day, TIMESTAMP '2026-11-01 10:00:00' AS moment, 7 AS n"


def written(folder: Path, select: str) -> bytes:
    path = folder / "file.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


def test_rows_are_checked_like_those_of_any_file(tmp_path):
    data = written(
        tmp_path,
        f"""
        SELECT {COLUMNS}
        UNION ALL SELECT NULL, 1, NULL, NULL, NULL
        UNION ALL SELECT 's2', -50.5, NULL, NULL, NULL
        UNION ALL SELECT 's3', NULL, NULL, NULL, NULL
        """,
    )

    check, errors, text = checked(described(READINGS), data, 100)

    assert [(error.row, error.field, error.error) for error in errors] == [
        (2, "sensor", "constraint-error"),
        (3, "celsius", "constraint-error"),
    ]
    assert (check.good, check.rejected) == (2, 2)
    assert text.splitlines()[0] == (
        b'{"sensor":"s1","celsius":1.5,"day":"01-11-2026","moment":"2026-11-01T10:00:00.000000","n":7}'
    )


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("celsius", "'NaN'::DOUBLE", (None, "row-error")),
        ("celsius", "'1.5'", None),
        ("celsius", "1.50::DECIMAL(20, 2)", None),
        ("celsius", "1e300::DOUBLE", None),
        ("celsius", "[1, 2]", ("celsius", "type-error")),
        ("sensor", "7", ("sensor", "type-error")),
        ("sensor", "'a' || chr(0)", (None, "encoding-error")),
        ("sensor", "'a\"\\é'", None),
        ("day", "'01-11-2026'", None),
        ("day", "'2026-11-01'", ("day", "type-error")),
        ("day", "TIMESTAMP '2026-11-01 00:00:00'", ("day", "type-error")),
        ("moment", "TIMESTAMPTZ '2026-11-01 10:00:00+01'", None),
        ("moment", "TIME '10:00:00'", ("moment", "type-error")),
        ("moment", "DATE '2026-11-01'", ("moment", "type-error")),
        ("n", "7::TINYINT", None),
        ("n", "170141183460469231731687303715884105727::HUGEINT", ("n", "type-error")),
        ("n", "7.0::DOUBLE", ("n", "type-error")),
        ("n", "true", ("n", "type-error")),
    ],
)
def test_columns_of_other_types(tmp_path, column, value, error):
    data = written(tmp_path, f"SELECT * REPLACE ({value} AS {column}) FROM (SELECT {COLUMNS})")

    _, errors, _ = checked(described(READINGS), data)

    assert [(found.field, found.error) for found in errors] == ([error] if error else [])


@pytest.mark.parametrize(
    ("value", "field", "expected"),
    [
        ("DATE '2026-01-05'", "type: date, format: '%d.%m.%y'", "05.01.26"),
        ("DATE '1926-01-05'", "type: date, format: '%d.%m.%y'", None),
        ("DATE '0999-01-05'", "type: date", "0999-01-05"),
        ("DATE '2026-01-05'", "type: datetime", None),
        ("TIMESTAMP '2026-01-05 00:00:00'", "type: date", None),
        ("TIMESTAMP '2026-01-02 03:04:00'", "type: datetime, format: '%Y-%m-%d %H:%M'", "2026-01-02 03:04"),
        ("TIMESTAMP '2026-01-02 03:04:05.5'", "type: datetime, format: '%Y-%m-%d %H:%M'", None),
        ("TIMESTAMPTZ '2026-01-02 03:04:00+01'", "type: datetime, format: '%Y-%m-%d %H:%M'", None),
        ("TIMESTAMPTZ '2026-01-02 03:04:00+01'", "type: datetime, format: '%Y-%m-%d %H:%M%z'", "2026-01-02 02:04Z"),
        ("TIMESTAMPTZ '2026-01-02 03:04:00.25+01'", "type: datetime", "2026-01-02T02:04:00.250000Z"),
        ("TIMESTAMP_NS '2026-01-02 03:04:00.123456'", "type: datetime", "2026-01-02T03:04:00.123456"),
        ("TIMESTAMP_NS '2026-01-02 03:04:00.123456789'", "type: datetime", None),
        ("TIME '10:20:00'", "type: time, format: '%H:%M'", "10:20"),
        ("TIME '10:20:30'", "type: time, format: '%H:%M'", None),
        ("TIME '10:20:30.5'", "type: time", "10:20:30.500000"),
        ("DATE '2026-01-05'", "type: string", "2026-01-05"),
    ],
)
def test_moments_are_what_they_were_or_an_error(tmp_path, value, field, expected):
    """In a format that would lose part of one, it is not written as another moment."""
    dataset = described(f"format: parquet\nschema: {{fields: [{{name: v, {field}}}]}}")

    _, errors, text = checked(dataset, written(tmp_path, f"SELECT {value} AS v"))

    assert (text.decode() == f'{{"v":"{expected}"}}\n') if expected else [error.field for error in errors] == ["v"]


def test_rows_that_the_engine_loses_are_no_success(tmp_path, monkeypatch):
    data = written(tmp_path, f"SELECT {COLUMNS} FROM range(10)")
    stream = engine.stream
    monkeypatch.setattr(engine, "stream", lambda select, options: stream(f"{select} LIMIT 9", options))

    with pytest.raises(TransientError, match="says that it has 10 rows, of which the engine has read 9"):
        checked(described(READINGS), data)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("sensor, celsius, day, moment", "must be sensor, celsius, day, moment, n, in this order"),
        ("celsius, sensor, day, moment, n", "in this order"),
        ("sensor, celsius, day, moment, n AS N", "in this order"),
        ("*, 1 AS more", "in this order"),
    ],
)
def test_other_columns_reject_the_file(tmp_path, columns, reason):
    data = written(tmp_path, f"SELECT {columns} FROM (SELECT {COLUMNS})")

    with pytest.raises(PermanentError, match=reason) as raised:
        checked(described(READINGS), data)
    assert raised.value.state == REJECTED


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: b"a,b\n1,2\n", "does not start with PAR1"),
        (lambda data: data[: len(data) // 2], "corrupt, cut off or encrypted"),
        (lambda data: b"PAR1", "corrupt, cut off or encrypted"),
        (lambda data: data[:4] + bytes(len(data) - 12) + data[-8:], "corrupt, cut off or encrypted"),
        (lambda data: b"", "the file is empty"),
    ],
)
def test_what_is_no_parquet_file_is_rejected(tmp_path, damage, reason):
    data = damage(written(tmp_path, f"SELECT {COLUMNS} FROM range(1000)"))

    with pytest.raises(PermanentError, match=reason) as raised:
        checked(described(READINGS), data)
    assert raised.value.state == REJECTED


def test_a_file_beyond_the_disk_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "SIZE_LIMIT", 1 << 20)
    data = written(tmp_path, f"SELECT {COLUMNS}") + bytes(1 << 20)

    with pytest.raises(PermanentError, match="larger than 1 MiB: split it"):
        checked(described(READINGS), data)


def test_rows_without_an_end_are_rejected_before_they_have_cost_much(tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "_ANY_RATIO", 1 << 20)
    monkeypatch.setitem(compression.RATIO_LIMITS, "Parquet", 1000)
    data = written(tmp_path, f"SELECT {COLUMNS} FROM range(1000000)")

    with pytest.raises(PermanentError, match="the Parquet data grows to more than 1,000 times its size") as raised:
        checked(described(READINGS), data)
    assert raised.value.state == REJECTED


def test_a_compressed_file_is_read(tmp_path):
    check, errors, _ = checked(described(READINGS), gzip.compress(written(tmp_path, f"SELECT {COLUMNS}")))

    assert (check.good, errors) == (1, [])
