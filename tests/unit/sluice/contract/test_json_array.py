"""JSON arrays as lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.json_array import array_lines
from sluice.contract.lines import LINE_LIMIT
from sluice.errors import PermanentError
from sluice.upload import REJECTED

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def lines(data: bytes, size: int = 1 << 20) -> bytes:
    return b"".join(array_lines(data[start : start + size] for start in range(0, len(data), size)))


@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 0, 2]), st.booleans(), st.integers(1, 20))
def test_each_element_is_a_line(elements, indent, ascii_only, size):
    data = json.dumps(elements, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    assert [json.loads(line) for line in lines(data, size).split(b"\n")[:-1]] == elements


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[]", b""),
        (b" [ \n ] \n", b""),
        (b"\xef\xbb\xbf[1]", b"1\n"),
        (b'[{"a": "]},["},\r\n {"b":\n2}]\n', b'{"a": "]},["}\n{"b": 2}\n'),
        (b'["\\\\", "\\"]"]', b'"\\\\"\n"\\"]"\n'),
        (b'[{"a":1,,}, {"a":2}]', b'{"a":1,,}\n{"a":2}\n'),
        (b'[{"a":\n"b\nc"}, 2]', b'{"a": "b\x01c"}\n2\n'),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 1 << 20])
def test_arrays(data, expected, size):
    assert lines(data, size) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1}', "must start with \\["),
        (b"a,b\n1,2\n", "must start with \\["),
        (b'[{"a": 1}, {"a":', "has no end"),
        (b'[{"a": 1}', "has no end"),
        (b'[{"a": "x}, {"a": 2}]', "has no end"),
        (b'[{"a": 1},]', "nothing where element 2 is"),
        (b'[{"a": 1},,{"a": 2}]', "nothing where element 2 is"),
        (b"[,]", "nothing where element 1 is"),
        (b'[{"a": 1}] [2]', "ends after element 1, but the file goes on"),
        (b'["' + b"x" * (LINE_LIMIT + (2 << 20)), "longer than 16 MiB"),
    ],
)
def test_what_is_no_array_is_rejected(data, reason):
    with pytest.raises(PermanentError, match=reason) as raised:
        lines(data)
    assert raised.value.state == REJECTED
