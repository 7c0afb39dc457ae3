"""Dataset descriptors: Frictionless Tabular Data Resources in YAML, with a few `sluice:` keys of our own.

A descriptor is refused, with its file and line, for anything it says that would not be honoured: a rule that is
silently not applied is worse than none. (https://specs.frictionlessdata.io/tabular-data-resource/)
"""

import functools
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from sluice.contract.accept import compile_acceptor, compile_json_acceptor
from sluice.contract.dialect import DIALECT_KEYS, ENCODINGS, Dialect, DialectError, compile_dialect
from sluice.contract.fields import PARQUET_LIMITS, TABLE_LIMITS, Field, compile_field
from sluice.contract.interval import compile_interval
from sluice.contract.key_templates import PLACEHOLDER, key_pattern
from sluice.contract.tolerance import Tolerance, compile_tolerance
from sluice.errors import PermanentError
from sluice.upload import REJECTED

_KEYS = {"name", "title", "description", "profile", "format", "encoding", "dialect", "schema"}
_OWN_KEYS = {"sluice:key", "sluice:processor"}
_OPTIONAL_KEYS = {"sluice:result", "sluice:format", "sluice:reject", "sluice:load", "sluice:expected"}
_LOAD_KEYS = {"table", "mode", "without-database"}
MODES = ("insert-ignore", "upsert", "append")
# What `without-database` may name: what anything can be done by.
_SUBSTITUTES = ("clean",)
# Of tables and columns that are not a dataset's.
OWN_PREFIX = "sluice_"
# https://dev.mysql.com/doc/refman/8.0/en/column-count-limit.html, and innodb-limits.html: a key has 16 columns and
# 3,072 bytes, of which the row's number takes one and 8 where rows are staged by their key; a row has 65,535, of which
# our own columns take 5,200. Four bytes a character; numbers, dates and the like have 30 at most.
_KEY_FIELDS, _KEY_LIMIT, _ROW_LIMIT, _NUMBER_BYTES = 15, 3064, 60_000, 30
_NAME_LIMIT = 64
# Characters of a text column that is part of the row; a longer text is stored beside it.
VARCHAR_LIMIT = 16_383
FILE_FORMATS = ("csv", "jsonl", "json", "parquet")
RESULT_FORMATS = ("parquet", "csv", "jsonl")
_SCHEMA_KEYS = {"fields", "missingValues", "primaryKey"}
_FIELD_KEYS = {"name", "title", "description", "type", "format", "constraints"} | {
    "trueValues",
    "falseValues",
    "decimalChar",
    "groupChar",
    "bareNumber",
}


@dataclass(frozen=True)
class Needs:
    """What a processor needs of its dataset: types of the fields, in order (None: any), formats of file and result.

    `table`: it needs a table to load into, and has no result.
    """

    field_types: tuple[str, ...] | None = None
    formats: tuple[str, ...] = FILE_FORMATS
    results: tuple[str, ...] = RESULT_FORMATS
    table: bool = False


@dataclass(frozen=True)
class Target:
    """The table that valid rows are loaded into, and what becomes of a row whose key is there already.

    `mode` is `insert-ignore` (the row that is there stays), `upsert` (the later upload's row stays) or `append` (there
    are no keys). `without_database` is the processor that takes the rows where a deployment has no database; None
    where nothing else can be done with them.
    """

    table: str
    mode: str
    without_database: str | None = None


class DescriptorError(ValueError):
    """A descriptor that cannot be honoured; the message is `file:line: reason`."""


