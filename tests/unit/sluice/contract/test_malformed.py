"""Files as they really arrive: each defect costs exactly what it must, whichever path the rows take and however the
bytes arrive."""

import dataclasses
import gzip

import duckdb
import pytest
from backports import zstd

from sluice.errors import PermanentError
from sluice.upload import REJECTED
from support.datasets import checked, dataset, described

PEOPLE = dataset("people")
HEAD = b"id,email\n"
A, B, C = b"1,a@x.org\n", b"2,b@x.org\n", b"3,c@x.org\n"
NOTES = described("schema: {fields: [{name: id, type: integer}, {name: note, type: string}]}\nsluice:format: csv")
LONG = b"x" * (10 << 20)


@pytest.mark.parametrize(
    ("data", "good", "blank", "errors", "text"),
    [
        pytest.param(HEAD + A + B, A + B, 0, [], None, id="plain"),
        pytest.param(b"\xef\xbb\xbf" + HEAD + A, A, 0, [], None, id="byte order mark"),
        pytest.param(HEAD + A + B.rstrip(b"\n"), A + B, 0, [], None, id="no final newline"),
        pytest.param(b"id,email\r\n1,a@x.org\r\n2,b@x.org\n", A + B, 0, [], None, id="mixed line ends"),
        pytest.param(HEAD + b"\n" + A + b"\r\n\n" + B + b"\n", A + B, 4, [], None, id="blank lines"),
        pytest.param(HEAD + A + b'"2","b@x.org"\n' + C, A + B + C, 0, [], None, id="quotes that nothing needs"),
        pytest.param(HEAD + A + b"2,\0b@x.org\n" + C, A + C, 0, [(3, None, "encoding-error")], None, id="NUL"),
        pytest.param(HEAD + A + b"2,\xff@x.org\n" + C, A + C, 0, [(3, None, "encoding-error")], None, id="no UTF-8"),
        pytest.param(HEAD + A + b'2,"b@x.org\n' + C, A + C, 0, [(3, None, "row-error")], None, id="unclosed quote"),
        pytest.param(
            HEAD + A + b'2,"b@x.org\n' + C + b'4,"d@x.org"\n',
            A + C + b"4,d@x.org\n",
            0,
            [(3, None, "row-error")],
            None,
            id="unclosed quote before a closed one",
        ),
        pytest.param(HEAD + A + b'2,"b@x.org', A, 0, [(3, None, "row-error")], None, id="unclosed quote at the end"),
        pytest.param(HEAD + A + b"2\n" + C, A + C, 0, [(3, "email", "missing-cell")], None, id="too few cells"),
        pytest.param(HEAD + A + b"2,b@x.org,,\n" + C, A + C, 0, [(3, None, "extra-cell")], None, id="too many cells"),
    ],
)
@pytest.mark.parametrize("fast", [True, False], ids=["fast path", "cell by cell"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_rows(data, good, blank, errors, text, fast, size):
    people = PEOPLE if fast else dataclasses.replace(PEOPLE, acceptor=None)

    check, found, kept = checked(people, data, size)

    assert kept == good
    assert [(error.row, error.field, error.error) for error in found] == errors
    assert (check.good, check.rejected, check.blank) == (good.count(b"\n"), len(errors), blank)


@pytest.mark.parametrize(
    ("data", "good"),
    [
        pytest.param(b'1,"two\nlines"\n2,x\n', 2, id="newline in quotes"),
        pytest.param(b'1,"two\r\n\r\nlines"\r\n2,x\r\n', 2, id="blank line in quotes"),
        pytest.param(b'1,"say ""hi"""\n2,x\n', 2, id="doubled quotes"),
        pytest.param(b"1," + LONG + b"\n2,x\n", 2, id="one line of 10 MB"),
        pytest.param(b'1,"' + LONG[: 1 << 19] + b"\n" + LONG[: 1 << 18] + b'"\n2,x\n', 2, id="long lines in quotes"),
    ],
)
def test_rows_of_any_shape_are_kept(data, good):
    check, errors, _ = checked(NOTES, b"id,note\n" + data)

    assert (check.good, check.rejected, errors) == (good, 0, [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(A + B, "line 1: the header must be id,email; cell 1 and 2 differs", id="no header"),
        pytest.param(b"email,id\na@x.org,1\n", "cell 1 and 2 differs", id="header reordered"),
        pytest.param(b"id,mail\n" + A, "cell 2 differs", id="header with a wrong name"),
        pytest.param(b"id\n1\n", "it has 1 cells", id="header with a missing name"),
        pytest.param(b"id;email\n1;a@x.org\n", "it has 1 cells", id="another delimiter"),
        pytest.param(b"PK\x03\x04\0\0", "a ZIP archive or an Excel workbook, not text", id="a spreadsheet"),
        pytest.param((HEAD + A).decode().encode("utf-16"), "the file is UTF-16 text", id="UTF-16"),
        pytest.param(gzip.compress(HEAD + A * 999, mtime=0)[:-9], "gzip data is cut off", id="gzip cut off"),
        pytest.param(gzip.compress(HEAD + A, mtime=0)[:-8] + bytes(8), "gzip data is corrupt", id="gzip corrupt"),
        pytest.param(zstd.compress(HEAD + A * 999)[:-9], "zstd data is cut off", id="zstd cut off"),
        pytest.param(zstd.compress(HEAD + A)[:9] + b"\xff" * 9, "zstd data is (corrupt|cut off)", id="zstd corrupt"),
        pytest.param(gzip.compress(b"", mtime=0), "the file is empty", id="gzip of nothing"),
        pytest.param(HEAD + b"1," + b"x" * (18 << 20), "a line is longer than 16 MiB", id="a line without an end"),
    ],
)
def test_files_that_are_rejected(data, reason):
    with pytest.raises(PermanentError, match=reason) as raised:
        checked(PEOPLE, data)
    assert raised.value.state == REJECTED


def test_a_header_only_is_a_file_without_rows():
    check, errors, text = checked(PEOPLE, HEAD)

    assert (check.good, check.rejected, check.blank, errors, text) == (0, 0, 0, [], b"")


def test_one_bad_row_costs_one_row_where_an_engine_loses_a_partition(tmp_path):
    """DuckDB scans partitions of 8 MB in parallel; where the first whole row of the last one is bad, it drops the rest.

    It says nothing of that: neither an error nor a reject. This is why no engine's word is taken for what it read.
    """
    rows = [b"%07d,person.%07d@example.org\n" % (n, n) for n in range(520_000)]
    size = len(rows[0]) * len(rows)
    first = size // 8_000_000 * 8_000_000 // len(rows[0]) + 1
    path = tmp_path / "people.csv"
    lost = 0
    for bad in (first - 1, first, first + 1):
        data = rows.copy()
        data[bad] = b"bad" + data[bad][3:]
        path.write_bytes(b"".join(data))
        options = "columns = {'id': 'BIGINT', 'email': 'VARCHAR'}, header = false, auto_detect = false, delim = ','"
        with duckdb.connect(config={"threads": 2}) as connection:
            connection.execute(f"CREATE TABLE kept AS FROM read_csv('{path}', {options}, store_rejects = true)")
            [(kept,)] = connection.execute("SELECT count(*) FROM kept").fetchall()
            tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            told = "reject_errors" in tables and connection.execute("SELECT count(*) FROM reject_errors").fetchone()[0]
        lost = max(lost, len(rows) - kept - told)

        check, errors, _ = checked(PEOPLE, HEAD + b"".join(data))
        assert (check.good, check.rejected, len(errors)) == (len(rows) - 1, 1, 1)

    assert lost > 1000, "the engine has mended this: say so where it is given as a reason"
