"""Row numbers of valid rows."""

from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.check import Block
from sluice.load.rows import Rows
from support.datasets import checked_blocks, dataset

LINES = st.sampled_from([b"1,a@b.org", b"2,c@d.org", b'3,"e@f.org"', b"x,g@h.org", b"", b'x,"i\n\nj"'])


@given(st.lists(LINES, max_size=40), st.integers(1, 90))
def test_a_valid_row_is_found_on_its_line(lines, size):
    data = b"id,email\n" + b"\n".join(lines) + b"\n"
    rows, seen = Rows(), []

    for block in rows.watch(checked_blocks(dataset("people"), data, size)):
        seen += block.lines()

    physical = data.split(b"\n")
    found = [physical[rows.line(number) - 1] for number in range(1, rows.count + 1)]
    assert [line.replace(b'"', b"") for line in found] == seen
    assert len({rows.line(number) for number in range(1, rows.count + 1)}) == rows.count


def test_rows_that_follow_each_other_take_no_memory():
    rows = Rows()

    for _ in rows.watch(Block(b"", 1000, 2 + 1000 * number) for number in range(1000)):
        pass

    assert (rows.count, rows.line(1), rows.line(1_000_000)) == (1_000_000, 2, 1_000_001)
    assert len(rows._firsts) == 1
