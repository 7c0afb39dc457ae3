"""When the scanners' environment is made, and where."""

import sys
from pathlib import Path

import pytest

from security import environment
from security.environment import EnvironmentFailed


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The folders in which one has been made, of a tree `tree` whose own environment is that of another, `other`."""
    folders = []

    def make(folder: Path) -> None:
        folders.append(folder)
        folder.mkdir(exist_ok=True)
        (folder / environment._STAMP).write_text(environment._stamp())

    for name in ("tree", "other/.venv"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "other" / ".venv" / "pyvenv.cfg").touch()
    monkeypatch.setattr(environment, "_make", make)
    monkeypatch.setattr(environment, "ROOT", tmp_path / "tree")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "other" / ".venv"))
    return folders


def test_it_is_made_once(made: list[Path], tmp_path: Path) -> None:
    assert environment.environment() == environment.environment() == tmp_path / "tree" / ".venv-scan"
    assert made == [tmp_path / "tree" / ".venv-scan"]


def test_one_that_is_ready_beside_the_environment_in_use_is_taken(made: list[Path], tmp_path: Path) -> None:
    environment._make(tmp_path / "other" / ".venv-scan")
    made.clear()
    assert (environment.environment(), made) == (tmp_path / "other" / ".venv-scan", [])


@pytest.mark.parametrize("stamp", ["", "(3, 11, 0) of something else\n", None])
def test_one_half_made_or_out_of_date_is_made_anew_and_that_of_another_tree_left_alone(
    made: list[Path], tmp_path: Path, stamp: str | None
) -> None:
    for folder in (tmp_path / "other" / ".venv-scan", tmp_path / "tree" / ".venv-scan"):
        folder.mkdir()
        if stamp is not None:
            (folder / environment._STAMP).write_text(stamp)
    assert environment.environment() == tmp_path / "tree" / ".venv-scan"
    assert made == [tmp_path / "tree" / ".venv-scan"]


def test_what_failed_is_said_and_leaves_no_stamp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "LOCKED", (tmp_path / "none.txt",))
    monkeypatch.setattr(environment, "_stamp", lambda: "a stamp")
    with pytest.raises(EnvironmentFailed, match="none.txt"):
        environment._make(tmp_path / ".venv-scan")
    assert not (tmp_path / ".venv-scan" / environment._STAMP).exists()


def test_a_machine_without_cfn_guard_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment.platform, "system", lambda: "Windows")
    with pytest.raises(EnvironmentFailed, match="no cfn-guard for Windows"):
        environment.guard(tmp_path)


def test_every_program_that_is_named_is_in_the_package() -> None:
    programs = environment.environment() / "guard" / "package" / "bin"
    assert {str(path.parent.relative_to(programs)) for path in programs.rglob("cfn-guard")} == set(
        environment._PROGRAMS.values()
    )