@dataclass(frozen=True)
class Dataset:
    """A kind of file: which keys belong to it, how they are read, what a valid row is, what is done with them.

    `schema` is the Table Schema that the fields are compiled from. `acceptor` recognises lines that are certainly valid
    (contract/accept.py); None where there is no fast path. `target` is where the rows are loaded; None where they
    become an object in the results bucket. `checks_keys` says whether a row that repeats the key of another one is bad;
    a table keeps its keys itself. `expected` is how often uploads come at least; None where nobody says.
    """

    name: str
    key_template: str
    key: re.Pattern[str]
    dialect: Dialect
    fields: list[Field]
    schema: Mapping[str, Any]
    acceptor: Any
    processor: str
    result: str | None = None
    format: str = "csv"
    result_format: str = "parquet"
    encoding: str = "utf-8"
    primary_key: tuple[str, ...] = ()
    tolerance: Tolerance = Tolerance()
    target: Target | None = None
    checks_keys: bool = True
    expected: timedelta | None = None

    @functools.cached_property
    def positions(self) -> dict[str, int]:
        """The names of the fields, and where they stand."""
        return {field.name: position for position, field in enumerate(self.fields)}

    @property
    def is_fast(self) -> bool:
        """Whether most lines are neither looked at cell by cell, nor written anew, nor loaded into a table."""
        if self.target:
            return False
        kept = self.result_format == "parquet" or (self.result_format == "csv") == (self.format == "csv")
        return self.acceptor is not None and self.format != "json" and kept

    def without_database(self) -> "Dataset":
        """What the dataset is where a deployment has no database. The same rows are good: its keys are a table's.

        Raises PermanentError (`REJECTED`) where its descriptor does not say what else to do.
        """
        if not self.target.without_database:
            reason = f"dataset {self.name} loads into a database and this deployment has none"
            raise PermanentError(REJECTED, f"{reason}: deploy with EnableDatabase=true")
        return replace(self, processor=self.target.without_database, target=None)

    def result_key(self, upload_key: str) -> str:
        """The key of the result of an upload of this dataset: the upload's own with the format's name added, or
        `result` with its placeholders filled from the upload's key."""
        if self.result is None:
            return f"{upload_key}.{self.result_format}"
        match = self.key.fullmatch(upload_key)
        if not match:
            raise ValueError(f"{upload_key!r} is no key of dataset {self.name}")
        return PLACEHOLDER.sub(lambda placeholder: match[placeholder[1]], self.result)


