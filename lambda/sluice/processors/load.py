"""The valid rows as the text that LOAD DATA reads (https://dev.mysql.com/doc/refman/8.0/en/load-data.html).

UTF-8, a line each ended by `\\n`, with the number of the row's physical line in the file and a cell for each field,
separated by commas; cells may be in double quotes, which are doubled within; nothing is an escape. NULL is the bare
word. Numbers are exact, instants in UTC.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count

from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset
from sluice.contract.fields import Field
from sluice.contract.types import Value
from sluice.load.columns import columns
from sluice.processors.valid import some
from sluice.results.values import plain, rows

# Types whose text, as the fast path accepts it, MySQL reads as the same value.
_ALIKE = frozenset({"string", "integer", "number", "date", "time", "year", "yearmonth"})
_REMEMBERED = 4096
# Replaced one after another: of cells next to each other, every other one is found at a time.
_EMPTY_CELLS = ((b",,", b",NULL,"), (b",,", b",NULL,"), (b"\n,", b"\nNULL,"), (b",\n", b",NULL\n"))


def load(blocks: Iterable[Block], write: Callable[[bytes], object], dataset: Dataset, seed: str) -> None:
    """Writes the valid rows as text for LOAD DATA.

    Raises PermanentError (`REJECTED`) where no row is valid. Nothing is drawn from `seed`.
    """
    blocks = some(blocks)
    alike, delimited = _is_alike(dataset), dataset.format == "csv"
    is_full = not any(column.nullable for column in columns(dataset))
    writers = [_writer(field) for field in dataset.fields]
    for block in blocks:
        # As a cell, the word would be text in the file and NULL in the table.
        if alike and block.values is None and b"NULL" not in block.data:
            write(_numbered(block.data if is_full else _with_nulls(block.data), block))
        elif delimited and block.values is None:
            write(_numbered(_rewritten(block.data, dataset.dialect.delimiter, writers), block))
        else:
            write(b"".join(map(_line, count(block.line), rows([block], dataset))))


def _is_alike(dataset: Dataset) -> bool:
    """Whether the lines of the fast path are such text already, but for cells without a value."""
    is_plain = dataset.format == "csv" and dataset.dialect.delimiter == ","
    return is_plain and all(map(_is_alike_in, dataset.fields))


def _is_alike_in(field: Field) -> bool:
    return field.type in _ALIKE and "%" not in field.format


def _numbered(lines: bytes, block: Block) -> bytes:
    """The lines of a block, none of which has a line end within, each with its number before it."""
    form = b"%d," + lines[:-1].replace(b"%", b"%%").replace(b"\n", b"\n%d,") + b"\n"
    return form % tuple(range(block.line, block.line + block.rows))


def _with_nulls(lines: bytes) -> bytes:
    """Lines without a quote in them, with NULL in the place of each empty cell."""
    text = b"\n" + lines
    for empty, null in _EMPTY_CELLS:
        if empty in text:
            text = text.replace(empty, null)
    return text[1:]


def _rewritten(lines: bytes, delimiter: str, writers: list[Callable[[str], str]]) -> bytes:
    """Lines without a quote in them, each cell written anew."""
    rows = (line.split(delimiter) for line in lines.decode().split("\n")[:-1])
    return "".join(",".join([w(cell) for w, cell in zip(writers, row, strict=True)]) + "\n" for row in rows).encode()


def _writer(field: Field) -> Callable[[str], str]:
    """What a cell of the fast path becomes."""
    if field.type == "string":
        return lambda cell: f'"{cell}"' if cell else "NULL"
    if _is_alike_in(field):
        return lambda cell: cell or "NULL"
    # Booleans and days are few.
    return lru_cache(_REMEMBERED)(lambda cell: _cell(field.parse(cell)))


def _line(number: int, values: list[Value | None]) -> bytes:
    return (",".join([str(number), *map(_cell, values)]) + "\n").encode()


def _cell(value: Value | None) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "1" if value else "0"
        case str():
            return '"' + value.replace('"', '""') + '"'
        case datetime():
            # One without a zone is taken as it is.
            return (value.astimezone(UTC) if value.tzinfo else value).strftime("%Y-%m-%d %H:%M:%S.%f")
    return plain(value)
