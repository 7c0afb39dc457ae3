"""What becomes of rows in a table, on a real server."""

import itertools
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.load import statements
from sluice.upload import Loaded, Upload
from support.loading import load, loaded_dataset

HEADER = b"id,email\n"


def people(*rows: str) -> bytes:
    return HEADER + "".join(f"{row}\n" for row in rows).encode()


def table(schema) -> list[tuple]:
    return schema.rows("SELECT id, email FROM people ORDER BY id")


def upload_id(key: str, version: str) -> str:
    return Upload("uploads", key, version, 1).id


def found(errors) -> list[tuple]:
    return [(error.row, error.message, error.text) for error in errors]


def test_of_rows_with_the_same_key_the_first_stays(schema):
    dataset = loaded_dataset("insert-ignore")
    schema.migrate(dataset)
    tables = schema.tables()

    first = load(tables, dataset, people("1,a@x", "2,b@x", "1,c@x"))
    second = load(tables, dataset, people("3,d@x", "", "2,e@x", "3,f@x"), key="b.csv")

    assert (first.loaded, second.loaded) == (Loaded(2, 0, 1), Loaded(1, 0, 2))
    assert found(first.duplicates) == [(4, "has the same id as row 2 of this file", "1")]
    [(upload,)] = schema.rows("SELECT upload FROM sluice_loads WHERE duplicates = 1")
    assert found(second.duplicates) == [
        (4, f"has the same id as row 3 of upload {upload}", "2"),
        (5, "has the same id as row 2 of this file", "3"),
    ]
    assert {(error.field, error.error) for error in first.duplicates} == {("id", "duplicate-row")}
    assert table(schema) == [(1, "a@x"), (2, "b@x"), (3, "d@x")]


def test_rows_know_their_upload_and_line(schema):
    dataset = loaded_dataset("append", "schema: {fields: [{name: id, type: integer}]}")
    schema.migrate(dataset)

    load(schema.tables(), dataset, b"id\n7\n\nx\n8\n9\n")

    assert schema.rows("SELECT id, sluice_row FROM people ORDER BY id") == [(7, 2), (8, 5), (9, 6)]
    assert schema.rows("SELECT COUNT(*) FROM people JOIN sluice_loads ON number = sluice_upload") == [(3,)]


def test_append_takes_every_upload_once(schema):
    dataset = loaded_dataset("append", "schema: {fields: [{name: id, type: integer}]}")
    schema.migrate(dataset)
    tables = schema.tables()

    loads = [load(tables, dataset, b"id\n1\n1\n", key) for key in ("a", "b", "a", "b", "a")]

    assert {each.loaded for each in loads} == {Loaded(2, 0, 0)}
    assert schema.rows("SELECT COUNT(*) FROM people") == [(4,)]


@pytest.mark.parametrize("mode", ["insert-ignore", "upsert"])
def test_done_again_a_load_changes_nothing_and_says_the_same(schema, mode):
    dataset = loaded_dataset(mode)
    schema.migrate(dataset)
    tables = schema.tables()
    first = load(tables, dataset, people("1,a@x", "2,b@x", "1,ü😀@x"))
    load(tables, dataset, people("1,z@x"), key="b.csv", day=2)
    before = table(schema)

    assert load(tables, dataset, people("1,a@x", "2,b@x", "1,ü😀@x")) == first

    assert table(schema) == before


def test_any_order_of_uploads_gives_the_same_table(schema):
    dataset = loaded_dataset("upsert")
    schema.migrate(dataset)
    tables = schema.tables()
    # Three at the same time, of which the later key decides, and of that the later version; not their ids.
    key = next(name for name in map("b{}".format, range(99)) if upload_id(name, "v1") < upload_id("a", "v9"))
    version = next(name for name in map("v{}".format, range(2, 9)) if upload_id(key, name) < upload_id(key, "v1"))
    uploads = [("a", 2, "v9", "1,a@x"), (key, 2, "v1", "1,b@x"), (key, 2, version, "1,c@x"), ("z", 1, "v9", "1,old@x")]
    ends = set()
    for order in itertools.permutations(uploads):
        schema.rows("DELETE FROM people")
        schema.rows("DELETE FROM sluice_loads")
        loads = [load(tables, dataset, people(row), key, day, version) for key, day, version, row in order]
        assert sum(each.loaded.inserted for each in loads) == 1
        assert all(sum(vars(each.loaded).values()) == 1 for each in loads)
        ends.update(table(schema))
    assert ends == {(1, "c@x")}


