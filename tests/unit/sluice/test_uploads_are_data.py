"""What is uploaded is read, and never run: no code, no shell and no SQL is made of it."""

import ast
from pathlib import Path

import duckdb
import pytest

import sluice
from sluice import engine
from support.datasets import checked, described

SOURCES = sorted(Path(sluice.__file__).parent.rglob("*.py"))
# What runs a text or bytes as code, starts a program, or makes objects of whatever class bytes name.
MODULES = {"code", "codeop", "ctypes", "dill", "marshal", "pickle", "pty", "runpy", "shelve", "subprocess"}
FUNCTIONS = {"__import__", "compile", "eval", "exec", "execfile"}
METHODS = {
    *("os.system", "os.popen", "os.startfile", "os.fork", "importlib.import_module", "yaml.load", "yaml.unsafe_load"),
    *(f"os.{kind}{how}" for kind in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
}
CAREFUL = {method.rpartition(".")[0] for method in METHODS}
HOSTILE = """x" FROM (SELECT 1); COPY (SELECT 'gone') TO '/tmp/x'; --'; ${jndi:ldap://x} $(reboot) `id` {{7*7}} %s"""


def interpreting(source: str) -> list[str]:
    """What of a module would run what it is given, by its lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [name.name for name in names if name.name.split(".")[0] in MODULES]
                # By another name the methods would not be known.
                found += [name.name for name in names if name.asname and name.name in CAREFUL]
            case ast.ImportFrom(module=str(module), names=names):
                found += [module] if module.split(".")[0] in MODULES else []
                found += [module for name in names if f"{module}.{name.name}" in METHODS]
            case ast.Call(func=ast.Name(id=name)):
                found += [name] if name in FUNCTIONS else []
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                found += [f"{module}.{name}"] if f"{module}.{name}" in METHODS else []
            case ast.keyword(arg="shell" | "allow_pickle"):
                found.append(node.arg)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_function_runs_what_it_is_given(path: Path):
    assert interpreting(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        *("import subprocess", "from pickle import loads", "from os import system", "from yaml import load as read"),
        *("import os as harmless", "os.system(x)", "yaml.load(x)", "eval(x)", "f(x, shell=True)"),
    ],
)
def test_it_would_be_seen(source: str):
    assert interpreting(source)


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The SQL that the engine is given."""
    statements, fetch = [], engine.fetch

    def recording(sql: str) -> list[tuple]:
        statements.append(sql)
        return fetch(sql)

    monkeypatch.setattr(engine, "fetch", recording)
    return statements


def parquet(folder: Path, column: str, cell: str) -> bytes:
    path = folder / "file.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT {engine.literal(cell)} AS {engine.name(column)}) TO '{path}' (FORMAT parquet)"
        )
    return path.read_bytes()


FIELDS = "format: parquet\nschema: {fields: [{name: sensor, type: string}]}"


def test_what_a_parquet_file_holds_is_in_no_statement(tmp_path, asked):
    check, errors, text = checked(described(FIELDS), parquet(tmp_path, "sensor", HOSTILE), 10)

    assert (check.good, errors) == (1, [])
    assert b"jndi" in text
    assert asked and not [sql for sql in asked if "jndi" in sql]


def test_what_the_columns_of_a_parquet_file_are_called_is_in_no_statement(tmp_path, asked):
    with pytest.raises(Exception, match="the columns of the Parquet file must be sensor, in this order"):
        checked(described(FIELDS), parquet(tmp_path, HOSTILE, "x"), 10)

    assert asked and not [sql for sql in asked if "jndi" in sql]
