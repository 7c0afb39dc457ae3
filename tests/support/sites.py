"""The places in the functions' code that make requests to AWS, found by reading it."""

import ast
import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import botocore.session
from botocore import xform_name

CODE = Path(__file__).parents[2] / "lambda"
_SERVICES = ("dynamodb", "lambda", "s3", "secretsmanager", "sns", "sqs")
# What makes requests under other names.
_OTHERS = ("get_paginator", "get_waiter")


@dataclass(frozen=True)
class Site:
    """A call that makes a request, itself or by a private function of its module: the function that it stands in
    (`Ledger.claim`), the name that is called (`_update`), and the lines that it stands on."""

    module: str
    function: str
    called: str
    first: int
    last: int

    def covers(self, place: str) -> bool:
        """Whether a place (`sluice.ledger:112`) is this one."""
        module, _, line = place.partition(":")
        return module == self.module and self.first <= int(line) <= self.last


def sites(*modules: str) -> list[Site]:
    """The sites in these modules and in all of ours that they import."""
    return [site for module in sorted(_imported(modules)) for site in _sites_of(module)]


def entry(places: Sequence[str]) -> str:
    """Of the places that a request comes from, the innermost first, the one by which it enters its adapter's module."""
    module = places[0].partition(":")[0]
    own = list(itertools.takewhile(lambda place: place.partition(":")[0] == module, places))
    # By the handler itself, every request comes.
    return own[-2] if module.startswith("sluice.handlers.") else own[-1]


@functools.cache
def _operations() -> frozenset[str]:
    session = botocore.session.get_session()
    models = map(session.get_service_model, _SERVICES)
    return frozenset(xform_name(name) for model in models for name in model.operation_names).union(_OTHERS)


def _path(module: str) -> Path:
    path = CODE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imported(modules: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    left = list(modules)
    while left:
        module = left.pop()
        if module in found or not module.startswith("sluice") or not _path(module).exists():
            continue
        found.add(module)
        for node in ast.walk(ast.parse(_path(module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                left += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                left += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def _sites_of(module: str) -> list[Site]:
    calls = list(_calls(ast.parse(_path(module).read_text(encoding="utf-8")), ()))
    # Each private function that makes requests is one more name under which they are made.
    names, found = set(_operations()), []
    while new := [(way, call) for way, call in calls if (way, call) not in found and _name(call) in names]:
        found += new
        names |= {way[-1] for way, _ in new if way[-1].startswith("_") and not way[-1].startswith("__")}
    return [Site(module, ".".join(way), _name(call), call.lineno, call.end_lineno) for way, call in found]


def _calls(node: ast.AST, way: tuple[str, ...]) -> list[tuple[tuple[str, ...], ast.Call]]:
    """All calls in functions, each with the names of the class and the functions around it."""
    found = []
    for inner in ast.iter_child_nodes(node):
        named = isinstance(inner, (ast.ClassDef, ast.FunctionDef))
        found += _calls(inner, (*way, inner.name) if named else way)
    return found + ([(way, node)] if isinstance(node, ast.Call) and way else [])


def _name(call: ast.Call) -> str:
    """The name that is called."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))