def test_what_comes_with_a_statement_has_the_character_sets_of_the_columns(schema):
    """Or MySQL would compare it with none of them, which MariaDB does."""
    dataset = loaded_dataset("upsert")
    schema.migrate(dataset)
    connection = schema.database().connect()
    own = ("sluice_key", "sluice_version")
    sets = ", ".join(f"CHARSET({statements._OF_UPLOAD[name]})" for name in own)

    found = connection.fetch(f"SELECT {sets}", key="ü", version="v")

    of_columns = dict(
        schema.rows(
            "SELECT COLUMN_NAME, CHARACTER_SET_NAME FROM information_schema.COLUMNS "
            "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'people'"
        )
    )
    assert found == (tuple(of_columns[name] for name in own),)


def test_a_late_upload_replaces_nothing(schema):
    dataset = loaded_dataset("upsert")
    schema.migrate(dataset)
    tables = schema.tables()

    new = load(tables, dataset, people("1,new@x", "2,new@x"), "new", day=2)
    old = load(tables, dataset, people("1,old@x", "3,old@x"), "old", day=1)

    assert (new.loaded, old.loaded) == (Loaded(2, 0, 0), Loaded(1, 0, 1))
    assert [error.row for error in old.duplicates] == [2]
    assert table(schema) == [(1, "new@x"), (2, "new@x"), (3, "old@x")]


def test_upsert_counts_every_row_once(schema):
    dataset = loaded_dataset("upsert")
    schema.migrate(dataset)
    tables = schema.tables()
    load(tables, dataset, people("1,a@x", "2,a@x", "9,a@x"), "a", day=1)
    load(tables, dataset, people("9,late@x"), "later", day=9)

    # A new key, one of an older upload, each twice and thrice, and one of a later upload.
    rows = ["5,b@x", "1,b@x", "1,c@x", "5,c@x", "1,d@x", "9,d@x", "6,d@x"]
    second = load(tables, dataset, people(*rows), "b", day=2)

    assert second.loaded == Loaded(inserted=2, updated=1, duplicates=4)
    assert [error.row for error in second.duplicates] == [2, 3, 4, 7]
    assert table(schema) == [(1, "d@x"), (2, "a@x"), (5, "c@x"), (6, "d@x"), (9, "late@x")]


UPLOADS = st.lists(st.tuples(st.integers(1, 3), st.lists(st.integers(1, 9), min_size=1, max_size=12)), max_size=4)


@pytest.mark.parametrize("mode", ["insert-ignore", "upsert"])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(uploads=UPLOADS, worth_keeping=st.sampled_from([1, 3, 100]))
def test_a_duplicate_is_a_row_whose_key_another_row_has(schema, mode, uploads, worth_keeping):
    """Whether keys are kept to look for them, or there would be too many."""
    dataset = loaded_dataset(mode)
    schema.migrate(dataset)
    schema.rows("DELETE FROM people")
    schema.rows("DELETE FROM sluice_loads")
    tables, holders = schema.tables(), {}
    for place, (day, numbers) in enumerate(uploads):
        upload, before = f"{place}.csv", set(holders)
        mine = [((day, upload), line, number) for line, number in enumerate(numbers, 2)]
        for row in mine:
            holder = holders.setdefault(row[2], row)
            holders[row[2]] = max(row, holder) if mode == "upsert" else holder
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sluice.table._WORTH_KEEPING", worth_keeping)
            done = load(tables, dataset, people(*(f"{number},a@x" for number in numbers)), upload, day)

        duplicates = []
        for row in mine:
            (_, key), line, number = holders[row[2]]
            if holders[row[2]] != row:
                where = "this file" if key == upload else f"upload {upload_id(key, 'v1')}"
                duplicates.append((row[1], f"has the same id as row {line} of {where}", str(number)))
        assert found(done.duplicates) == duplicates
        inserted = len({*numbers} - before)
        assert done.loaded == Loaded(inserted, len(numbers) - inserted - len(duplicates), len(duplicates))


