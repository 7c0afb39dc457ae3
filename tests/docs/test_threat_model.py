"""The threat model names a test for every line, and there is each of them."""

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "docs" / "threat-model.md").read_text(encoding="utf-8")
ROWS = [
    row
    for table in re.findall(r"^\| could \|.*\n\|---.*\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    for row in table.splitlines()
]
NAMES = re.compile(r"`([\w/]+\.py)::(\w+)`")


@functools.cache
def defined_in(path: str) -> set[str]:
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_each_line_is_shown_by_tests_that_there_are(row: str) -> None:
    _, could, stops, shown, _ = row.split("|")
    assert could.strip() and stops.strip()
    named = NAMES.findall(shown)
    assert named and NAMES.sub("", shown).strip(" ,") == "", "tests, and nothing else"
    assert [f"{path}::{name}" for path, name in named if name not in defined_in(path)] == []


def test_every_actor_has_lines() -> None:
    """Whom a review asks for: a heading each, with a table."""
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    assert all("| could |" in section for section in sections[:-1]) and sections[-1].startswith("What remains")
    for actor in ("uploads", "subscribes", "partner", "calls the API", "pull request", "stolen role", "file"):
        assert any(actor in section.splitlines()[0] for section in sections), actor
