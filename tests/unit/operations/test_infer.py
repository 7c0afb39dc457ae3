"""`scripts/sluice dataset infer`: what is written holds for the sample, and says what the sample is."""

import csv
import gzip
import io
import json
import string
from datetime import date
from decimal import Decimal

import duckdb
import pytest
import yaml
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from operations import cli
from operations.infer import infer
from operations.samples import SampleError


@pytest.fixture
def inferred(tmp_path):
    """Infers from a file's content and returns the descriptor as it reads, its text, and the rows that do not fit."""

    def run(content: bytes, name: str = "orders.csv") -> tuple[dict, str, list[str]]:
        (tmp_path / name).write_bytes(content)
        text, defects = infer(tmp_path / name)
        assert infer(tmp_path / name) == (text, defects)
        return yaml.safe_load(text), text, defects

    return run


def field(inferred, *cells: str) -> dict:
    """The field that is made of these cells, without its name and whether it is required."""
    rows = "".join(f'"{cell}"|x\n' for cell in cells)
    document, _, defects = inferred(f"value|other\n{rows}".encode())
    assert defects == []
    return {key: value for key, value in document["schema"]["fields"][0].items() if key not in ("name", "constraints")}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1", "-20"), {"type": "integer"}),
        (("1", "2.5"), {"type": "number"}),
        (("1,5", "20"), {"type": "number", "decimalChar": ","}),
        (("1.000,5", "20"), {"type": "number", "decimalChar": ",", "groupChar": "."}),
        (("1,000.5", "20"), {"type": "number", "groupChar": ","}),
        (("01234", "98765"), {"type": "string"}),
        (("+4912345", "+4998765"), {"type": "string"}),
        (("12345678901234567890", "1"), {"type": "string"}),
        (("true", "false"), {"type": "boolean"}),
        (("2026-12-31", "2026-01-02"), {"type": "date"}),
        (("31.12.2026", "01.02.2026"), {"type": "date", "format": "%d.%m.%Y"}),
        (("12/31/2026", "01/02/2026"), {"type": "date", "format": "%m/%d/%Y"}),
        (("2026-02-30", "2026-01-02"), {"type": "string"}),
        (("2026-12-31T10:00:00Z", "2026-12-31T10:00:00.5+01:00"), {"type": "datetime"}),
        (("2026-12-31 10:00:00", "2026-01-02 23:59:59"), {"type": "datetime", "format": "%Y-%m-%d %H:%M:%S"}),
        (("10:00:00", "23:59:59"), {"type": "time"}),
        (("10:00", "23:59"), {"type": "time", "format": "%H:%M"}),
        (("2026-12", "2026-01"), {"type": "yearmonth"}),
        (("a@b.example", "c@d.example"), {"type": "string", "format": "email"}),
        (("a@b.example", "nobody"), {"type": "string"}),
        (("https://a.example/", "urn:isbn:1"), {"type": "string", "format": "uri"}),
        (("2bc1c94f-0deb-43e9-92a1-4775189ec9f8",), {"type": "string", "format": "uuid"}),
        (("", ""), {"type": "string"}),
        (("1", ""), {"type": "integer"}),
    ],
)
def test_a_field_is_what_all_its_cells_are(inferred, cells, expected):
    found = field(inferred, *cells)
    assert {key: value for key, value in found.items() if key not in ("trueValues", "falseValues")} == expected


def test_a_field_is_required_where_no_cell_is_missing(inferred):
    document, _, _ = inferred(b"a,b\n1,\n2,x\n")
    assert [one.get("constraints") for one in document["schema"]["fields"]] == [{"required": True}, None]


