"""The fast path changes how fast a file is checked, and nothing else."""

import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.accept import compile_acceptor
from sluice.contract.descriptor import load_dataset
from sluice.contract.dialect import Dialect
from sluice.contract.fields import compile_field
from sluice.contract.numerals import BOUNDS, numerals
from sluice.processors import NEEDS
from support.datasets import DATASETS, dataset

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
        {"type": "date", "format": "%d,%m,%Y"},
        {"type": "date", "format": "%d-%m-%y"},
        {"type": "date", "format": "%d-%b-%Y"},
        {"type": "date", "format": "%Y-%m-%d%%"},
        {"type": "date", "constraints": {"enum": ["2000-01-01"]}},
        {"type": "string", "format": "email", "constraints": {"maxLength": 130}},
        {"type": "string", "format": "email", "constraints": {"minLength": 9}},
        {"type": "string", "format": "uri"},
        {"type": "string", "format": "uuid"},
        {"type": "string", "constraints": {"pattern": "[ab]+"}},
        {"type": "string", "constraints": {"enum": ["a", "b"]}},
        {"type": "any"},
        {"type": "boolean"},
        {"type": "boolean", "trueValues": ["1"], "falseValues": ["2"]},
        {"type": "integer", "groupChar": "."},
        {"type": "integer", "bareNumber": False},
        {"type": "integer", "constraints": {"unique": True}},
        {"type": "integer", "constraints": {"unique": False, "required": False}},
        {"type": "integer", "constraints": {"enum": [1, 2]}},
        {"type": "integer", "constraints": {"minimum": "+7", "maximum": "00099"}},
        {"type": "integer", "constraints": {"exclusiveMinimum": 3}},
        {"type": "integer", "constraints": {"exclusiveMaximum": 3}},
        {"type": "number", "decimalChar": "e"},
        {"type": "number", "groupChar": ".", "decimalChar": "|"},
        {"type": "number", "bareNumber": False},
        {"type": "number", "constraints": {"exclusiveMinimum": 0}},
        {"type": "number", "constraints": {"minimum": 0, "maximum": 9}},
        {"type": "number", "constraints": {"minimum": f"0.{'0' * 400}1"}},
        {"type": "year"},
        {"type": "yearmonth"},
        {"type": "time"},
        {"type": "time", "format": "%H-%M"},
        {"type": "datetime"},
        {"type": "datetime", "format": "%d-%m-%Y %H:%M"},
    ]
)
LABELS = st.lists(st.text(st.sampled_from("abZ019-_+é"), max_size=4), min_size=1, max_size=5).map(".".join)
LENGTHS = st.sampled_from([0, 1, 15, 16, 30, 31, 32, 33, 60, 63, 64, 65])
CELLS = st.one_of(
    st.builds("{}@{}".format, LABELS, LABELS),
    st.builds("{}@{}.{}".format, LENGTHS.map(lambda n: "a" * n), LENGTHS.map(lambda n: "b" * n), LABELS),
    st.builds("{}@{}x.de".format, LABELS, LENGTHS.map(lambda n: "b1." * n)),
    st.sampled_from(["true", "1", "2", "a", "b", "2026-12", "2026", "23:59:58", "2026-12-31T23:59:58Z", "urn:x"]),
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


@given(
    FIELDS,
    CELLS,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([",", ";", "\t", "|", ".", "-", "1", "@", "a", "é"]),
    st.sampled_from([MISSING, frozenset(), frozenset(["", "1", "a"]), frozenset(["01-01-2000", "0", "b"])]),
    st.booleans(),
)
def test_what_is_accepted_is_valid(field, text, end, delimiter, missing, required):
    field = {"name": "f", **field}
    if required:
        field["constraints"] = {**field.get("constraints", {}), "required": True}
    # A second column: of one alone, an empty cell would be a blank line.
    acceptor = compile_acceptor([field, {"name": "g", "type": "integer"}], Dialect(delimiter), missing)
    line = f"{text}{delimiter}1{end}".encode("utf-8", "surrogatepass")

    if acceptor is not None and acceptor.match(line).end() == len(line) and line.count(b"\n") == 1:
        assert compile_field(field, missing).check(text)[1] is None
        assert not set(text) & set(f'{delimiter}"\r\n\0')


@given(
    st.sampled_from(["integer", "number"]),
    st.dictionaries(st.sampled_from(sorted(BOUNDS)), st.decimals(-1500, 1500, places=1).map(str), max_size=3),
    st.decimals(-1600, 1600, places=1) | st.integers(-1600, 1600),
    st.booleans(),
)
def test_numbers_are_accepted_where_they_are_inside_their_bounds(type_, bounds, number, json_):
    if type_ == "integer":
        bounds = {name: str(int(float(bound))) for name, bound in bounds.items()}
        number = int(number)
    expression = numerals(bounds, fraction=type_ == "number", json=json_)
    accepted = expression is not None and re.fullmatch(expression, str(number)) is not None
    valid = compile_field({"name": "f", "type": type_, "constraints": bounds}, MISSING).check(str(number))[1] is None

    # In their plain form, those next to a bound apart.
    near = any(abs(Decimal(bound) - number) < 1 for bound in bounds.values())
    assert valid if accepted else not valid or near


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ({"type": "string", "constraints": {"required": True}}, ["ABC", "Ärger", "a b", "日本"]),
        ({"type": "string", "format": "email"}, ["ann@example.org", "a.b+c@mail.example.co.uk", ""]),
        ({"type": "integer", "constraints": {"minimum": 1}}, ["1", "42", "900000"]),
        ({"type": "integer", "constraints": {"minimum": -7, "maximum": 250}}, ["-7", "-1", "0", "99", "+250"]),
        ({"type": "number", "constraints": {"minimum": 0}}, ["0", "10.50", "3."]),
        ({"type": "number", "constraints": {"minimum": -60, "maximum": 60}}, ["-60", "-59.99", "-0.5", "59.9", "60"]),
        ({"type": "number", "constraints": {"exclusiveMinimum": 0.5, "maximum": 1.5}}, ["1"]),
        ({"type": "string", "constraints": {"enum": ["a.b", "é"]}}, ["a.b", "é", ""]),
        ({"type": "boolean"}, ["true", "0", "False"]),
        ({"type": "time"}, ["23:59:59", "00:00:00.5"]),
        ({"type": "datetime"}, ["2026-12-31T23:59:58Z", "2026-12-31T23:59:58.25+01:00", "2026-12-31T23:59:58"]),
        ({"type": "year"}, ["2026", "0001"]),
        ({"type": "yearmonth"}, ["2026-12"]),
        ({"type": "string", "format": "uuid"}, ["2bc1c94f-0deb-43e9-92a1-4775189ec9f8"]),
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
        {"constraints": {"enum": ["a,b"]}},
        {"constraints": {"enum": ["a"], "maxLength": 3}},
        {"type": "boolean", "trueValues": ["yes"]},
        {"type": "integer", "constraints": {"minimum": 5, "maximum": 4}},
        {"type": "date", "constraints": {"minimum": "2020-01-01"}},
        {"type": "date", "format": "%d,%m,%Y"},
        {"type": "date", "format": "%d.%m.%y"},
        {"type": "any"},
        {"type": "integer", "groupChar": "."},
        {"type": "integer", "bareNumber": True},
        {"type": "number", "decimalChar": ","},
        {"type": "integer", "constraints": {"required": True, "unique": True}},
        {"type": "integer", "something": "new"},
    ],
)
def test_rules_beyond_an_expression_have_no_fast_path(field):
    assert compile_acceptor([{"name": "f", **field}], Dialect(), MISSING) is None