def load_dataset(path: Path, processors: Mapping[str, Needs]) -> Dataset:
    """The dataset that a descriptor file describes.

    `processors` are the names `sluice:processor` may take, each with what it needs. Raises
    DescriptorError naming file, line and reason.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DescriptorError(f"{path}:{line}: {error.problem}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DescriptorError(f"{path}:{line}: a descriptor is UTF-8, and this line is not") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DescriptorError(f"{path}:{line}: {error.reason}") from error
    reader = _Reader(path, node)
    reader.check_keys()
    return reader.dataset(document, processors)


class _Reader:
    """Reads one parsed descriptor and knows the line of each of its parts."""

    def __init__(self, path: Path, node: yaml.Node | None) -> None:
        self._path = path
        self._node = node

    def check_keys(self) -> None:
        """Raises DescriptorError for a key that stands twice in a mapping: YAML would forget the first."""
        nodes, seen = [self._node], set()
        while nodes:
            node = nodes.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                nodes += node.value
            elif isinstance(node, yaml.MappingNode):
                keys = set()
                for key, value in node.value:
                    nodes.append(value)
                    # Other keys than scalars are refused where they are read.
                    name = key.value if isinstance(key, yaml.ScalarNode) else id(key)
                    if name in keys:
                        raise DescriptorError(f"{self._path}:{key.start_mark.line + 1}: {name!r} is there twice")
                    keys.add(name)

    def dataset(self, document: Any, processors: Mapping[str, Needs]) -> Dataset:
        self._known((), document, _KEYS | _OWN_KEYS | _OPTIONAL_KEYS)
        for key in ("name", "schema", *sorted(_OWN_KEYS)):
            if key not in document:
                raise self._error((), f"{key} is missing")
        if not isinstance(document["name"], str) or not re.fullmatch(r"[a-z][a-z0-9-]*", document["name"]):
            raise self._error(("name",), "must be lower-case letters, digits and hyphens, a letter first")
        if document.get("profile", "tabular-data-resource") != "tabular-data-resource":
            raise self._error(("profile",), "must be tabular-data-resource")
        processor = document["sluice:processor"]
        if not isinstance(processor, str) or processor not in processors:
            raise self._error(("sluice:processor",), f"must be one of {', '.join(sorted(processors))}")
        for key in ("sluice:key", "sluice:result"):
            if not isinstance(document.get(key, ""), str):
                raise self._error((key,), "must be text")
        pattern = self._attempt(("sluice:key",), lambda: key_pattern(document["sluice:key"]))
        result = self._result(document.get("sluice:result"), pattern)
        needs = processors[document["sluice:processor"]]
        format_ = self._one_of("format", document.get("format", "csv"), FILE_FORMATS)
        result_format = self._one_of("sluice:format", document.get("sluice:format", needs.results[0]), RESULT_FORMATS)
        encoding = self._one_of("encoding", document.get("encoding", "utf-8"), ENCODINGS)
        for key in ("encoding", "dialect"):
            if key in document and format_ != "csv":
                raise self._error((key,), f"does not apply to the format {format_}")
        target = self._target(document, needs)
        for key, value, allowed in (
            ("format", format_, needs.formats),
            ("sluice:format", result_format, needs.results),
        ):
            if value not in allowed:
                raise self._error((key,), f"the processor {document['sluice:processor']} needs {' or '.join(allowed)}")
        tolerance = Tolerance()
        if "sluice:reject" in document:
            tolerance = self._attempt(("sluice:reject",), lambda: compile_tolerance(document["sluice:reject"]))
        expected = None
        if "sluice:expected" in document:
            expected = self._attempt(("sluice:expected",), lambda: compile_interval(document["sluice:expected"]))
        self._known(("schema",), document["schema"], _SCHEMA_KEYS)
        primary_key = self._primary_key(document["schema"])
        has_result = target is None or target.without_database is not None
        limits = [PARQUET_LIMITS] * (has_result and result_format == "parquet") + [TABLE_LIMITS] * bool(target)
        fields = self._fields(document["schema"], primary_key, limits)
        if "parquet" in (format_, result_format):
            self._check_columns([field.name for field in fields])
        if target:
            self._check_table(fields, primary_key, target)
        if needs.field_types is not None and tuple(field.type for field in fields) != needs.field_types:
            types = ", ".join(needs.field_types)
            raise self._error(("sluice:processor",), f"needs fields of the types {types}, in this order")
        dialect = self._dialect(document.get("dialect", {})) if format_ == "csv" else Dialect(header=False)
        acceptor = None
        if encoding == "utf-8" and (target or not primary_key):
            descriptors, missing = document["schema"]["fields"], _missing(document["schema"])
            if target:
                descriptors = [_without_keys(field, primary_key) for field in descriptors]
            if format_ == "csv":
                acceptor = compile_acceptor(descriptors, dialect, missing)
            else:
                acceptor = compile_json_acceptor(descriptors, missing)
        return Dataset(
            name=document["name"],
            key_template=document["sluice:key"],
            key=pattern,
            dialect=dialect,
            fields=fields,
            schema=document["schema"],
            acceptor=acceptor,
            processor=document["sluice:processor"],
            result=result,
            format=format_,
            result_format=result_format,
            encoding=encoding,
            primary_key=primary_key,
            tolerance=tolerance,
            target=target,
            checks_keys=target is None,
            expected=expected,
        )

    def _target(self, document: dict, needs: Needs) -> Target | None:
        """The table that `sluice:load` names."""
        if not needs.table:
            if "sluice:load" in document:
                raise self._error(("sluice:load",), f"the processor {document['sluice:processor']} loads nothing")
            return None
        where = ("sluice:load",)
        if "sluice:load" not in document:
            raise self._error(("sluice:processor",), "load needs sluice:load, with table and mode")
        settings = document["sluice:load"]
        self._known(where, settings, _LOAD_KEYS)
        table, mode, substitute = (settings.get(key) for key in ("table", "mode", "without-database"))
        if not isinstance(table, str) or not re.fullmatch("[a-z][a-z0-9_]{0,58}", table):
            raise self._error((*where, "table"), "table must be lower-case letters, digits and _, a letter first")
        if table.startswith(OWN_PREFIX):
            raise self._error((*where, "table"), f"names that start with {OWN_PREFIX} are for tables of its own")
        if mode not in MODES:
            raise self._error((*where, "mode"), f"mode must be one of {', '.join(MODES)}")
        if "without-database" in settings and substitute not in _SUBSTITUTES:
            raise self._error((*where, "without-database"), f"must be {' or '.join(_SUBSTITUTES)}")
        for key in ("sluice:format", "sluice:result"):
            if key in document and not substitute:
                raise self._error((key,), "there is no result: rows are loaded, and without-database is not given")
        return Target(table, mode, substitute)

    def _check_table(self, fields: list[Field], primary_key: tuple[str, ...], target: Target) -> None:
        """Raises DescriptorError where the fields cannot be the columns, or the keys not those that the mode needs."""
        width = 0
        for position, field in enumerate(fields):
            where, name = ("schema", "fields", position), field.name
            if not 0 < len(name) <= _NAME_LIMIT or name.endswith(" ") or max(name) > "\uffff" or "\0" in name:
                raise self._error(where, f"{name!r}: a column's name has 1 to {_NAME_LIMIT} characters, no blank last")
            if name.lower() in [other.name.lower() for other in fields[:position]]:
                raise self._error(where, f"{name!r}: columns of a table need names that differ by more than case")
            if name.lower().startswith(OWN_PREFIX):
                raise self._error(where, f"{name!r}: names that start with {OWN_PREFIX} are for columns of its own")
            if (field.unique or name in primary_key) and _key_bytes(field) > _KEY_LIMIT:
                raise self._error(where, f"in a key, a text needs a maxLength of {_KEY_LIMIT // 4} at most")
            width += _row_bytes(field)
        where = ("schema",)
        if width > _ROW_LIMIT:
            rule = f"a table's row has {_ROW_LIMIT:,} bytes, four for each character of a maxLength"
            remedy = "a text without one is stored beside the row"
            raise self._error(where, f"{rule}, and these fields need {width:,}: {remedy}")
        key = [field for field in fields if field.name in primary_key]
        if sum(map(_key_bytes, key)) > _KEY_LIMIT or len(key) > _KEY_FIELDS:
            rule = f"a table's key has {_KEY_FIELDS} fields and {_KEY_LIMIT:,} bytes at most"
            raise self._error(("schema", "primaryKey"), rule)
        unique = [field.name for field in fields if field.unique]
        match target.mode:
            case "insert-ignore" if not (primary_key or unique):
                raise self._error(("sluice:load", "mode"), "insert-ignore needs a primaryKey or a unique field")
            case "upsert" if unique or not primary_key:
                raise self._error(("sluice:load", "mode"), "upsert needs a primaryKey, and no unique field beside it")
            case "append" if primary_key or unique:
                raise self._error(("sluice:load", "mode"), "append needs a schema without primaryKey and unique fields")

    def _result(self, result: str | None, key: re.Pattern[str]) -> str | None:
        """The template of result keys, which must be as many as the keys of uploads: one must not replace another."""
        if result is None:
            return None
        named = set(PLACEHOLDER.findall(result))
        if unknown := sorted(named - set(key.groupindex)):
            raise self._error(("sluice:result",), f"{{{unknown[0]}}} does not occur in sluice:key")
        if lost := sorted(set(key.groupindex) - named):
            raise self._error(("sluice:result",), f"must hold {{{lost[0]}}}, or uploads would share a result")
        if any("/" not in between for between in PLACEHOLDER.split(result)[2:-1:2]):
            raise self._error(("sluice:result",), "needs a / between placeholders, or uploads would share a result")
        if result.endswith(".errors.jsonl"):
            raise self._error(("sluice:result",), "must not end as error reports do")
        return result

    def _one_of(self, key: str, value: Any, allowed: Collection[str]) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise self._error((key,), f"must be one of {', '.join(allowed)}")
        return value

    def _check_columns(self, names: list[str]) -> None:
        """Columns of Parquet need names that differ by more than case: many of its readers know no case."""
        for position, name in enumerate(names):
            if not name or name.lower() in [other.lower() for other in names[:position]]:
                where = ("schema", "fields", position)
                raise self._error(where, f"{name!r}: columns of Parquet need names that differ by more than case")

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

    def _fields(self, schema: dict, primary_key: tuple[str, ...], limits: list) -> list[Field]:
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
                    lambda field=field: compile_field(
                        field, missing, required=field["name"] in primary_key, limits=limits
                    ),
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


def _without_keys(field: dict, primary_key: tuple[str, ...]) -> dict:
    """A field's descriptor as the check of one row needs it: required in the primary key, and unique to a table."""
    constraints = {name: value for name, value in field.get("constraints", {}).items() if name != "unique"}
    if field["name"] in primary_key:
        constraints["required"] = True
    return {**field, "constraints": constraints}


def _key_bytes(field: Field) -> int:
    """What a field takes of a table's key."""
    if field.type in ("string", "any"):
        return _KEY_LIMIT + 1 if field.max_length is None else 4 * field.max_length
    return _NUMBER_BYTES


def _row_bytes(field: Field) -> int:
    """What a field takes of a table's row at most; a LONGTEXT is stored elsewhere."""
    is_text = field.max_length is not None and field.max_length <= VARCHAR_LIMIT
    return 4 * field.max_length + 2 if is_text else _NUMBER_BYTES


def _missing(schema: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(schema.get("missingValues", [""]))