def test_a_field_that_can_be_read_in_two_ways_says_so(inferred):
    _, text, _ = inferred(b"due,total,id\n01/02/2026,12,1\n03/04/2026,13,2\n")
    line = next(line for line in text.splitlines() if "name: due" in line)
    assert line.endswith("# or date %m/%d/%Y: the sample can be read as both")
    assert "read as both" not in text.replace(line, "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"id,name\n1,a\n2,b\n", {}),
        (b"id;name\n1;a\n2;b\n", {"dialect": {"delimiter": ";"}}),
        (b"id\tname\n1\ta\n2\tb\n", {"dialect": {"delimiter": "\t"}}),
        (b"id|name\r\n1|a\r\n2|b\r\n", {"dialect": {"delimiter": "|"}}),
        (b"id,name\n1,'a, b'\n2,'c, d'\n", {"dialect": {"quoteChar": "'"}}),
        (b"1,2026-01-01\n2,2026-01-02\n", {"dialect": {"header": False}}),
        (b"Report of today\n\nid;name\n1;a\n2;b\n", {"dialect": {"delimiter": ";", "headerRows": [3]}}),
        ("id,name\n1,é\n2,b\n".encode("windows-1252"), {"encoding": "windows-1252"}),
        ("id,name\n1,é\n2,b\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("id,name\n1,é\n2,b\n".encode("utf-8-sig"), {}),
        (b"id,name\n1,\x81\n2,b\n", {"encoding": "iso-8859-1"}),
        (gzip.compress(b"id,name\n1,a\n2,b\n", mtime=0), {}),
        (zstd.compress(b"id,name\n1,a\n2,b\n"), {}),
    ],
)
def test_the_dialect_and_encoding_are_those_of_the_file(inferred, content, expected):
    document, _, defects = inferred(content)
    assert defects == []
    assert {key: document[key] for key in ("dialect", "encoding") if key in document} == expected


def test_bad_rows_do_not_hide_how_the_others_are_written(inferred):
    document, _, defects = inferred(b"id,name\n" + b"1,a\n" * 20 + b"1\n" + b"2,b\n" * 9)
    assert [one["name"] for one in document["schema"]["fields"]] == ["id", "name"]
    assert defects == ["row 22: name has no cell (missing-cell)"]


def test_a_header_that_names_no_fields_is_passed_over(inferred):
    document, text, defects = inferred(b"id,name,name\n1,a,b\n2,c,d\n")
    assert document["dialect"] == {"header": False, "commentRows": [1]}
    assert [one["name"] for one in document["schema"]["fields"]] == ["id", "name", "name_"]
    assert "names are made up" in text
    assert defects == []


@pytest.mark.parametrize(
    ("file", "name", "key"),
    [
        ("orders.csv", "orders", "orders/{name}.csv"),
        ("2026 Umsätze {EU}.TSV", "data-2026-ums-tze-eu", "data-2026-ums-tze-eu/{name}.tsv"),
        ("no", "no", "no/{name}.csv"),
        ("null.txt", "null", "null/{name}.txt"),
    ],
)
def test_name_and_key_are_made_of_the_file_name(inferred, file, name, key):
    document, _, _ = inferred(b"id,name\n1,a\n", file)
    assert (document["name"], document["sluice:key"]) == (name, key)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "it holds no row"),
        (b"id\0,name\n", "the file is not text"),
        (b"\xff\xfea", "the file is not text"),
        (gzip.compress(b"id\n1\n", mtime=0)[:-4], "the (gzip|zstd) data is (corrupt|cut off)"),
        (gzip.compress(b"id\n1\n", mtime=0)[:10] + b"\xff" * 9, "the (gzip|zstd) data is (corrupt|cut off)"),
        (zstd.compress(b"id\n1\n")[:-2], "the (gzip|zstd) data is (corrupt|cut off)"),
    ],
)
def test_what_is_no_delimited_text_is_refused(inferred, content, reason):
    with pytest.raises(SampleError, match=reason):
        inferred(content)


def test_the_command_writes_where_nothing_is_yet(tmp_path, capsys):
    sample, output = tmp_path / "orders.csv", tmp_path / "orders.yaml"
    sample.write_bytes(b"id,name\n1,a\n2\n")

    assert cli.main(["dataset", "infer", str(sample)]) == 1
    text, warning = capsys.readouterr()
    assert warning == f"{sample}: row 3: name has no cell (missing-cell)\n"
    assert cli.main(["dataset", "infer", str(sample), "--output", str(output)]) == 1
    assert output.read_text() == text
    assert cli.main(["dataset", "infer", str(sample), "--output", str(output)]) == 2
    assert "orders.yaml: File exists" in capsys.readouterr().err


ROWS = [
    {"id": 1, "ok": True, "price": Decimal("1.5"), "at": "2026-01-02T03:04:05Z", "zip": "01234", "mixed": 1},
    {"id": 2, "ok": False, "price": 2, "at": "2026-01-02T03:04:05Z", "zip": "98765", "mixed": "x", "note": "n"},
    {"id": 3, "ok": True, "price": 3, "at": None, "zip": "20000", "mixed": True},
]


