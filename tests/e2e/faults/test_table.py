"""docs/faults.md is what the suite does: a row for each case, and no other."""

import ast
import functools
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

from support.cases import Case

TESTS = Path(__file__).parents[2]
PAGE = TESTS.parent / "docs" / "faults.md"
WITH_CASES = [*sorted(Path(__file__).parent.glob("test_*.py")), TESTS / "e2e" / "test_delivery.py"]
ENOUGH = 40
# What these look for is that no case is missing.
NO_CASES = {"test_the_requests_are_those_that_we_know", "test_every_place_that_makes_requests_is_reached"}
# Cases that have been shown before there was this suite, each with a check of its own.
ELSEWHERE = [
    (
        Case(
            "a load is killed between any two statements",
            "SIGKILL before the first row, in mid-load, before and after each statement and the commit",
            "signal, in a process of its own; MariaDB",
            "all rows are there once, or none; the next attempt says the same",
        ),
        "database/test_at_once.py::test_a_kill_leaves_all_rows_or_none_and_a_retry_the_same_table",
    ),
    (
        Case(
            "the session is killed in mid-load",
            "KILL while rows are sent",
            "MariaDB",
            "nothing is in the table; the next attempt loads all",
        ),
        "database/test_connection.py::test_a_connection_killed_in_mid_load_leaves_nothing",
    ),
    (
        Case(
            "the secret is rotated between loads and in one",
            "a whole rotation while rows are sent",
            "MariaDB, the rotation's own code",
            "goes unnoticed; the secret is read once more",
        ),
        "database/test_connection.py::test_a_rotation_between_loads_and_in_one_goes_unnoticed",
    ),
    (
        Case(
            "events are lost in a deployment",
            "the uploads bucket tells nobody of new objects",
            "the deployed whole",
            "one pass of the sweep, in as many runs as it takes, processes each upload once",
        ),
        "e2e/test_sweep.py::test_without_events_one_pass_processes_every_upload_once",
    ),
    (
        Case(
            "poison in a deployment",
            "one poison message among nine uploads",
            "the deployed whole",
            "it alone is dead-lettered; nine succeed once",
        ),
        "e2e/test_intake.py::test_one_poison_message_in_ten_is_dead_lettered_and_nine_succeed_once",
    ),
]


@functools.cache
def shown() -> dict[str, Callable]:
    """The tests that show cases."""
    found = {}
    for path in WITH_CASES:
        spec = importlib.util.spec_from_file_location(f"cases_of_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, test in vars(module).items():
            if hasattr(test, "cases"):
                found[f"{path.relative_to(TESTS).as_posix()}::{name}"] = test
    return found


def cases() -> list[tuple[Case, str]]:
    """Each case of the suite, and its test."""
    return [(one, name) for name, test in shown().items() for one in test.cases]


def examples(test: Callable) -> set[str]:
    """What a test is parametrised with, by the name of each."""
    [values] = [list(mark.args[1]) for mark in test.pytestmark if mark.name == "parametrize"]
    firsts = [value[0] if isinstance(value, tuple) else value for value in values]
    return {first if isinstance(first, str) else "-".join(first) for first in firsts}


def row(number: int, one: Case, test: str) -> str:
    example = f", {one.only}" if one.only else ""
    return f"| {number} | {one.title} | {one.injected} | {one.layer} | {one.promised} | `{test}`{example} |"


def test_the_page_has_a_row_for_each_case_and_no_other():
    own = cases()
    expected = [row(number, *each) for number, each in enumerate([*own, *ELSEWHERE], 1)]
    titles = [one.title for one, _ in [*own, *ELSEWHERE]]

    page = PAGE.read_text(encoding="utf-8")
    found = [line for line in page.splitlines() if re.match(r"\| \d", line)]

    assert found == expected, "the rows of docs/faults.md must be:\n" + "\n".join(expected)
    assert len(own) >= ENOUGH
    assert len(set(titles)) == len(titles)
    assert f"{len(own)} cases" in page


def test_each_test_that_is_named_is_there():
    for _, test in ELSEWHERE:
        path, _, name = test.partition("::")
        tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
        assert name in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)], test


def test_every_test_of_the_suite_shows_a_case():
    for path in WITH_CASES:
        if path.name == Path(__file__).name or path.parent.name != "faults":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name not in NO_CASES:
                assert f"{path.relative_to(TESTS).as_posix()}::{node.name}" in shown()


def test_every_example_of_a_test_is_a_case_where_any_is():
    for name, test in shown().items():
        if named := {one.only for one in test.cases} - {""}:
            assert named == examples(test), name
