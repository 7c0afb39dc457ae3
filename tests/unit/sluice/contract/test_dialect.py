"""Dialects and encodings: what is a row, which line it is on, and what is written is read back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.delimited import format_row, parse_row
from sluice.contract.dialect import Dialect, DialectError, compile_dialect
from sluice.contract.lines import Lines
from sluice.contract.records import Record, read_record
from sluice.errors import PermanentError


def read(data: bytes, descriptor: dict, encoding: str = "utf-8", size: int = 1 << 20) -> list[tuple]:
    """Each record as (line, cells); (line, error code) where it has a defect, (line, None) where it is skipped."""
    lines = Lines((data[start : start + size] for start in range(0, len(data), size)), encoding)
    records = read_all(lines, compile_dialect(descriptor))
    assert sum(record.lines for record in records) == lines.count
    return [
        (record.line, None if record.skipped else record.defect[0] if record.defect else record.cells)
        for record in records
    ]


def read_all(lines: Lines, dialect: Dialect) -> list[Record]:
    return list(iter(lambda: read_record(lines, dialect), None))


@pytest.mark.parametrize(
    ("descriptor", "data", "records"),
    [
        ({"quoteChar": "'"}, b"'a,\"b',c\n", [(1, ['a,"b', "c"])]),
        ({"delimiter": "|", "quoteChar": '"'}, b'a|"b|c"\n', [(1, ["a", "b|c"])]),
        ({"escapeChar": "\\"}, b'a\\,b,"c\\"d"\n', [(1, ["a,b", 'c"d'])]),
        ({"escapeChar": "\\"}, b"a\\\nb,c\nd,e\n", [(1, ["a\nb", "c"]), (3, ["d", "e"])]),
        ({"escapeChar": "\\", "doubleQuote": False}, b'"a\\"b",c\n"a"b",c\n', [(1, ['a"b', "c"]), (2, ['ab"', "c"])]),
        ({"escapeChar": "\\"}, b"a\\", [(1, "row-error")]),
        ({"skipInitialSpace": True}, b'a,  b , "c, d"\n  a,b\n', [(1, ["a", "b ", "c, d"]), (2, ["a", "b"])]),
        ({"commentChar": "#"}, b'#"a\na,#b\n # c\n', [(1, None), (2, ["a", "#b"]), (3, [" # c"])]),
        ({"commentChar": "#"}, b'"#a",b\n"a\n#b",c\n#\xff\n', [(1, ["#a", "b"]), (2, ["a\n#b", "c"]), (4, None)]),
        ({"commentChar": "#"}, b'"a\n#b\nc,d\n', [(1, "row-error"), (2, None), (3, ["c", "d"])]),
        ({"headerRows": [3]}, b'My "report\n\na,b\nc,d\n', [(1, None), (2, None), (3, ["a", "b"]), (4, ["c", "d"])]),
        ({"header": False, "commentRows": [1, 3]}, b"a\nb\nc\nd\n", [(1, None), (2, ["b"]), (3, None), (4, ["d"])]),
        ({"commentRows": [3]}, b'a\n"b\nc"\nd\n', [(1, ["a"]), (2, ["b\nc"]), (4, ["d"])]),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_what_is_a_row(descriptor, data, records, size):
    assert read(data, descriptor, size=size) == records


@pytest.mark.parametrize(
    ("encoding", "data", "records"),
    [
        ("iso-8859-1", b"Jos\xe9,\x80\n\xff,b", [(1, ["José", "\x80"]), (2, ["ÿ", "b"])]),
        ("windows-1252", b"Jos\xe9,\x80\n\x81,b\nc,d\n", [(1, ["José", "€"]), (2, "encoding-error"), (3, ["c", "d"])]),
        ("utf-16", "José,😀\r\nx,y".encode("utf-16"), [(1, ["José", "😀"]), (2, ["x", "y"])]),
        ("utf-16", b"\xfe\xff" + "a,b\nਊ,ȊĊ\n".encode("utf-16-be"), [(1, ["a", "b"]), (2, ["ਊ", "ȊĊ"])]),
        ("utf-16", "\ufeff".encode("utf-16-le"), []),
        (
            "utf-16",
            b"\xff\xfe" + b"".join(["a,b\nx".encode("utf-16-le"), b"\x00\xd8", "\nc,d\n".encode("utf-16-le")]),
            [(1, ["a", "b"]), (2, "encoding-error"), (3, ["c", "d"])],
        ),
        ("utf-16", "a,b\nc,d\n".encode("utf-16") + b"x", [(1, ["a", "b"]), (2, ["c", "d"]), (3, "encoding-error")]),
        ("utf-16", "a\nb,c".encode("utf-16") + b"x", [(1, ["a"]), (2, "encoding-error")]),
        ("utf-16", b"", []),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_encodings(encoding, data, records, size):
    assert read(data, {}, encoding, size) == records


@pytest.mark.parametrize(
    ("encoding", "data", "reason"),
    [
        ("utf-16", b"a,b\n", "not UTF-16 text: it has no byte order mark"),
        ("utf-16", b"a", "not UTF-16 text: it has no byte order mark"),
        ("utf-16", "a\0b".encode("utf-16"), "NUL bytes"),
        ("utf-8", "a,b".encode("utf-16"), "is UTF-16 text; export it as UTF-8"),
        ("windows-1252", "a,b".encode("utf-16"), "is UTF-16 text; export it as WINDOWS-1252"),
        ("iso-8859-1", "a,b".encode("utf-8-sig"), "is UTF-8 text; export it as ISO-8859-1"),
    ],
)
def test_a_file_in_another_encoding_is_refused(encoding, data, reason):
    with pytest.raises(PermanentError, match=reason) as refused:
        read(data, {}, encoding)

    assert refused.value.state == "REJECTED"


@pytest.mark.parametrize(
    ("descriptor", "key", "reason"),
    [
        ({"escapeChar": "\n"}, "escapeChar", "single character"),
        ({"quoteChar": ""}, "quoteChar", "single character"),
        ({"commentChar": 5}, "commentChar", "single character"),
        ({"header": "no"}, "header", "true or false"),
        ({"skipInitialSpace": 1}, "skipInitialSpace", "true or false"),
        ({"headerRows": [1, 2]}, "headerRows", "the one line"),
        ({"headerRows": [2], "header": False}, "headerRows", "without a header use commentRows"),
        ({"headerRows": [0]}, "headerRows", "counted from 1"),
        ({"headerRows": 2}, "headerRows", "must list"),
        ({"commentRows": []}, "commentRows", "must list"),
        ({"commentRows": [True]}, "commentRows", "must list"),
        ({"commentRows": [1]}, "commentRows", "names the header's line, 1"),
        ({"doubleQuote": False}, "doubleQuote", "no escapeChar"),
        ({"delimiter": " ", "skipInitialSpace": True}, "skipInitialSpace", "leaves nothing"),
        ({"delimiter": '"'}, "delimiter", "two things"),
        ({"commentChar": ";", "delimiter": ";"}, "delimiter", "two things"),
    ],
)
def test_a_dialect_that_makes_no_sense_is_refused(descriptor, key, reason):
    with pytest.raises(DialectError) as refused:
        compile_dialect(descriptor)

    assert refused.value.key == key
    assert reason in str(refused.value)


CELL = st.text(st.sampled_from("ab ,;#\"'\\\n\r\u2028"), max_size=5)


@given(
    st.lists(st.lists(CELL, min_size=2, max_size=3), max_size=6),
    st.builds(
        Dialect,
        delimiter=st.sampled_from(",;"),
        quote=st.sampled_from("\"'"),
        escape=st.sampled_from([None, "\\"]),
        skip_initial_space=st.booleans(),
        header=st.just(False),
        comment=st.sampled_from([None, "#"]),
    ),
    st.booleans(),
)
def test_what_is_written_in_a_dialect_is_read_back(rows, dialect, doubled):
    dialect = replace(dialect, double_quote=doubled or not dialect.escape)
    pieces = [format_row(row, dialect) for row in rows]

    records = read_all(Lines(pieces), dialect)

    assert not [record for record in records if record.skipped or record.defect]
    assert [record.cells for record in records] == rows
    assert [parse_row(piece[:-1], dialect) for piece in pieces] == rows