def test_the_longest_key_is_loaded(schema):
    dataset = loaded_dataset("insert-ignore", TEXTS.replace("maxLength: 20", "maxLength: 766"))
    schema.migrate(dataset)
    key = "😀" * 766

    done = load(schema.tables(), dataset, f"id,text\n{key},1\n{key[1:]},2\n{key},3\n".encode())

    assert (done.loaded, [error.row for error in done.duplicates]) == (Loaded(2, 0, 1), [4])


def test_of_a_long_key_no_more_is_kept_than_an_error_has(schema):
    dataset = loaded_dataset("insert-ignore", TEXTS.replace("maxLength: 20", "maxLength: 766"))
    schema.migrate(dataset)
    data = f"id,text\n{'a' * 766},1\n{'a' * 766},2\n".encode()

    [error] = load(schema.tables(), dataset, data).duplicates
    [again] = load(schema.tables(), dataset, data).duplicates

    [(kept,)] = schema.rows("SELECT errors FROM sluice_loads")
    assert b"a" * 200 in zlib.decompress(kept) and b"a" * 201 not in zlib.decompress(kept)
    assert again.as_dict() == error.as_dict()


PERCENT = """
schema:
  primaryKey: "100%"
  fields: [{name: "100%", type: integer}]
"""


@pytest.mark.parametrize("mode", ["insert-ignore", "upsert"])
def test_a_sign_that_stands_for_values_may_be_in_the_name_of_a_key(schema, mode):
    dataset = loaded_dataset(mode, PERCENT)
    schema.migrate(dataset)
    load(schema.tables(), dataset, b"100%\n7\n", "before", day=1)

    done = load(schema.tables(), dataset, b"100%\n8\n7\n8\n", day=2)

    rows = [3, 4] if mode == "insert-ignore" else [2]
    assert [(error.row, error.field) for error in done.duplicates] == [(row, "100%") for row in rows]


KEYS = """
schema:
  primaryKey: [shop, number]
  fields:
    - {name: shop, type: string, constraints: {maxLength: 20}}
    - {name: number, type: integer}
    - {name: "50% `off`", type: string, constraints: {unique: true, maxLength: 20}}
"""


def test_each_key_is_held_and_named(schema):
    dataset = loaded_dataset("insert-ignore", KEYS)
    schema.migrate(dataset)
    data = b"shop,number,50% `off`\na,1,x\na,2,\na,1,y\nb,1,x\nb,2,\na,2,y\nb,3,y\n"

    done = load(schema.tables(), dataset, data)

    assert done.loaded == Loaded(4, 0, 3)
    assert [(error.row, error.field, error.message) for error in done.duplicates] == [
        (4, None, "has the same shop and number as row 2 of this file"),
        (5, "50% `off`", "has the same 50% `off` as row 2 of this file"),
        (7, None, "has the same shop and number as row 3 of this file"),
    ]
    assert [error.text for error in done.duplicates] == ["a, 1", "x", "a, 2"]


TEXTS = """
schema:
  primaryKey: id
  missingValues: ["-"]
  fields:
    - {name: id, type: string, constraints: {maxLength: 20}}
    - {name: text, type: string}
"""


def test_texts_are_kept_as_they_are(schema):
    dataset = loaded_dataset("insert-ignore", TEXTS)
    schema.migrate(dataset)
    cells = ['""', "-", "NULL", '"NULL"', "\\N", "a\\", '"\\"""', "😀 ü", '" a, b "', "'; DROP TABLE people; --", "%s"]
    lines = [f"{number},{cell}\n" for number, cell in enumerate(cells)]

    done = load(schema.tables(), dataset, ("id,text\n" + "".join(lines)).encode())

    assert (done.loaded, done.refused) == (Loaded(len(cells), 0, 0), [])
    texts = [text for (text,) in schema.rows("SELECT text FROM people ORDER BY sluice_row")]
    expected = ["", None, "NULL", "NULL", "\\N", "a\\", '\\"', "😀 ü", " a, b ", "'; DROP TABLE people; --", "%s"]
    assert texts == expected


