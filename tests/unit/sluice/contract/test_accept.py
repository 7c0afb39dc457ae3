"""The fast path changes how fast a file is checked, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.accept import compile_acceptor
from sluice.contract.dialect import Dialect
from sluice.contract.fields import compile_field
from support.datasets import dataset

MISSING = frozenset([""])
FIELDS = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "constraints": {"required": True}},
        {"type": "string", "constraints": {"minLength": 2, "maxLength": 3}},
        {"type": "string", "format": "email"},
        {"type": "string", "format": "email", "constraints": {"maxLength": 40}},
        {"type": "integer"},
        *[{"type": "integer", "constraints": {"minimum": least}} for least in (-5, 0, 1, 7, 10, 99)],
        *[{"type": "integer", "constraints": {"maximum": most}} for most in (0, 5, 10, 99, 100)],
        {"type": "integer", "constraints": {"minimum": 3, "maximum": 12_345}},
        {"type": "number"},
        {"type": "number", "constraints": {"minimum": 0, "required": True}},
        {"type": "number", "constraints": {"minimum": "-1.5"}},
        {"type": "date"},
        {"type": "date", "format": "%d-%m-%Y"},
        {"type": "date", "format": "%Y.%d.%m"},
    ]
)
CELLS = st.one_of(
    st.text(st.sampled_from("0123456789+-.eE"), max_size=6),
    st.integers(-200, 20_000).map(str),
    st.dates().map(lambda day: f"{day:%d-%m-%Y}"),
    st.dates().map(str),
    st.builds("{:04}-{:02}-{:02}".format, st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32)),
    st.builds("{:02}-{:02}-{:04}".format, st.integers(0, 32), st.integers(0, 13), st.integers(0, 9999)),
    st.text(st.sampled_from("ab@.-_é \xa0"), max_size=12),
    st.text(max_size=5),
    st.binary(max_size=5).map(lambda raw: raw.decode("latin-1")),
)


@given(FIELDS, CELLS, st.sampled_from(["\n", "\r\n"]))
def test_what_is_accepted_is_valid(field, text, end):
    field = {"name": "f", **field}
    # A second column: of one alone, an empty cell would be a blank line.
    acceptor = compile_acceptor([field, {"name": "g", "type": "integer"}], Dialect(), MISSING)
    line = f"{text},1{end}".encode("utf-8", "surrogatepass")

    if acceptor is not None and acceptor.match(line).end() == len(line) and line.count(b"\n") == 1:
        assert compile_field(field, MISSING).check(text)[1] is None
        assert not set(text) & set(',"\r\n\0')


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ({"type": "string", "constraints": {"required": True}}, ["ABC", "Ärger", "a b", "日本"]),
        ({"type": "string", "format": "email"}, ["ann@example.org", "a.b+c@mail.example.co.uk", ""]),
        ({"type": "integer", "constraints": {"minimum": 1}}, ["1", "42", "900000"]),
        ({"type": "number", "constraints": {"minimum": 0}}, ["0", "10.50", "3."]),
        ({"type": "date", "format": "%d-%m-%Y"}, ["01-01-2026", "28-02-2024", "30-04-1999", "31-12-2026"]),
    ],
)
def test_what_files_are_made_of_is_accepted(field, texts):
    acceptor = compile_acceptor([{"name": "f", **field}, {"name": "g"}], Dialect(), MISSING)
    lines = "".join(f"{text},x\n" for text in texts).encode()

    assert acceptor.match(lines).end() == len(lines)


@pytest.mark.parametrize(
    "field",
    [
        {"constraints": {"pattern": "a+"}},
        {"constraints": {"enum": ["a"]}},
        {"type": "integer", "constraints": {"maximum": -1}},
        {"type": "number", "constraints": {"maximum": 9}},
        {"type": "date", "constraints": {"minimum": "2020-01-01"}},
    ],
)
def test_rules_beyond_an_expression_have_no_fast_path(field):
    assert compile_acceptor([{"name": "f", **field}], Dialect(), MISSING) is None


def test_bytes_that_are_no_text_are_not_accepted():
    acceptor = compile_acceptor([{"name": "f"}, {"name": "g"}], Dialect(), MISSING)

    for raw in (b"\xff,a\n", b"\xed\xa0\x80,a\n", b"\xc0\xaf,a\n", b"a\0,a\n", b"a\r,a\n"):
        assert acceptor.match(raw).end() == 0, raw


LINES = st.sampled_from(
    [
        b"1,a@b.org",
        b"23,c.d@e.co.uk",
        b'4,"f@g.org"',
        b'5,"h@i.org',
        b'6,"j\nk"',
        b"",
        b"x,a@b.org",
        b"7",
        b"8,l@m.org,n",
        b"\xff,a@b.org",
        b"9,o\0@p.org",
        b"10,q",
    ]
)


@given(st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n"])), max_size=30), st.booleans(), st.integers(1, 90))
def test_a_file_is_judged_the_same_with_and_without_it(lines, ended, size):
    data = b"id,email\n" + b"".join(line + end for line, end in lines)
    data = data if ended else data.rstrip(b"\r\n")
    # NULs among the first bytes would make it no text at all.
    data = data if size % 2 else b"id,email\n" + b"0,z@z.org\n" * 7_000 + data.removeprefix(b"id,email\n")
    fast, slow = dataset("people"), dataset("people", acceptor=None)
    assert fast.acceptor

    assert judge(fast, data, size * 1000) == judge(slow, data, size)


def judge(given_dataset, data: bytes, size: int) -> str:
    """Everything that a check says of a file, comparable."""
    from sluice.contract.check import Check
    from sluice.errors import PermanentError

    errors = []
    check = Check(given_dataset, (data[at : at + size] for at in range(0, len(data), size)), errors.append)
    try:
        text = b"".join(block.data for block in check.blocks())
    except PermanentError as error:
        return error.reason
    return json.dumps(
        [text.decode(), check.good, check.rejected, check.blank, [error.as_dict() for error in errors]],
        ensure_ascii=False,
    )
