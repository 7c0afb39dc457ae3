"""What is installed is exactly what was locked: versions and hashes, and no other source than the index.

Whether something of it has a known vulnerability is not asked here: the advisories are on the network, which
scripts/scan asks in each pull request.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.checkout import ROOT

# What the environments are made from, by what each is locked from.
LOCKED = {path.with_suffix(".txt"): path for folder in ("lambda", "scripts") for path in (ROOT / folder).rglob("*.in")}
# Each is a single package, locked by hand.
ALONE = [ROOT / "scripts" / "installer.txt", ROOT / "scripts" / "security" / "guard.txt"]

each_lock = pytest.mark.parametrize("locked", [*LOCKED, *ALONE], ids=lambda path: str(path.relative_to(ROOT)))


def entries(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(requirement, its hashes) of a locked file; fails on a line that is neither."""
    text = re.sub(r"\\\n", " ", path.read_text())
    for line in (line.strip() for line in text.splitlines()):
        if line and not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line)
            yield requirement.strip(), hashes


@each_lock
def test_everything_is_locked_by_version_and_hash(locked: Path) -> None:
    found = list(entries(locked))
    assert found
    for requirement, hashes in found:
        # No option (another index, say), no URL, no path, no range.
        assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^\s*,;]+( ; .+)?", requirement), requirement
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement


def asked_for(path: Path) -> Iterator[tuple[Requirement, str]]:
    """(requirement, comment) of a file that is locked, with those of the files that it names."""
    for line in path.read_text().splitlines():
        asked, _, comment = (part.strip() for part in line.partition("#"))
        if asked.startswith("-r "):
            other = (path.parent / asked.removeprefix("-r ").strip()).resolve()
            yield from asked_for(other) if other.suffix == ".in" else ()
        elif asked:
            yield Requirement(asked), comment


@pytest.mark.parametrize("locked", LOCKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_asked_for_has_a_reason_and_is_locked_as_asked(locked: Path) -> None:
    versions: dict[str, set[str]] = {}
    for requirement, _ in entries(locked):
        one = Requirement(requirement)
        versions.setdefault(canonicalize_name(one.name), set()).add(str(one.specifier).removeprefix("=="))
    for asked, comment in asked_for(LOCKED[locked]):
        assert comment, f"{asked} does not say what it is for"
        assert all(asked.specifier.contains(version) for version in versions[canonicalize_name(asked.name)]), asked


def test_every_environment_is_looked_at() -> None:
    """Whatever a script installs from is one of these files."""
    files = [path for folder in ("lambda", "scripts") for path in (ROOT / folder).rglob("*.txt")]
    assert {path for path in files if "--hash=" in path.read_text()} == {*LOCKED, *ALONE}
    assert {path for path in files if path.name.startswith("requirements")} <= set(LOCKED)
