"""Results as Parquet, a typed column for each field (https://parquet.apache.org/docs/file-format/types/)."""

import json
from collections.abc import Callable, Iterable

from sluice import engine
from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset
from sluice.contract.fields import Field
from sluice.contract.lines import LINE_LIMIT
from sluice.results.values import plain

_COLUMNS = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "year": "INTEGER",
}


def write_parquet(blocks: Iterable[Block], write: Callable[[bytes], object], dataset: Dataset) -> None:
    """The rows in their order. Memory is that of a row group, and nothing is written to disk.

    The engine reads lines, those of the file where they came as lines; the values of other rows are written in the same
    way. Raises TransientError where it stores another number of rows than it was given.
    """
    # Without a fast path every row comes with its values, which are then written in one form whatever the file's.
    as_they_are = dataset.acceptor is not None
    as_json = as_they_are and dataset.format != "csv"
    delimiter = dataset.dialect.delimiter if as_they_are else ","
    patterns = {field.name: field.format for field in dataset.fields if as_they_are and "%" in field.format}

    def feed(pipes: engine.Feed) -> int:
        count = 0
        for block in blocks:
            count += block.rows
            if block.values is None:
                pipes.write_rows(block.data)
            elif as_they_are and dataset.acceptor.match(block.data).end() == len(block.data):
                # A line that stood alone only because of how the file arrived: the same bytes as ever.
                pipes.write_row(block.data)
            else:
                cells = [
                    None if value is None else field.write(value) if as_they_are else plain(value)
                    for field, value in zip(dataset.fields, block.values, strict=True)
                ]
                line = _json_line(dataset.fields, cells) if as_json else _delimited_line(cells, delimiter)
                pipes.write_row(line.encode())
        return count

    def select(files: str) -> str:
        types = {field.name: "VARCHAR" if field.name in patterns else _column(field) for field in dataset.fields}
        columns = ", ".join(f"{engine.literal(name)}: {engine.literal(type_)}" for name, type_ in types.items())
        reader = _json_reader() if as_json else _delimited_reader(delimiter)
        values = ", ".join(_value(field, patterns.get(field.name)) for field in dataset.fields)
        # Names and types are quoted above, and the rows come through a pipe.
        read = f"{reader[0]}({files}, columns = {{{columns}}}, auto_detect = false, {reader[1]})"
        return f"SELECT {values} FROM {read}"  # nosec B608

    engine.transform(feed, select, "FORMAT parquet", write)


def _column(field: Field) -> str:
    """The type of a field's column. A time that may have a zone is an instant, in UTC where it has none."""
    if field.type == "datetime":
        return "TIMESTAMP" if "%" in field.format and "%z" not in field.format else "TIMESTAMP WITH TIME ZONE"
    return _COLUMNS.get(field.type, "VARCHAR")


def _value(field: Field, pattern: str | None) -> str:
    name = engine.name(field.name)
    if pattern is None:
        return name
    return f"CAST(strptime({name}, {engine.literal(pattern)}) AS {_column(field)}) AS {name}"


def _delimited_line(cells: list[str | None], delimiter: str) -> str:
    """Cells in quotes. What is missing has none, by which the engine knows it from an empty text."""
    return delimiter.join('"' + cell.replace('"', '""') + '"' if cell is not None else "" for cell in cells) + "\n"


def _delimited_reader(delimiter: str) -> tuple[str, str]:
    options = {
        "header": "false",
        "delim": engine.literal(delimiter),
        "quote": "'\"'",
        "escape": "'\"'",
        "new_line": "'\\n'",
        "nullstr": "''",
        "allow_quoted_nulls": "false",
        "parallel": "false",
        # Quotes may double what was one line. A buffer holds one line at least, and sixteen of them if not told.
        "max_line_size": str(2 * LINE_LIMIT),
        "buffer_size": str(2 * LINE_LIMIT + 2**20),
    }
    return "read_csv", ", ".join(f"{name} = {value}" for name, value in options.items())


def _json_line(fields: list[Field], cells: list[str | None]) -> str:
    return json.dumps(dict(zip([field.name for field in fields], cells, strict=True)), ensure_ascii=False) + "\n"


def _json_reader() -> tuple[str, str]:
    # Where it is not told, it looks into the first files to see what an object is, and a pipe is read once only.
    return "read_json", f"format = 'newline_delimited', records = 'true', maximum_object_size = {LINE_LIMIT}"
