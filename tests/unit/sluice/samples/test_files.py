"""Samples: whatever a descriptor says, every row of one holds to it; where there can be no such row, a reason."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.samples import files
from sluice.samples.domains import SampleError
from sluice.samples.files import make_sample, make_text
from support.datasets import checked, dataset, described, loading
from support.reference import theirs

ROOT = Path(__file__).parents[4]
NOTHING = st.just({})


def sample(descriptor: dict | str, rows: int = 20, seed: int = 1) -> list[str]:
    """The lines of a sample, which has been held against its contract by then."""
    text = descriptor if isinstance(descriptor, str) else yaml.safe_dump(descriptor)
    return make_sample(described(text), rows, seed, lambda: True).data.decode().splitlines()


def column(rows: int = 20, **field: object) -> list[str]:
    """Cells of a field that is never missing, and stands alone."""
    constraints = {"required": True, **field.pop("constraints", {})}
    return sample({"schema": {"fields": [{"name": "f", **field, "constraints": constraints}]}}, rows)[1:]


def bounds(*values: object) -> dict:
    """Bounds of which the lower one is less than the upper one, if both are there."""
    lower = [{"minimum": values[0]}, {"exclusiveMinimum": values[0]}, {}]
    upper = [{"maximum": values[1]}, {"exclusiveMaximum": values[1]}, {}]
    return st.builds(lambda low, high: low | high, st.sampled_from(lower), st.sampled_from(upper))


def field(constraints: st.SearchStrategy = NOTHING, **descriptor: object) -> st.SearchStrategy:
    flags = st.fixed_dictionaries({}, optional={"required": st.booleans(), "unique": st.booleans()})
    return st.builds(lambda flags, more: {**descriptor, "constraints": flags | more}, flags, constraints)


def of(*settings_: dict) -> st.SearchStrategy:
    return st.sampled_from(settings_)


PATTERNS = [
    "[A-Z]{3}-[0-9]{4}", r"\d+", r"(?i)ab|cd+", "[^,;]+", "[äöü]{9}", r"(?=.{5})\w*x", "a?(b|c(d|e)?){4,}", ".{4,9}",
]  # fmt: skip
# Eight different values at least, as many as a sample of the property below has rows.
FIELDS = st.one_of(
    field(of({}, {"minLength": 3}, {"maxLength": 2}, {"minLength": 9, "maxLength": 9}), type="string"),
    field(of(*[{"pattern": pattern} for pattern in PATTERNS]), type="string"),
    field(st.just({"pattern": "[a-c ]*", "minLength": 4, "maxLength": 6})),
    field(st.just({"enum": ["a", "b,c", 'd"e', "f\ng", " h", "#i", "ö", "'j'", "\\k", "l;m", "n\r\no"]})),
    field(of({}, {"maxLength": 20}, {"minLength": 70}, {"pattern": r".*@a\.de"}), format="email"),
    field(of({}, {"maxLength": 9}, {"minLength": 60}), format="uri"),
    field(format="uuid"),
    field(type="any"),
    field(bounds(-5, "12"), type="integer"),
    field(st.just({"enum": list(range(12))}), type="integer", bareNumber=False),
    field(bounds(990, "1200"), type="integer", groupChar="."),
    field(bounds(-0.5, "5.25"), type="number"),
    field(bounds("1.000,1", "1.000,2"), type="number", decimalChar=",", groupChar="."),
    field(bounds("1990-01-01", "2026-12-31"), type="date"),
    field(bounds("01.01.1980", "31.12.1980"), type="date", format="%d.%m.%Y"),
    field(bounds("01-Jan-70", "31-Dec-70"), type="date", format="%d-%b-%y"),
    field(bounds("08:00:00", "16:00:00.5"), type="time"),
    field(bounds("09:00 AM", "11:00 PM"), type="time", format="%I:%M %p"),
    field(bounds("12:00:00.001", "12:00:00.002"), type="time"),
    field(bounds("1990-01-01T00:00:00", "2026-01-01T00:00:00Z"), type="datetime"),
    field(bounds("1.1.70 0", "x"), type="datetime", format="%d.%m.%Y %H:%M:%S.%f %z").map(
        lambda field: {**field, "constraints": {"required": True}}
    ),
    field(bounds(1990, "2025"), type="year"),
    field(bounds("2000-01", "2026-11"), type="yearmonth"),
)  # fmt: skip
FEW = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "boolean", "trueValues": ["ja"], "falseValues": ["nein", "-"]}),
    st.just({"type": "string", "constraints": {"enum": ["a"], "required": True}}),
)


@st.composite
def descriptors(draw: st.DrawFn) -> dict:
    drawn = [draw(FIELDS), *draw(st.lists(FIELDS | FEW, max_size=4))]
    names = draw(st.sampled_from([[f"f{number}" for number in range(5)], ["a,b", 'c"d', "e", " f", "g\nh"]]))
    fields = [{"name": name, **field} for name, field in zip(names, drawn, strict=False)]
    schema: dict = {"fields": fields}
    if draw(st.booleans()):
        schema["missingValues"] = draw(st.sampled_from([["", "-"], ["n/a"], []]))
    if draw(st.booleans()):
        # A unique field of a key is one by itself, and must never be missing then.
        key = [field for field in fields if field["type" if "type" in field else "name"] != "boolean"]
        schema["primaryKey"] = [field["name"] for field in key[: draw(st.integers(1, 2))]]
    format_ = draw(st.sampled_from(["csv", "csv", "csv", "jsonl", "json", "parquet"]))
    if format_ != "csv":
        return {"format": format_, "schema": schema}
    dialect = {
        "delimiter": draw(st.sampled_from(",;|\t ")),
        "quoteChar": draw(st.sampled_from("\"'")),
        "header": draw(st.booleans()),
        "commentRows": draw(st.sampled_from([[2], [3, 4, 7], [9]])),
    }
    dialect["skipInitialSpace"] = dialect["delimiter"] != " " and draw(st.booleans())
    if dialect["header"] and draw(st.booleans()):
        dialect["headerRows"] = [5]
    elif dialect["header"]:
        dialect["commentRows"] = [2, 4]
    if draw(st.booleans()):
        dialect["commentChar"] = "#"
    if draw(st.booleans()):
        dialect |= {"escapeChar": "\\", "doubleQuote": draw(st.booleans())}
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "windows-1252", "iso-8859-1"]))
    return {"encoding": encoding, "dialect": dialect, "schema": schema}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(descriptors(), st.integers(1, 8), st.integers(0, 2**53 - 1))
def test_every_row_of_a_sample_holds_to_its_contract(descriptor, rows, seed):
    described_ = described(yaml.safe_dump(descriptor))

    made = make_sample(described_, rows, seed, lambda: True)

    check, errors, _ = checked(described_, made.data, size=1000)
    assert (errors, check.good, check.rejected, check.blank) == ([], rows, 0, 0)


DESCRIPTOR = {
    "dialect": {"delimiter": ";", "commentChar": "#"},
    "schema": {
        "primaryKey": ["shop", "number"],
        "fields": [
            {"name": "shop", "constraints": {"pattern": "[A-Z]{3}"}},
            {"name": "number", "type": "integer", "constraints": {"minimum": 1, "maximum": 40}},
            {"name": "placed", "type": "datetime", "format": "%d.%m.%Y %H:%M"},
            {
                "name": "total",
                "type": "number",
                "decimalChar": ",",
                "groupChar": ".",
                "constraints": {"minimum": -9999},
            },
            {"name": "gift", "type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]},
            {"name": "email", "format": "email", "constraints": {"required": True, "unique": True}},
            {"name": "month", "type": "yearmonth"},
        ],
    },
}


def test_the_reference_finds_no_error_in_a_sample_either():
    assert theirs(DESCRIPTOR, "\n".join(sample(DESCRIPTOR, 300)).encode()) == set()


def test_the_same_seed_gives_the_same_sample_in_another_process():
    script = (
        "import sys; from sluice.samples.files import make_sample; from support.datasets import described;"
        "sys.stdout.buffer.write(make_sample(described(sys.stdin.read()), 300, 5, lambda: True).data)"
    )
    text = yaml.safe_dump(DESCRIPTOR | {"schema": {"fields": [{"name": "f", "constraints": {"pattern": "[^,]{9}"}}]}})
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'lambda'}:{ROOT / 'tests'}", "PYTHONHASHSEED": "17"}
    run = subprocess.run(
        [sys.executable, "-c", script], input=text.encode(), env=environment, capture_output=True, check=True
    )

    assert run.stdout.decode().splitlines() == sample(text, 300, seed=5)
    assert sample(text, 300, seed=6) != sample(text, 300, seed=5)


@pytest.mark.parametrize("name", ["people", "prices", "smoke"])
def test_every_dataset_has_samples(name):
    assert len(make_sample(dataset(name), 1000, 1, lambda: True).data.splitlines()) == 1000 + (name != "prices")


def test_keys_that_a_table_keeps_are_kept_in_a_sample_too():
    fields = "schema: {primaryKey: id, fields: [{name: id, type: year}]}"

    lines = make_sample(loading(fields, "years", "upsert"), 10_000, 1, lambda: True).data.split()[1:]

    assert len(set(lines)) == 10_000


def test_a_unique_field_uses_all_its_values_and_is_missing_after_that_where_it_may_be():
    fields = [{"name": "f", "type": "boolean", "constraints": {"unique": True}}, {"name": "g"}]

    cells = [line.split(",")[0] for line in sample({"schema": {"fields": fields}}, 10)[1:]]

    assert sorted(cells, reverse=True)[:2] == ["true", "false"] and cells.count("") == 8


def test_one_in_twenty_cells_is_missing_where_it_may_be():
    fields = [{"name": "f", "type": "integer"}, {"name": "g", "constraints": {"required": True}}]

    missing = sum(line.startswith(",") for line in sample({"schema": {"fields": fields}}, 2000))

    assert 40 < missing < 200


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"constraints": {"pattern": r"(a|b)\1"}}, "refers to what another part"),
        ({"constraints": {"pattern": "[a-z]{3}", "minLength": 4}}, "no text of a length that is allowed"),
        ({"constraints": {"pattern": "a{513}"}}, "more than 512 characters"),
        ({"constraints": {"pattern": "(([ab]?c?){99}d?){99}", "minLength": 300}}, "too complex"),
        ({"constraints": {"pattern": "(?!.*[a-z0-9])[a-z]+"}}, "nothing that holds to its constraints"),
        ({"type": "integer", "constraints": {"minimum": 2, "maximum": 1}}, "nothing that holds"),
        ({"type": "integer", "constraints": {"minimum": 2**63}}, "nothing that holds"),
        ({"constraints": {"minLength": 5, "maxLength": 4}}, "nothing that holds"),
        ({"constraints": {"enum": ["a"], "maxLength": 0}}, "nothing that holds"),
        ({"constraints": {"enum": ["PAR1"], "required": True}}, "the file is Parquet, not text"),
    ],
)
def test_what_cannot_be_made_up_is_said_with_its_field(field, reason):
    with pytest.raises(SampleError, match=reason) as refused:
        sample({"dialect": {"header": False}, "schema": {"fields": [{"name": "code", **field}]}})

    assert refused.value.parameter == "dataset"
    assert "field code" in str(refused.value) or "what was made" in str(refused.value)


def test_text_that_the_encoding_has_not_is_never_written():
    fields = [{"name": "f", "constraints": {"enum": ["ж", "e"], "required": True}}]

    assert set(sample({"encoding": "iso-8859-1", "schema": {"fields": fields}})) == {"f", "e"}
    with pytest.raises(SampleError, match="its header is no iso-8859-1 text"):
        sample({"encoding": "iso-8859-1", "schema": {"fields": [{"name": "ж"}]}})


@pytest.mark.parametrize("schema", [{"primaryKey": "f"}, {"primaryKey": ["f", "g"]}, {}])
def test_more_rows_than_a_key_has_values_are_refused(schema):
    pair = [{"name": name, "type": "boolean", "constraints": {"required": True}} for name in "fg"]
    if not schema:
        pair[0]["constraints"]["unique"] = True
    most = 4 if schema.get("primaryKey") == ["f", "g"] else 2
    assert len(sample({"schema": {"fields": pair, **schema}}, most)) == most + 1

    with pytest.raises(SampleError, match=f"no more than {most} different values of f") as refused:
        sample({"schema": {"fields": pair, **schema}}, most + 1)

    assert refused.value.parameter == "rows"


@pytest.mark.parametrize("format_", ["csv", "jsonl", "json", "parquet"])
def test_a_sample_that_is_too_large_is_refused_before_it_fills_the_memory(format_, monkeypatch):
    monkeypatch.setattr(files, "BYTES_LIMIT", 2**20)
    fields = [{"name": "f", "constraints": {"minLength": 1000, "unique": True}}]

    with pytest.raises(SampleError, match="more than 1 MiB: ask for fewer") as refused:
        sample({"format": format_, "schema": {"fields": fields}}, 5000)

    assert refused.value.parameter == "rows"


@pytest.mark.parametrize("format_", ["csv", "parquet"])
@pytest.mark.parametrize("looks", [1, 4, 7])
def test_a_sample_that_takes_too_long_is_given_up(format_, looks):
    left = iter([True] * looks)
    made = described(f"format: {format_}\nschema: {{fields: [{{name: f, constraints: {{unique: true}}}}]}}")

    with pytest.raises(SampleError, match="cannot be made in time: ask for fewer"):
        make_sample(made, 7000, 1, lambda: next(left, False))


def test_lines_that_are_no_rows_have_something_on_them():
    dialect = {"headerRows": [3], "commentRows": [5]}

    lines = sample({"dialect": dialect, "schema": {"fields": [{"name": "f", "constraints": {"pattern": "[0-9]"}}]}})

    assert [lines[number] for number in (0, 1, 2, 4)] == ["dataset", "dataset", "f", "dataset"]


def test_values_are_as_a_descriptor_would_have_them():
    assert set(column(type="boolean", trueValues=["ja"], falseValues=["nein"])) == {"ja", "nein"}
    assert all(cell.endswith((".com", ".net", ".org")) for cell in column(format="email"))
    assert all("." in cell for cell in column(type="integer", groupChar=".", constraints={"minimum": 1000}))
    thousands = {"minimum": "-1.999,99", "maximum": "-1.000"}
    amounts = column(type="number", groupChar=".", decimalChar=",", constraints=thousands)
    assert all(re.fullmatch(r"-1\.[0-9]{3}(,[0-9]{1,2})?", amount.strip('"')) for amount in amounts)
    only = "0.123456789"
    assert set(column(type="number", constraints={"minimum": only, "maximum": only})) == {only}


def test_few_rows_have_cells_of_their_own():
    assert len(set(column(500, constraints={"pattern": "[A-Z]{6}"}))) == 500


def test_a_text_has_20_letters_and_digits():
    made = make_text(5)

    assert len(made.data) == 20 and made.data.isalnum() and made.data.isascii()
    assert (make_text(5), make_text(6) == made) == (made, False)
