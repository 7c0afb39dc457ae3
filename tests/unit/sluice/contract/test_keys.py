"""`unique` and `primaryKey`: exact over values, bounded in memory."""

from pathlib import Path

import pytest

from sluice.contract import keys
from sluice.contract.check import Check
from sluice.contract.descriptor import DescriptorError, load_dataset
from sluice.errors import PermanentError
from sluice.processors import NEEDS

DESCRIPTOR = """\
name: trades
dialect: {header: false}
schema:
  fields: [%s]
  %s
sluice:key: trades/{name}.csv
sluice:processor: clean
sluice:format: csv
"""


def run(tmp_path: Path, fields: str, data: str, schema: str = "") -> tuple[list[tuple], Check]:
    path = tmp_path / "trades.yaml"
    path.write_text(DESCRIPTOR % (fields, schema))
    errors = []
    check = Check(load_dataset(path, NEEDS), [data.encode()], errors.append)
    rows = sum(block.rows for block in check.blocks())
    assert (rows, len({error.row for error in errors})) == (check.good, check.rejected)
    return [(error.row, error.field, error.error, error.message, error.text) for error in errors], check


def field(name: str, type_: str, more: str = "") -> str:
    return f"{{name: {name}, type: {type_}, constraints: {{unique: true{more}}}}}"


@pytest.mark.parametrize(
    ("type_", "data", "repeats"),
    [
        ("string", "a\nb\na\nA\na\n", {3: 1, 5: 1}),
        ("integer", "1\n01\n+1\n2\n-0\n0\n", {2: 1, 3: 1, 6: 5}),
        ("integer", f"{10**100}\n{10**100 + 1}\n0{10**100}\n", {3: 1}),
        ("number", "1.50\n1.5\n01.5000\n1.51\n-0.0\n0\n.5\n0.5\n100\n100.\n1\n", {2: 1, 3: 1, 6: 5, 8: 7, 10: 9}),
        ("datetime", "2026-01-01T01:00:00+01:00\n2026-01-01T00:00:00Z\n2026-01-01T00:00:00\n", {2: 1}),
        ("string", f"{'x' * 100}\n{'x' * 100}y\n{'x' * 100}\n", {3: 1}),
        ("string", "ä\na\nä\n", {3: 1}),
        ("string", '"a\nb"\nc\n"a\nb"\n', {4: 1}),
        ("boolean", "true\n1\nfalse\n", {2: 1}),
    ],
)
def test_values_are_unique_however_they_are_written(tmp_path, type_, data, repeats):
    errors, _ = run(tmp_path, field("f", type_), data)

    assert {row: message for row, _, error, message, _ in errors if error == "unique-error"} == {
        row: f"must be unique, but repeats row {earlier}" for row, earlier in repeats.items()
    }
    assert len(errors) == len(repeats)


def test_missing_cells_and_cells_of_another_type_repeat_nothing(tmp_path):
    errors, _ = run(tmp_path, f"{{name: g}}, {field('f', 'integer')}", "a,\nb,\nc,x\nd,x\ne\ng\n")

    assert [(row, error) for row, _, error, _, _ in errors] == [
        (3, "type-error"), (4, "type-error"), (5, "missing-cell"), (6, "missing-cell"),
    ]  # fmt: skip


def test_a_value_is_taken_by_the_first_row_that_has_it_even_a_rejected_one(tmp_path):
    errors, check = run(tmp_path, field("f", "integer", ", minimum: 0"), "-1\n-1\n1,extra\n1\n")

    assert [(row, name, error) for row, name, error, _, _ in errors] == [
        (1, "f", "constraint-error"),
        (2, "f", "constraint-error"),
        (2, "f", "unique-error"),
        (3, None, "extra-cell"),
        (4, "f", "unique-error"),
    ]
    assert (check.good, check.rejected) == (0, 4)


@pytest.mark.parametrize("key", ["[a, b]", "a"])
def test_primary_keys(tmp_path, key):
    errors, _ = run(
        tmp_path,
        "{name: a, type: number}, {name: b}",
        "1,x\n1.0,x\n1,y\n,x\n,x\nz,x\nz,x\n",
        f"primaryKey: {key}",
    )

    repeats = {2: 1} if key == "[a, b]" else {2: 1, 3: 1}
    words = "a, b" if key == "[a, b]" else "a"
    assert [error[:4] for error in errors if error[2] == "primary-key"] == [
        (row, None, "primary-key", f"repeats the primary key ({words}) of row {earlier}")
        for row, earlier in repeats.items()
    ]
    assert [error[:3] for error in errors if error[2] != "primary-key"] == [
        (4, "a", "constraint-error"), (5, "a", "constraint-error"), (6, "a", "type-error"), (7, "a", "type-error"),
    ]  # fmt: skip


def test_parts_of_a_key_do_not_run_together(tmp_path):
    errors, _ = run(tmp_path, "{name: a}, {name: b}", "a,bc\nab,c\n\"a', 'b\",c\na,\"b', 'c\"\n", "primaryKey: [a, b]")

    assert errors == []


@pytest.mark.parametrize(
    ("fields", "schema", "rules"),
    [
        (field("f", "integer"), "", "the one rule"),
        (f"{field('f', 'integer')}, {field('g', 'integer')}", "", "the 2 rules"),
        (field("f", "integer"), "primaryKey: f", "the 2 rules"),
    ],
)
def test_more_values_than_the_limit_reject_the_file(tmp_path, monkeypatch, fields, schema, rules):
    monkeypatch.setattr(keys, "VALUES_LIMIT", 12)
    rows = 6 if "2" in rules else 12
    line = "{0},{0}\n" if "{name: g" in fields else "{0}\n"
    full = "".join(line.format(n) for n in range(rows))

    errors, _ = run(tmp_path, fields, full + line.format(0), schema)
    assert {error[0] for error in errors} == {rows + 1}, "what repeats takes no more room"
    with pytest.raises(PermanentError, match=f"row {rows + 1}: .* for 12 different values .* {rules}") as refused:
        run(tmp_path, fields, full + line.format(rows), schema)
    assert refused.value.state == "REJECTED"


@pytest.mark.parametrize("key", ["c", "[a, c]", "[a, a]", "[]", "{a: b}", "5"])
def test_a_primary_key_names_fields(tmp_path, key):
    with pytest.raises(DescriptorError, match=r"trades.yaml:5: schema.primaryKey: "):
        run(tmp_path, "{name: a}, {name: b}", "", f"primaryKey: {key}")
