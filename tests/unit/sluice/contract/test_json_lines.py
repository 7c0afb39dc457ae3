"""JSON lines against their contract."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.check import Check
from support.datasets import checked, described

READINGS = """
format: jsonl
schema:
  missingValues: ["", "n/a"]
  fields:
    - {name: sensor, type: string, constraints: {required: true, maxLength: 8}}
    - {name: time, type: datetime}
    - {name: celsius, type: number, constraints: {minimum: -50}}
    - {name: count, type: integer}
    - {name: ok, type: boolean}
"""
GOOD = b'{"sensor":"s1","time":"2026-11-01T00:00:00Z","celsius":1.5,"count":3,"ok":true}\n'


def errors_of(text: bytes, descriptor: str = READINGS) -> list[tuple]:
    check, errors, _ = checked(described(descriptor), text)
    assert (check.rejected > 0) == bool(errors)
    return [(error.row, error.field, error.error) for error in errors]


@pytest.mark.parametrize(
    "line",
    [
        GOOD,
        GOOD.rstrip(b"\n"),
        GOOD.replace(b"\n", b"\r\n"),
        b'{ "ok": false, "sensor": "s1" }\n',
        b'{"sensor":"s1","time":null,"celsius":null,"count":null,"ok":null}\n',
        b'{"sensor":"s1","time":"","celsius":"n/a","count":"","ok":"n/a"}\n',
        b'{"sensor":"s1","celsius":"1.5","count":"-3","ok":"true"}\n',
        b'{"sensor":"s1","celsius":1.5e1}\n',
        b'{"sensor":"\\u00e9"}\n',
        b'{"sensor":"\xc3\xa9\\n"}\n',
    ],
)
def test_valid_lines(line):
    assert errors_of(GOOD + line + (b"" if line.endswith(b"\n") else b"\n") + GOOD) == []


@pytest.mark.parametrize(
    ("line", "errors"),
    [
        (b"{", [(None, "row-error")]),
        (b"s1,2026-11-01T00:00:00Z,1.5,3,true", [(None, "row-error")]),
        (b"[1, 2]", [(None, "row-error")]),
        (b"null", [(None, "row-error")]),
        (b'{"sensor":"s1"} {"sensor":"s2"}', [(None, "row-error")]),
        (b'{"sensor":"s1","sensor":"s2"}', [(None, "row-error")]),
        (b'{"sensor":"s1","celsius":NaN}', [(None, "row-error")]),
        (b'{"sensor":"s1","celsius":' + b"[" * 100_000, [(None, "row-error")]),
        (b'{"sensor":"s1","count":' + b"1" * 5000 + b"}", [(None, "row-error")]),
        (b'{"sensor":"\xff"}', [(None, "encoding-error")]),
        (b'{"sensor":"\\u0000"}', [(None, "encoding-error")]),
        (b'{"sensor":"\\ud800"}', [(None, "encoding-error")]),
        (b"{}", [("sensor", "constraint-error")]),
        (b'{"sensor":null}', [("sensor", "constraint-error")]),
        (b'{"sensor":"n/a"}', [("sensor", "constraint-error")]),
        (b'{"sensor":"s1","colour":"red"}', [(None, "extra-cell")]),
        (b'{"sensor":7}', [("sensor", "type-error")]),
        (b'{"sensor":["s1"]}', [("sensor", "type-error")]),
        (b'{"sensor":"s1","time":1793491200}', [("time", "type-error")]),
        (b'{"sensor":"s1","celsius":true}', [("celsius", "type-error")]),
        (b'{"sensor":"s1","celsius":1e9999}', [("celsius", "type-error")]),
        (b'{"sensor":"s1","celsius":-50.01}', [("celsius", "constraint-error")]),
        (b'{"sensor":"s1","count":1.0}', [("count", "type-error")]),
        (b'{"sensor":"s1","count":9223372036854775808}', [("count", "constraint-error")]),
        (b'{"sensor":"s1","count":{"n":1},"ok":0}', [("count", "type-error"), ("ok", "type-error")]),
        (b'{"sensor":"123456789"}', [("sensor", "constraint-error")]),
    ],
)
def test_invalid_lines_cost_themselves_only(line, errors):
    check, found, text = checked(described(READINGS), GOOD + line + b"\n\n" + GOOD)

    assert [(error.row, error.field, error.error) for error in found] == [(2, *error) for error in errors]
    assert (check.good, check.rejected, check.blank, text) == (2, 1, 1, GOOD + GOOD)


def test_messages_say_where_and_quote_nothing():
    _, [error], _ = checked(described(READINGS), GOOD + b'{"sensor": secret}\n')

    assert error.message == "is not JSON: column 12: Expecting value"
    assert error.text == '{"sensor": secret}'


def test_an_array_is_checked_as_its_elements():
    data = b"[" + GOOD + b',\n{"sensor": 7},' + GOOD + b"]"
    check, errors, text = checked(described(READINGS.replace("jsonl", "json")), data, 7)

    assert [(error.row, error.field) for error in errors] == [(2, "sensor")]
    assert (check.good, check.rejected, text) == (2, 1, GOOD + GOOD)


def test_keys_are_unique_among_values_of_json_too():
    descriptor = READINGS.replace("  fields:", "  primaryKey: [sensor, count]\n  fields:")
    line = b'{"sensor":"s","count":1}\n'

    assert errors_of(line + line.replace(b"1", b'"1"') + line.replace(b"1", b"2"), descriptor) == [
        (2, None, "primary-key")
    ]


NUMBERS = st.integers() | st.decimals(-100, 100, places=2).map(float) | st.floats(allow_nan=False)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.text(max_size=10),
    st.sampled_from(["n/a", "s1", "1.5", "true", "2026-02-29T00:00:00Z"]),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
)


@given(
    st.lists(st.fixed_dictionaries(dict.fromkeys(["sensor", "time", "celsius", "count", "ok"], CELLS)), max_size=5),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]),
    st.booleans(),
)
def test_the_fast_path_changes_nothing(rows, separators, ascii_only):
    data = "".join(json.dumps(row, separators=separators, ensure_ascii=ascii_only) + "\n" for row in rows)
    fast = described(READINGS.replace(", type: boolean", ", type: integer").replace(', "n/a"', ""))
    assert fast.acceptor is not None

    data = GOOD.replace(b"true", b"1") + data.encode("utf-8", "surrogatepass")
    results = [checked(one, data) for one in (fast, dataclasses.replace(fast, acceptor=None))]

    (quick, quick_errors, quick_text), (slow, slow_errors, slow_text) = results
    assert (quick.good, quick.rejected, quick_errors, quick_text) == (
        slow.good,
        slow.rejected,
        slow_errors,
        slow_text,
    )


def test_numbers_keep_their_digits():
    dataset = dataclasses.replace(described(READINGS), acceptor=None)

    [block] = Check(dataset, [b'{"sensor":"s","celsius":0.10}\n'], print).blocks()

    assert str(block.values[2]) == "0.10"