def test_keys_compare_by_every_character_but_blanks_at_their_end(schema):
    dataset = loaded_dataset("insert-ignore", TEXTS)
    schema.migrate(dataset)

    done = load(schema.tables(), dataset, "id,text\nA@x,1\na@x,2\nä@x,3\n😀,4\n😁,5\nA@x ,6\n".encode())

    assert done.loaded == Loaded(5, 0, 1)
    assert [(error.row, error.text) for error in done.duplicates] == [(7, "A@x ")]


TYPES = """
schema:
  fields:
    - {name: i, type: integer}
    - {name: n, type: number}
    - {name: b, type: boolean}
    - {name: d, type: date}
    - {name: t, type: time}
    - {name: at, type: datetime}
    - {name: y, type: year}
    - {name: m, type: yearmonth}
    - {name: x, type: any}
"""


def test_values_of_every_type_arrive(schema):
    dataset = loaded_dataset("append", TYPES)
    schema.migrate(dataset)
    lines = [
        "-9223372036854775808,0.000000000000000000000000000001,true,1000-01-01,23:59:59.999999,"
        "2026-12-31T23:59:59.123456+01:00,0999,2026-12,x",
        "9223372036854775807,-99999999999999999999999999999999999.5,0,9999-12-31,00:00:00,"
        "2026-12-31T23:59:59,2026,0001-01,",
        ",,,,,,,,",
    ]

    done = load(schema.tables(), dataset, ("i,n,b,d,t,at,y,m,x\n" + "\n".join(lines)).encode())

    assert (done.loaded, done.refused) == (Loaded(3, 0, 0), [])
    columns = "i, CAST(n AS CHAR), b, CAST(d AS CHAR), CAST(t AS CHAR), CAST(at AS CHAR), y, m, x"
    assert schema.rows(f"SELECT {columns} FROM people ORDER BY sluice_row") == [
        (
            -(2**63),
            "0.000000000000000000000000000001",
            1,
            "1000-01-01",
            "23:59:59.999999",
            "2026-12-31 22:59:59.123456",
            999,
            "2026-12",
            "x",
        ),
        (
            2**63 - 1,
            "-99999999999999999999999999999999999.500000000000000000000000000000",
            0,
            "9999-12-31",
            "00:00:00.000000",
            "2026-12-31 23:59:59.000000",
            2026,
            "0001-01",
            None,
        ),
        (None,) * 9,
    ]


def test_what_mysql_would_bend_is_refused_with_its_row(schema):
    dataset = loaded_dataset("insert-ignore", PRECISE)
    schema.migrate(dataset)
    data = "id,small,email\nabc,1,a@x\n,1,b@x\n99999999999999999999,1,c@x\n4,1,\n5,1,123456\n6,70000,d@x\n7,1,e@x\n"

    done = load(schema.tables(), dataset, data.encode())

    assert done.loaded == Loaded(1, 0, 0)
    assert [(error.row, error.field) for error in done.refused] == [
        (2, "id"),
        (3, "id"),
        (4, "id"),
        (5, "email"),
        (6, "email"),
        (7, "small"),
    ]
    assert schema.rows("SELECT id, small, email FROM people") == [(7, 1, "e@x")]


PRECISE = """
schema:
  primaryKey: id
  fields:
    - {name: id, type: integer}
    - {name: small, type: integer, constraints: {maximum: 60000}}
    - {name: email, type: string, constraints: {required: true, maxLength: 5}}
"""


def test_very_many_duplicates_are_counted_and_the_first_listed(schema, monkeypatch):
    monkeypatch.setattr("sluice.table.LISTED_DUPLICATES", 3)
    for mode in ("insert-ignore", "upsert"):
        dataset = loaded_dataset(mode, table=mode.replace("-", "_"))
        schema.migrate(dataset)
        done = load(schema.tables(), dataset, people(*(f"1,{number}@x" for number in range(9))), mode)
        rows = [3, 4, 5] if mode == "insert-ignore" else [2, 3, 4]
        assert (done.loaded, [error.row for error in done.duplicates]) == (Loaded(1, 0, 8), rows)
