"""Programs that no Python package brings: what is missing is said with the line that installs it, or installed."""

import os
import subprocess
from pathlib import Path

import pytest

from local import programs
from local.programs import CHROMIUM, MARIADB, Programs

EDITOR = Programs("an editor", ("ed", "red"), ("ed-package", "red-package"), "ed")


@pytest.fixture
def machine(monkeypatch, tmp_path: Path):
    """A machine that has the named programs alone, whose apt-get writes down what it is asked for."""

    def make(*names: str, user: int = 0) -> Path:
        log = tmp_path / "log"
        log.touch()
        for name in names:
            (tmp_path / name).write_text(f'#!/bin/sh\necho "$@" >>{log}\n')
            (tmp_path / name).chmod(0o755)
        monkeypatch.setattr(programs, "_PATH", str(tmp_path))
        monkeypatch.setattr(os, "geteuid", lambda: user)
        monkeypatch.setenv("PATH", f"{tmp_path}")
        return log

    return make


def test_what_is_there_is_not_installed(machine):
    log = machine("ed", "red", "apt-get")
    EDITOR.install()
    assert (EDITOR.missing(), log.read_text()) == (None, "")
    assert programs.path_of("ed").endswith("/ed") and programs.path_of("vi") == "vi"


def test_root_installs_what_is_missing_on_debian(machine):
    log = machine("ed", "apt-get")
    EDITOR.install()
    assert log.read_text().splitlines() == ["update", "install -y --no-install-recommends ed-package red-package"]


@pytest.mark.parametrize(
    ("names", "user", "line"),
    [(["ed", "apt-get"], 1000, "sudo apt-get install -y ed-package red-package"), (["ed"], 0, "brew install ed")],
)
def test_who_cannot_install_is_told_how(machine, names, user, line):
    log = machine(*names, user=user)
    EDITOR.install()
    assert log.read_text() == ""
    assert EDITOR.missing() == f"red is missing, an editor. Run: {line}"


def test_the_tests_script_looks_for_what_tests_need():
    script = (Path(__file__).parents[2] / "scripts" / "test").read_text()
    [line] = [line for line in script.splitlines() if line.startswith("for program in ")]
    looked_for = set(line.removeprefix("for program in ").removesuffix("; do").split())
    assert {"mariadbd", "chromium"} <= looked_for <= {*MARIADB.names, *CHROMIUM.names}


def test_a_failed_installation_shows_why(machine, capsys, monkeypatch):
    machine("ed", "apt-get")
    failed = subprocess.CompletedProcess([], 100, "", "no such package\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    EDITOR.install()
    assert "no such package" in capsys.readouterr().err