@pytest.mark.parametrize(
    "dialect",
    [
        {"delimiter": "."},
        {"delimiter": "1"},
        {"quote": "'"},
        {"escape": "\\"},
        {"escape": "\\", "double_quote": False},
        {"skip_initial_space": True},
        {"comment": "#"},
        {"comment_rows": frozenset([7])},
    ],
)
def test_dialects_beyond_an_expression_have_no_fast_path(dialect):
    fields = [{"name": "f"}, {"name": "g", "type": "integer"}]

    assert compile_acceptor(fields, Dialect(header_row=3), MISSING)
    assert compile_acceptor(fields, Dialect(**dialect), MISSING) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema:", "encoding: utf-16\nschema:"),
        ("schema:", "encoding: windows-1252\nschema:"),
        ("schema:", "schema:\n  primaryKey: number"),
        ("required: true}", "required: true, unique: true}"),
    ],
)
def test_files_that_are_more_than_their_lines_have_no_fast_path(tmp_path, old, new):
    text = (DATASETS / "smoke.yaml").read_text(encoding="utf-8")
    (tmp_path / "smoke.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")

    assert old in text
    assert load_dataset(tmp_path / "smoke.yaml", NEEDS).acceptor is None


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


@given(
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n"])), max_size=30),
    st.booleans(),
    st.integers(1, 90),
    st.booleans(),
)
def test_a_file_is_judged_the_same_with_and_without_it(lines, ended, size, skip):
    data = b"id,email\n" + b"".join(line + end for line, end in lines)
    data = data if ended else data.rstrip(b"\r\n")
    # NULs among the first bytes would make it no text at all.
    many = b"0,%b@z.org\n" % (b"z" * 60) * 1_000
    data = data if size % 2 else b"id,email\n" + many + data.removeprefix(b"id,email\n")
    dialect = Dialect(header_row=3 if skip else 1)
    data = b'1,a@b.org\n"\n' * skip + data
    fast, slow = dataset("people", dialect=dialect), dataset("people", dialect=dialect, acceptor=None)
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
        [text.decode(), check.good, check.rejected, check.blank, check.skipped, [error.as_dict() for error in errors]],
        ensure_ascii=False,
    )
