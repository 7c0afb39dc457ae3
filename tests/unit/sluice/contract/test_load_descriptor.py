"""`sluice:load`: what it means, and how what a table cannot be is refused."""

import dataclasses
import tempfile
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.descriptor import DescriptorError, Target, load_dataset
from sluice.errors import PermanentError
from sluice.processors import NEEDS
from support.datasets import checked, dataset

GOOD = """\
name: staff
schema:
  primaryKey: id
  fields:
    - {name: id, type: integer}
    - {name: mail, type: string, constraints: {maxLength: 200}}
sluice:key: staff/{name}.csv
sluice:processor: load
sluice:load:
  table: staff
  mode: insert-ignore
"""


def load(tmp_path, text: str):
    path = tmp_path / "staff.yaml"
    path.write_text(text, encoding="utf-8")
    return load_dataset(path, NEEDS)


def test_a_load_reaches_its_dataset(tmp_path):
    staff = load(tmp_path, GOOD)

    assert staff.target == Target("staff", "insert-ignore", None)
    assert (staff.primary_key, staff.acceptor is not None, staff.is_fast) == (("id",), True, False)
    with pytest.raises(PermanentError, match="deploy with EnableDatabase=true"):
        staff.without_database()


def test_without_a_database_the_same_rows_are_good(tmp_path):
    staff = load(tmp_path, GOOD + "  without-database: clean\nsluice:format: csv\n")
    clean, data = staff.without_database(), b"id,mail\n1,a\n1,b\n,c\n99999999999999999999,d\n"

    assert (clean.processor, clean.target, clean.result_format) == ("clean", None, "csv")
    for one in (staff, clean, dataclasses.replace(staff, acceptor=None)):
        check, errors, _ = checked(one, data)
        assert (check.good, [(error.row, error.field) for error in errors]) == (2, [(4, "id"), (5, "id")])


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("sluice:load:\n  table: staff\n  mode: insert-ignore\n", "", 8, "load needs sluice:load"),
        ("sluice:processor: load", "sluice:processor: clean", 9, "the processor clean loads nothing"),
        ("  table: staff", "  tabel: staff", 10, "'tabel' is not one of"),
        ("  table: staff\n", "", 9, "table must be lower-case"),
        ("table: staff", "table: Staff", 10, "table must be lower-case"),
        ("table: staff", f"table: {'a' * 60}", 10, "table must be lower-case"),
        ("table: staff", "table: sluice_loads", 10, "for tables of its own"),
        ("insert-ignore", "replace", 11, "mode must be one of insert-ignore, upsert, append"),
        ("insert-ignore", "[upsert]", 11, "mode must be one of"),
        ("insert-ignore", "insert-ignore\n  without-database: forecast", 12, "must be clean"),
        ("insert-ignore", "insert-ignore\nsluice:format: csv", 12, "there is no result"),
        ("insert-ignore", "insert-ignore\nsluice:result: x/{name}.csv", 12, "there is no result"),
        ("  primaryKey: id\n", "", 10, "insert-ignore needs a primaryKey or a unique field"),
        ("insert-ignore", "append", 11, "append needs a schema without"),
        ("maxLength: 200}}\n{rest}insert-ignore", "maxLength: 200, unique: true}}\n{rest}upsert", 11, "upsert needs"),
        ("primaryKey: id", "primaryKey: mail", 6, None),
        ("primaryKey: id\n{f}maxLength: 200", "primaryKey: mail\n{f}maxLength: 767", 6, "a maxLength of 766 at most"),
        ("constraints: {maxLength: 200}", "constraints: {unique: true}", 6, "a maxLength of 766 at most"),
        ("name: mail", "name: ID", 6, "need names that differ by more than case"),
        ("name: mail", "name: Sluice_row", 6, "for columns of its own"),
        ("name: mail", "name: 'mail '", 6, "no blank last"),
        ("name: mail", "name: '😀'", 6, "a column's name has"),
        ("name: mail", f"name: {'a' * 65}", 6, "a column's name has 1 to 64"),
        ("maxLength: 200", "maxLength: 15000", 2, "a table's row has 60,000 bytes"),
        ("maxLength: 200", "maxLength: 16384", 2, None),
    ],
)
def test_what_a_table_cannot_be_is_refused_with_its_line(tmp_path, old, new, line, reason):
    rest = "sluice:key: staff/{name}.csv\nsluice:processor: load\nsluice:load:\n  table: staff\n  mode: "
    between = "  fields:\n    - {name: id, type: integer}\n    - {name: mail, type: string, constraints: {"
    old, new = (text.replace("{rest}", rest).replace("{f}", between) for text in (old, new))
    assert old in GOOD
    if reason is None:
        assert load(tmp_path, GOOD.replace(old, new)).target
        return

    with pytest.raises(DescriptorError) as refused:
        load(tmp_path, GOOD.replace(old, new))

    assert f"staff.yaml:{line}: " in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(("count", "length"), [(16, 1), (5, 160)])
