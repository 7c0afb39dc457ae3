"""Dataset descriptors: Frictionless Tabular Data Resources in YAML, with a few `sluice:` keys of our own.

A descriptor is refused, with its file and line, for anything it says that would not be honoured: a rule that is
silently not applied is worse than none. (https://specs.frictionlessdata.io/tabular-data-resource/)
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sluice.contract.accept import compile_acceptor
from sluice.contract.dialect import DIALECT_KEYS, ENCODINGS, Dialect, DialectError, compile_dialect
from sluice.contract.fields import Field, compile_field
from sluice.contract.tolerance import Tolerance, compile_tolerance

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_KEYS = {"name", "title", "description", "profile", "encoding", "dialect", "schema"}
_OWN_KEYS = {"sluice:key", "sluice:processor", "sluice:result"}
_OPTIONAL_KEYS = {"sluice:reject"}
_SCHEMA_KEYS = {"fields", "missingValues", "primaryKey"}
_FIELD_KEYS = {"name", "title", "description", "type", "format", "constraints"} | {
    "trueValues",
    "falseValues",
    "decimalChar",
    "groupChar",
    "bareNumber",
}

FieldTypes = Mapping[str, tuple[str, ...] | None]


class DescriptorError(ValueError):
    """A descriptor that cannot be honoured; the message is `file:line: reason`."""


@dataclass(frozen=True)
class Dataset:
    """A kind of file: which keys belong to it, how they are read, what a valid row is, what is done with them.

    `acceptor` recognises lines that are certainly valid (contract/accept.py); None where there is no fast path.
    """

    name: str
    key: re.Pattern[str]
    dialect: Dialect
    fields: list[Field]
    acceptor: Any
    processor: str
    result: str
    encoding: str = "utf-8"
    primary_key: tuple[str, ...] = ()
    tolerance: Tolerance = Tolerance()

    def result_key(self, upload_key: str) -> str:
        """The key of the result of an upload of this dataset, its placeholders filled from the upload's key."""
        match = self.key.fullmatch(upload_key)
        if not match:
            raise ValueError(f"{upload_key!r} is no key of dataset {self.name}")
        return _PLACEHOLDER.sub(lambda placeholder: match[placeholder[1]], self.result)


def load_dataset(path: Path, processors: FieldTypes) -> Dataset:
    """The dataset that a descriptor file describes.

    `processors` are the names `sluice:processor` may take, each with the field types it needs. Raises
    DescriptorError naming file, line and reason.
    """
    text = path.read_text(encoding="utf-8")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DescriptorError(f"{path}:{line}: {error.problem}") from error
    return _Reader(path, node).dataset(document, processors)


