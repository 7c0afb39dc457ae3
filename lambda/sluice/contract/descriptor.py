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
from sluice.contract.dialect import Dialect
from sluice.contract.fields import Field, compile_field

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_KEYS = {"name", "title", "description", "profile", "dialect", "schema"}
_OWN_KEYS = {"sluice:key", "sluice:processor", "sluice:result"}
_DIALECT_KEYS = {"delimiter", "quoteChar", "header"}
_SCHEMA_KEYS = {"fields", "missingValues"}
_FIELD_KEYS = {"name", "title", "description", "type", "format", "constraints"}


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
        self._known((), document, _KEYS | _OWN_KEYS)
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
        fields = self._fields(document["schema"])
        needed = processors[document["sluice:processor"]]
        if needed is not None and tuple(field.type for field in fields) != needed:
            raise self._error(("sluice:processor",), f"needs fields of the types {', '.join(needed)}, in this order")
        dialect = self._dialect(document.get("dialect", {}))
        return Dataset(
            name=document["name"],
            key=pattern,
            dialect=dialect,
            fields=fields,
            acceptor=compile_acceptor(document["schema"]["fields"], dialect, _missing(document["schema"])),
            processor=document["sluice:processor"],
            result=result,
        )

    def _dialect(self, dialect: Any) -> Dialect:
        self._known(("dialect",), dialect, _DIALECT_KEYS)
        for key in ("delimiter", "quoteChar"):
            if key in dialect and (not isinstance(dialect[key], str) or len(dialect[key]) != 1):
                raise self._error(("dialect", key), "must be a single character")
        if not isinstance(dialect.get("header", True), bool):
            raise self._error(("dialect", "header"), "must be true or false")
        return Dialect(dialect.get("delimiter", ","), dialect.get("quoteChar", '"'), dialect.get("header", True))

    def _fields(self, schema: Any) -> list[Field]:
        self._known(("schema",), schema, _SCHEMA_KEYS)
        if not isinstance(schema.get("fields"), list) or not schema["fields"]:
            raise self._error(("schema",), "fields must list at least one field")
        missing = schema.get("missingValues", [])
        if not isinstance(missing, list) or not all(isinstance(value, str) for value in missing):
            raise self._error(("schema", "missingValues"), "must be a list of texts")
        missing = _missing(schema)
        fields = []
        for position, field in enumerate(schema["fields"]):
            where = ("schema", "fields", position)
            self._known(where, field, _FIELD_KEYS)
            if not isinstance(field.get("name"), str) or field["name"] in [other.name for other in fields]:
                raise self._error(where, "every field needs a name of its own")
            fields.append(self._attempt(where, lambda field=field: compile_field(field, missing)))
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
