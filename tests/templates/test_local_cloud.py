"""Every property of the templates has its place in docs/local-cloud.md, and what is named there is there."""

import ast
import functools
from collections import Counter
from pathlib import Path

import pytest

from support.local_cloud import APPLIED, DROPPED, LINT, NOT_RUN, READ_BACK, WITH_DATABASE, Row, table
from support.readers import READERS
from templates.cfn import ROOT, resources

TABLE = table()
each_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.kind} {row.state} {row.properties[0]}")


@functools.cache
def bodies(path: Path) -> dict[str, str]:
    """The source of each test of a file by its name."""
    text = path.read_text(encoding="utf-8")
    tests = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return {test.name: ast.get_source_segment(text, test) for test in tests if test.name.startswith("test_")}


def body(test: str) -> str:
    """The source of a test as pytest names it."""
    path, _, name = test.partition("::")
    assert (ROOT / path).is_file() and name in bodies(ROOT / path), f"there is no test {test}"
    return bodies(ROOT / path)[name]


def test_every_property_of_every_type_is_in_the_table_once() -> None:
    used = {(one["Type"], name) for _, _, one in resources() for name in one.get("Properties", {})}
    counted = Counter(pair for row in TABLE for pair in row.pairs)

    assert counted.keys() - used == set(), "in the table, and in no template any more"
    assert used - counted.keys() == set(), "in a template, and not in docs/local-cloud.md"
    assert max(counted.values()) == 1


def test_every_type_has_properties() -> None:
    """Or it would not be in the table."""
    assert [logical for _, logical, one in resources() if not one.get("Properties")] == []


@each_row
def test_what_shows_it_is_there(row: Row) -> None:
    named = [test for test in row.shown if test not in (READ_BACK, WITH_DATABASE, LINT)]
    text = " ".join(map(body, named))
    match row.state:
        case "applied":
            assert named or row.kind in READERS
            assert LINT not in row.shown
        case "dropped":
            assert list(row.shown) == named
            assert [name for name in row.properties if name not in text] == [], "no named test speaks of it"
        case state:
            assert state == NOT_RUN and {APPLIED, DROPPED}.isdisjoint(row.shown)


def test_rows_come_in_order() -> None:
    states = [APPLIED, DROPPED, NOT_RUN]
    assert TABLE == sorted(TABLE, key=lambda row: (row.kind, states.index(row.state), row.shown))
    assert all(list(row.properties) == sorted(row.properties) for row in TABLE)
