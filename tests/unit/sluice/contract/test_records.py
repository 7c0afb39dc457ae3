"""Records and the physical lines they start on."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.dialect import Dialect
from sluice.contract.lines import LINE_LIMIT, Lines
from sluice.contract.records import QUOTED_LIMIT, read_record
from sluice.errors import PermanentError


def read(data: bytes, size: int = 1 << 20, dialect: Dialect | None = None) -> list[tuple]:
    """Each record as (line, cells), or (line, error code) where it has a defect."""
    lines = Lines(data[start : start + size] for start in range(0, len(data), size))
    records = list(iter(lambda: read_record(lines, dialect or Dialect()), None))
    assert sum(record.lines for record in records) == lines.count
    return [(record.line, record.defect[0] if record.defect else record.cells) for record in records]


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"a,b\nc,d\n", [(1, ["a", "b"]), (2, ["c", "d"])]),
        (b"a,b\r\nc,d", [(1, ["a", "b"]), (2, ["c", "d"])]),
        (b"a\r\nb\nc", [(1, ["a"]), (2, ["b"]), (3, ["c"])]),
        (b"\xef\xbb\xbfa,b\n", [(1, ["a", "b"])]),
        (b"a\n\n\r\nb\n", [(1, ["a"]), (2, []), (3, []), (4, ["b"])]),
        (b'"a,b",c\n', [(1, ["a,b", "c"])]),
        (b'"a\nb",c\nd,e\n', [(1, ["a\nb", "c"]), (3, ["d", "e"])]),
        (b'"a\r\n\r\nb"\nc\n', [(1, ["a\r\n\r\nb"]), (4, ["c"])]),
        (b'"say ""hi""",b\n', [(1, ['say "hi"', "b"])]),
        (b'5" pipe,b\nc,d\n', [(1, ['5" pipe', "b"]), (2, ["c", "d"])]),
        (b'a,"b\nc,d\ne,f\n', [(1, "row-error"), (2, ["c", "d"]), (3, ["e", "f"])]),
        (b'a,"b\nc,"d"\n', [(1, "row-error"), (2, ["c", "d"])]),
        (b'"a"b,c\nd,e\n', [(1, "row-error"), (2, ["d", "e"])]),
        (b'a,"b\n\xff,d\ne,f\n', [(1, "row-error"), (2, "encoding-error"), (3, ["e", "f"])]),
        (b"a,b\n\xff,d\ne,f\n", [(1, ["a", "b"]), (2, "encoding-error"), (3, ["e", "f"])]),
        (b"", []),
        (b"\xef\xbb\xbf", []),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1 << 20])
def test_records(data, records, size):
    assert read(data, size) == records


def test_a_nul_far_into_the_file_costs_its_row_only():
    data = b"a,b\n" * 40_000 + b"c\0,d\n" + b"e,f\n"

    found = read(data)

    assert found[40_000:] == [(40_001, "encoding-error"), (40_002, ["e", "f"])]


@pytest.mark.parametrize("data", [b"a\0b\n", b"\xff\xfea\0", b"%PDF-1.7\n\0"])
def test_what_is_no_text_is_refused(data):
    with pytest.raises(PermanentError) as refused:
        read(data)

    assert refused.value.state == "REJECTED"


def test_an_unclosed_quote_costs_one_line_however_long_the_file():
    rows = QUOTED_LIMIT // 4 + 1000

    found = read(b'"x,y\n' + b"a,b\n" * rows)

    assert found[0] == (1, "row-error")
    assert len(found) == rows + 1
    assert all(cells == ["a", "b"] for _, cells in found[1:])


def test_a_line_without_end_is_refused_in_bounded_memory():
    chunks = (b"x" * (1 << 20) for _ in range(10_000))

    with pytest.raises(PermanentError, match="longer than 16 MiB"):
        read_record(Lines(chunks), Dialect())
    assert LINE_LIMIT == 16 << 20


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@given(
    st.lists(st.lists(CELL, min_size=2, max_size=4), max_size=8),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.integers(1, 64),
)
def test_whatever_is_written_as_csv_is_read_back(rows, delimiter, end, quoting, size):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)

    found = read(text.getvalue().encode(), size, Dialect(delimiter=delimiter))

    assert [cells for _, cells in found] == rows


@given(st.binary(max_size=400), st.integers(1, 64))
def test_every_line_of_any_bytes_is_accounted_for(data, size):
    try:
        read(data, size)
    except PermanentError:
        pass
