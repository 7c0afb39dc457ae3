"""Descriptors: what they mean, and how wrong ones are refused."""

from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from sluice.contract.check import Check
from sluice.contract.delimited import parse_row
from sluice.contract.descriptor import DescriptorError, load_dataset
from sluice.contract.dialect import Dialect
from sluice.contract.lines import Lines
from sluice.contract.records import read_record
from sluice.contract.tolerance import Tolerance
from sluice.datasets import Catalogue
from sluice.errors import PermanentError
from sluice.processors import NEEDS

DATASETS = Path(__file__).parents[4] / "lambda" / "datasets"
GOOD = """\
name: staff
dialect:
  delimiter: ";"
schema:
  fields:
    - name: id
      type: integer
sluice:key: staff/{team}/{name}.csv
sluice:processor: clean
sluice:result: clean/{name}/{team}.csv
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "staff.yaml"
    path.write_text(text, encoding="utf-8")
    return load_dataset(path, NEEDS)


def test_placeholders_carry_over_to_the_result(tmp_path):
    dataset = load(tmp_path, GOOD)

    assert dataset.result_key("staff/a {b}/c.d.csv") == "clean/c.d/a {b}.csv"
    assert not dataset.key.fullmatch("staff/a/b/c.csv")
    assert not dataset.key.fullmatch("staff//c.csv")
    assert not dataset.key.fullmatch("staff/a/cXcsv")
    with pytest.raises(ValueError, match="no key of dataset staff"):
        dataset.result_key("other.csv")


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("name: staff", "name: Staff!", 1, "must be lower-case"),
        ("dialect:", "dialogue:", 2, "'dialogue' is not one of"),
        ("delimiter", "delimeter", 3, "'delimeter' is not one of"),
        ('";"', '";;"', 3, "must be a single character"),
        ("type: integer", "type: intger", 6, "type 'intger' with format 'default' is not supported"),
        ("type: integer", "constraints: {uniq: true}", 6, "constraint 'uniq' is not supported"),
        ("type: integer", "constraints: {pattern: '('}", 6, "missing ), unterminated subpattern"),
        ("type: integer", "type: date\n      format: '%d-%m'", 6, "must hold each of %d, %m and %Y once"),
        ("type: integer", "trueValues: [x]", 6, "trueValues does not apply to the type string"),
        ("type: integer", "constraints: {maximum: x}", 6, "does not apply to the type string"),
        ("type: integer", "primaryKey: id", 7, "'primaryKey' is not one of"),
        ('  delimiter: ";"', "  header: false\n  headerRows: [2]", 4, "without a header use commentRows"),
        ('  delimiter: ";"', "  commentRows: [1]", 3, "names the header's line, 1"),
        ("dialect:\n", "encoding: latin-9\ndialect:\n", 2, "must be one of utf-8, utf-16, iso-8859-1"),
        ("schema:\n", "schema:\n  missingValues: [0]\n", 5, "put numbers and null in quotes"),
        ("schema:\n", "schema:\n  primaryKey: ip\n", 5, "'ip' is not the name of a field"),
        ("sluice:processor", "sluice:reject: 5 %\nsluice:processor", 9, "must be a number of rows"),
        ("sluice:processor", "sluice:expected: daily\nsluice:processor", 9, "must be an ISO 8601 duration"),
        ("processor: clean", "processor: cleen", 9, "must be one of clean, forecast"),
        ("processor: clean", "processor: forecast", 9, "needs fields of the types string, date, number"),
        ("{team}/{name}.csv", "{name}/{name}.csv", 8, "each used once"),
        ("/{team}.csv\n", "/{town}.csv\n", 10, "{town} does not occur in sluice:key"),
        ("sluice:key: staff/{team}/{name}.csv\n", "", 1, "sluice:key is missing"),
        ("  fields:", "  fields: [", 6, ""),
        ("schema:\n", "schema:\n  missingValues: NA\n", 5, "must be a list of texts"),
        ("sluice:result: clean/{name}/{team}.csv", "sluice:result: 7", 10, "must be text"),
        ("type: integer", "type: integer\n      type: string", 8, "'type' is there twice"),
        ("type: integer", "type: integer\n      constraints: {minimum: 1, minimum: 5}", 8, "'minimum' is there twice"),
        ("processor: clean", "processor: [clean]", 9, "must be one of clean, forecast"),
        ("{name}/{team}.csv\n", "{name}-of-{team}.csv\n", 10, "needs a / between placeholders"),
        ("{name}/{team}.csv\n", "{name}/{team}.errors.jsonl\n", 10, "must not end as error reports do"),
        ("{name}/{team}.csv\n", "{name}.csv\n", 10, "must hold {team}, or uploads would share a result"),
        ("name: staff", "name: staff\nformat: xlsx", 2, "must be one of csv, jsonl, json, parquet"),
        ("name: staff", "name: staff\nformat: jsonl", 3, "does not apply to the format jsonl"),
        ("name: staff", "format: json\nname: staff\nencoding: utf-8", 3, "does not apply to the format json"),
        ("processor: clean", "processor: clean\nsluice:format: avro", 10, "must be one of parquet, csv, jsonl"),
        ("      type: integer\n", "    - name: ID\n", 7, "'ID': columns of Parquet need names that differ by more"),
        (
            "      type: integer\n{rest}processor: clean",
            "    - {name: day, type: date}\n    - {name: price, type: number}\n{rest}processor: forecast\n"
            "sluice:format: parquet",
            11,
            "the processor forecast needs csv",
        ),
    ],
)
def test_a_wrong_descriptor_is_refused_with_file_and_line(tmp_path, old, new, line, reason):
    rest = "sluice:key: staff/{team}/{name}.csv\nsluice:"
    old, new = old.replace("{rest}", rest), new.replace("{rest}", rest)
    assert old in GOOD

    with pytest.raises(DescriptorError) as refused:
        load(tmp_path, GOOD.replace(old, new))

    assert f"staff.yaml:{line}: " in str(refused.value)
    assert reason in str(refused.value)


def test_what_a_descriptor_says_reaches_its_dataset(tmp_path):
    dataset = load(
        tmp_path,
        GOOD.replace("dialect:\n", 'encoding: windows-1252\ndialect:\n  commentChar: "#"\n')
        .replace("schema:\n", "schema:\n  primaryKey: id\n")
        .replace("sluice:processor", "sluice:reject: 5%\nsluice:expected: P7D\nsluice:processor"),
    )

    assert (dataset.encoding, dataset.dialect) == ("windows-1252", Dialect(delimiter=";", comment="#"))
    assert dataset.primary_key == ("id",)
    assert dataset.fields[0].check("") == (None, ("constraint-error", "is required"))
    assert dataset.tolerance == Tolerance(share=Fraction(1, 20))
    assert dataset.expected == timedelta(days=7)


def test_a_header_stands_where_the_dialect_says(tmp_path):
    dataset = load(tmp_path, GOOD.replace('delimiter: ";"', 'headerRows: [3]\n  commentChar: "#"'))
    data, errors = b"Report\nid\n# now\n\nid\n1\n# 2\nx\n", []
    check, lines = Check(dataset, [data], errors.append), Lines([data])

    rows = [parse_row(line, dataset.dialect) for block in check.blocks() for line in block.lines()]
    assert [[dataset.fields[0].check(cell)[0] for cell in row] for row in rows] == [[1]]
    records = iter(lambda: read_record(lines, dataset.dialect), None)
    assert [(record.line, record.cells) for record in records if record.cells] == [(5, ["id"]), (6, ["1"]), (8, ["x"])]
    assert [(error.row, error.error) for error in errors] == [(8, "type-error")]
    assert (check.good, check.rejected, check.blank, check.skipped) == (1, 1, 1, 4)


@pytest.mark.parametrize("text", ["", "- a\n", "text", "name: [\n"])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    with pytest.raises(DescriptorError):
        load(tmp_path, text)


def test_a_key_belongs_to_one_dataset_or_to_none(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(
        GOOD.replace("name: staff", "name: other").replace("{team}", "sales", 1).replace("/{team}", "")
    )
    catalogue = Catalogue(tmp_path, NEEDS)

    assert catalogue.match("staff/ops/x.csv").name == "staff"
    for key in ("staff/sales/x.csv", "elsewhere/x.csv"):
        with pytest.raises(PermanentError) as error:
            catalogue.match(key)
        assert error.value.state == "IGNORED"


def test_a_name_is_used_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(GOOD)

    with pytest.raises(DescriptorError, match="another descriptor has the name staff"):
        Catalogue(tmp_path, NEEDS)


def test_a_table_is_used_once(tmp_path):
    load = "sluice:processor: load\nsluice:load: {table: staff, mode: append}\n"
    for name in ("a", "b"):
        descriptor = f"name: {name}\nsluice:key: {name}.csv\nschema: {{fields: [{{name: id}}]}}\n"
        (tmp_path / f"{name}.yaml").write_text(descriptor + load)

    with pytest.raises(DescriptorError, match="b.yaml:1: another descriptor loads into the table staff already"):
        Catalogue(tmp_path, NEEDS)


def test_the_datasets_of_this_repository_are_valid():
    Catalogue(DATASETS, NEEDS)


@pytest.mark.parametrize(("line", "reason"), [(b"title: \xff\n", "is UTF-8"), (b"title: \x07\n", "not allowed")])
def test_a_descriptor_that_is_no_text_is_refused_with_its_line(tmp_path, line, reason):
    path = tmp_path / "staff.yaml"
    path.write_bytes(GOOD.encode() + line)

    with pytest.raises(DescriptorError, match=rf"staff.yaml:11: .*{reason}"):
        load_dataset(path, NEEDS)