class _Reader:
    """Reads one parsed descriptor and knows the line of each of its parts."""

    def __init__(self, path: Path, node: yaml.Node | None) -> None:
        self._path = path
        self._node = node

    def dataset(self, document: Any, processors: FieldTypes) -> Dataset:
        self._known((), document, _KEYS | _OWN_KEYS | _OPTIONAL_KEYS)
        for key in ("name", "schema", *sorted(_OWN_KEYS)):
            if key not in document:
                raise self._error((), f"{key} is missing")
        if not isinstance(document["name"], str) or not re.fullmatch(r"[a-z][a-z0-9-]*", document["name"]):
            raise self._error(("name",), "must be lower-case letters, digits and hyphens, a letter first")
        if document.get("profile", "tabular-data-resource") != "tabular-data-resource":
            raise self._error(("profile",), "must be tabular-data-resource")
        if document["sluice:processor"] not in processors:
            raise self._error(("sluice:processor",), f"must be one of {', '.join(sorted(processors))}")
        for key in ("sluice:key", "sluice:result"):
            if not isinstance(document[key], str):
                raise self._error((key,), "must be text")
        pattern = self._attempt(("sluice:key",), lambda: _key_pattern(document["sluice:key"]))
        result = document["sluice:result"]
        if unknown := set(_PLACEHOLDER.findall(result)) - set(pattern.groupindex):
            raise self._error(("sluice:result",), f"{{{unknown.pop()}}} does not occur in sluice:key")
        encoding = document.get("encoding", "utf-8")
        if encoding not in ENCODINGS:
            raise self._error(("encoding",), f"must be one of {', '.join(ENCODINGS)}")
        tolerance = Tolerance()
        if "sluice:reject" in document:
            tolerance = self._attempt(("sluice:reject",), lambda: compile_tolerance(document["sluice:reject"]))
        self._known(("schema",), document["schema"], _SCHEMA_KEYS)
        primary_key = self._primary_key(document["schema"])
        fields = self._fields(document["schema"], primary_key)
        needed = processors[document["sluice:processor"]]
        if needed is not None and tuple(field.type for field in fields) != needed:
            raise self._error(("sluice:processor",), f"needs fields of the types {', '.join(needed)}, in this order")
        dialect = self._dialect(document.get("dialect", {}))
        acceptor = None
        if encoding == "utf-8" and not primary_key:
            acceptor = compile_acceptor(document["schema"]["fields"], dialect, _missing(document["schema"]))
        return Dataset(
            name=document["name"],
            key=pattern,
            dialect=dialect,
            fields=fields,
            acceptor=acceptor,
            processor=document["sluice:processor"],
            result=result,
            encoding=encoding,
            primary_key=primary_key,
            tolerance=tolerance,
        )

    def _dialect(self, dialect: Any) -> Dialect:
        self._known(("dialect",), dialect, DIALECT_KEYS)
        try:
            return compile_dialect(dialect)
        except DialectError as error:
            raise self._error(("dialect", error.key), str(error)) from error

    def _primary_key(self, schema: dict) -> tuple[str, ...]:
        key = schema.get("primaryKey", [])
        names = [key] if isinstance(key, str) else key
        distinct = isinstance(names, list) and all(names.count(name) == 1 for name in names)
        if not distinct or "primaryKey" in schema and not names:
            raise self._error(("schema", "primaryKey"), "must be the name of a field, or a list of some")
        return tuple(names)

    def _fields(self, schema: dict, primary_key: tuple[str, ...]) -> list[Field]:
        if not isinstance(schema.get("fields"), list) or not schema["fields"]:
            raise self._error(("schema",), "fields must list at least one field")
        missing = schema.get("missingValues", [])
        if not isinstance(missing, list) or not all(isinstance(text, str) for text in missing):
            raise self._error(("schema", "missingValues"), "must be a list of texts; put numbers and null in quotes")
        missing = _missing(schema)
        fields = []
        for position, field in enumerate(schema["fields"]):
            where = ("schema", "fields", position)
            self._known(where, field, _FIELD_KEYS)
            name = field.get("name")
            if not isinstance(name, str) or name in [other.name for other in fields]:
                raise self._error(where, "every field needs a name of its own")
            # A primary key identifies its row, so no part of it may be missing.
            fields.append(
                self._attempt(
                    where,
                    lambda field=field: compile_field(field, missing, required=field["name"] in primary_key),
                )
            )
        if unknown := [name for name in primary_key if name not in [field.name for field in fields]]:
            raise self._error(("schema", "primaryKey"), f"{unknown[0]!r} is not the name of a field")
        return fields

    def _known(self, where: tuple, value: Any, known: Collection[str]) -> None:
        if not isinstance(value, dict):
            raise self._error(where, "must be a mapping")
        for key in value:
            if key not in known:
                raise self._error((*where, key), f"{key!r} is not one of {', '.join(sorted(known))}")

    def _attempt(self, where: tuple, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except (ValueError, TypeError, re.error) as error:
            raise self._error(where, str(error)) from error

    def _error(self, where: tuple, reason: str) -> DescriptorError:
        subject = f"{'.'.join(map(str, where))}: " if where else ""
        return DescriptorError(f"{self._path}:{self._line(where)}: {subject}{reason}")

    def _line(self, where: tuple) -> int:
        """The line on which the innermost part of the path that exists starts."""
        node, line = self._node, 1
        for step in where:
            if isinstance(node, yaml.MappingNode):
                found = next(((key, value) for key, value in node.value if key.value == step), None)
                if found is None:
                    return line
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node = node.value[step]
                line = node.start_mark.line + 1
        return line


def _missing(schema: dict) -> frozenset[str]:
    return frozenset(schema.get("missingValues", [""]))


def _key_pattern(template: str) -> re.Pattern[str]:
    """The keys a template such as `prices/{exchange}/{name}.csv` stands for: a placeholder is any text without /."""
    parts = _PLACEHOLDER.split(template)
    literals, names = parts[::2], parts[1::2]
    if len(set(names)) != len(names) or any("{" in part or "}" in part for part in literals):
        raise ValueError("placeholders are lower-case names in braces, each used once")
    pattern = re.escape(literals[0])
    for name, literal in zip(names, literals[1:], strict=True):
        pattern += f"(?P<{name}>[^/]+){re.escape(literal)}"
    return re.compile(pattern, re.DOTALL)