def test_a_key_has_its_limits(tmp_path, count, length):
    names = [f"f{number}" for number in range(count)]
    fields = "".join(f"    - {{name: {name}, constraints: {{maxLength: {length}}}}}\n" for name in names)
    text = GOOD.replace("  fields:\n", f"  fields:\n{fields}")

    with pytest.raises(DescriptorError, match="staff.yaml:3: .*15 fields and 3,064 bytes at most"):
        load(tmp_path, text.replace("primaryKey: id", f"primaryKey: [{', '.join(names)}]"))
    assert load(tmp_path, text.replace("primaryKey: id", f"primaryKey: [{', '.join(names[:4])}]")).primary_key


TYPES = ("integer", "number", "boolean", "date", "time", "datetime", "year", "yearmonth", "string", "any")
NUMERALS = st.one_of(
    st.from_regex(r"[+-]?[0-9]{0,40}(\.[0-9]{0,35})?", fullmatch=True),
    st.tuples(st.integers(16, 37), st.integers(0, 32)).map(lambda digits: f"{'9' * digits[0]}.{'1' * digits[1]}"),
    st.integers(2**63 - 2, 2**63 + 2).map(str) | st.integers(-(2**63) - 2, -(2**63) + 2).map(str),
)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.one_of(
    st.datetimes(timezones=st.none() | ZONES),
    st.datetimes(datetime(1000, 1, 1), datetime(1000, 1, 1, 12), timezones=ZONES),
    st.datetimes(datetime(9999, 12, 31, 12), timezones=ZONES),
)
CELLS = {
    "integer": NUMERALS,
    "number": NUMERALS,
    "date": st.dates().map(str) | st.dates(date(990, 1, 1), date(1010, 1, 1)).map(str),
    "datetime": MOMENTS.map(lambda moment: moment.isoformat()),
    "year": st.integers(0, 9999).map("{:04}".format),
}


def table_of(type_: str):
    """A dataset that loads one field of the type and another one."""
    text = GOOD.replace("  primaryKey: id\n", "").replace("insert-ignore", "append")
    text = text.replace("{name: id, type: integer}", f"{{name: id, type: {type_}}}")
    with tempfile.TemporaryDirectory() as folder:
        return load(Path(folder), text)


TABLES = {type_: table_of(type_) for type_ in TYPES}


def fits(type_: str, text: str) -> bool:
    """Whether a text that is of the type has a value that its column holds: the limits of MySQL, said once more."""
    if type_ == "integer":
        return abs(int(text) * 2 + 1) < 2**64
    if type_ == "number":
        whole, _, fraction = text.lstrip("+-").partition(".")
        return len(whole.lstrip("0")) <= 35 and len(fraction) <= 30
    if type_ == "date":
        return text >= "1000"
    if type_ == "datetime":
        moment = datetime.fromisoformat(text)
        offset = moment.utcoffset() or timedelta(0)
        # A thousand years on or back, so that no calendar ends.
        middle = moment.replace(tzinfo=None, year=5000 if moment.year % 4 else 4996)
        instant = middle - offset
        year = moment.year + instant.year - middle.year
        return 1000 <= year < 9999 or year == 9999 and instant.strftime("%m%d%H%M%S%f") <= "1231235959499999"
    return True


@pytest.mark.parametrize("type_", TYPES)
@given(st.data())
def test_what_passes_fits_its_column_and_the_fast_path_takes_nothing_else(type_, data):
    text = data.draw(CELLS.get(type_, st.from_regex("[0-9:.+-]{1,12}", fullmatch=True)))
    field = TABLES[type_].fields[0]

    value, violation = field.check(text)

    if violation is None and value is not None:
        assert fits(type_, text)
    elif violation and violation[0] == "constraint-error":
        assert not fits(type_, text)
    line = f"{text},x\n".encode()
    acceptor = TABLES[type_].acceptor
    if acceptor and acceptor.match(line).end():
        assert violation is None, text


def test_the_limits_are_exact_at_their_edges():
    checks = {type_: TABLES[type_].fields[0].check for type_ in TYPES}
    for type_, good, bad in (
        ("integer", str(2**63 - 1), str(2**63)),
        ("integer", str(-(2**63)), str(-(2**63) - 1)),
        ("number", "9" * 35 + "." + "9" * 30, "1" + "0" * 35),
        ("number", "0" * 40 + "1", "0." + "0" * 30 + "1"),
        ("date", "1000-01-01", "0999-12-31"),
        ("datetime", "1000-01-01T01:00:00+01:00", "1000-01-01T00:59:59+01:00"),
        ("datetime", "9999-12-31T23:59:59.499999Z", "9999-12-31T23:59:59.5Z"),
    ):
        assert checks[type_](good)[1] is None, good
        assert checks[type_](bad)[1][0] == "constraint-error", bad
    assert TABLES["number"].fields[0].check(Decimal("1e-31"))[1][0] == "constraint-error"
    assert datetime(1000, 1, 1, tzinfo=UTC) == checks["datetime"]("1000-01-01T00:00:00Z")[0]


def test_people_are_loaded():
    people = dataset("people")

    assert people.target == Target("people", "insert-ignore", "clean")
    assert people.without_database().result_key("people/x.csv") == "people/x.csv"