@pytest.mark.parametrize("format_", ["jsonl", "json"])
@pytest.mark.parametrize("compress", [bytes, zstd.compress], ids=["plain", "zstd"])
def test_json_has_types_of_its_own(inferred, format_, compress):
    lines = [json.dumps(row, default=float).encode() for row in ROWS]
    content = b"\n".join(lines) + b"\n" if format_ == "jsonl" else b"[\n" + b",\n".join(lines) + b"]"
    document, _, defects = inferred(compress(content), "orders.json")

    assert defects == []
    assert (document["format"], document["sluice:key"]) == (format_, "orders/{name}.json")
    assert document["schema"]["fields"] == [
        {"name": "id", "type": "integer", "constraints": {"required": True}},
        {"name": "ok", "type": "boolean", "constraints": {"required": True}},
        {"name": "price", "type": "number", "constraints": {"required": True}},
        {"name": "at", "type": "datetime"},
        {"name": "zip", "type": "string", "constraints": {"required": True}},
        {"name": "mixed", "type": "any", "constraints": {"required": True}},
        {"name": "note", "type": "string"},
    ]


def test_what_is_nested_has_no_type_and_is_told_of(inferred):
    document, _, defects = inferred(b'{"id": 1, "items": [1, 2]}\n{"id": 2, "items": []}\n', "orders.jsonl")
    assert document["schema"]["fields"][0]["type"] == "integer"
    assert [defect.partition(":")[0] for defect in defects] == ["row 1", "row 2"]


def test_parquet_has_types_of_its_own(inferred, tmp_path):
    duckdb.sql(
        "SELECT range AS id, DATE '2026-01-01' + range::INTEGER AS day, now() AS at, range::DECIMAL(9, 2) AS price, "
        "range > 1 AS ok, range::VARCHAR AS text, nullif(range, 1) AS gap FROM range(3)"
    ).write_parquet(str(tmp_path / "made"))
    document, _, defects = inferred((tmp_path / "made").read_bytes(), "orders.parquet")

    assert defects == []
    assert document["format"] == "parquet"
    found = [(one["name"], one["type"], "constraints" in one) for one in document["schema"]["fields"]]
    assert found == [
        ("id", "integer", True),
        ("day", "date", True),
        ("at", "datetime", True),
        ("price", "number", True),
        ("ok", "boolean", True),
        ("text", "string", True),
        ("gap", "integer", False),
    ]


def test_names_that_parquet_cannot_tell_apart_have_another_result(inferred):
    document, _, defects = inferred(b"id,ID\n1,2\n3,4\n")
    assert (document["sluice:format"], defects) == ("csv", [])


names = st.lists(st.text(string.ascii_letters + "é _-#:'", min_size=1, max_size=6), min_size=2, max_size=4, unique=True)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
columns = st.sampled_from(
    [
        texts,
        st.integers(-(10**20), 10**20).map(str),
        st.decimals(-1000, 1000, places=2).map(str),
        st.decimals(-1000, 1000, places=2).map(lambda number: f"{number}".replace(".", ",")),
        st.dates().map(str),
        st.dates(date(1970, 1, 1), date(2060, 1, 1)).map(lambda day: f"{day:%d/%m/%y}"),
        st.datetimes().map(str),
        st.booleans().map(str),
        st.emails(),
        st.sampled_from(["", "1", "01", "true", "n/a", " 1", "1e3", "NaN"]),
    ]
)


values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), texts
)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from("abCÄ"), values, min_size=1), min_size=1, max_size=5),
    array=st.booleans(),
)
def test_the_check_of_what_is_inferred_from_json_says_succeeded(rows, array, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    text = json.dumps(rows) if array else "\n".join(map(json.dumps, rows))
    (folder / "sample.json").write_text(text)

    infer_code = cli.main(["dataset", "infer", str(folder / "sample.json"), "--output", str(folder / "out.yaml")])
    check_code = cli.main(["dataset", "check", str(folder / "out.yaml"), str(folder / "sample.json")])
    assert (infer_code, check_code) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_check_of_what_is_inferred_says_succeeded(data, tmp_path_factory):
    fields = data.draw(names)
    kinds = [data.draw(columns) for _ in fields]
    rows = data.draw(st.lists(st.tuples(*kinds), min_size=2, max_size=6))
    delimiter = data.draw(st.sampled_from(",;\t|"))
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    text = io.StringIO()
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([fields] * data.draw(st.booleans()) + rows)
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    folder = tmp_path_factory.mktemp("sample")
    (folder / "sample.csv").write_bytes(text.getvalue().encode(encoding))

    infer_code = cli.main(["dataset", "infer", str(folder / "sample.csv"), "--output", str(folder / "out.yaml")])
    check_code = cli.main(["dataset", "check", str(folder / "out.yaml"), str(folder / "sample.csv")])
    assert (infer_code, check_code) == (0, 0)
