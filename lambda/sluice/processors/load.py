"""The valid rows as the text that LOAD DATA reads (https://dev.mysql.com/doc/refman/8.0/en/load-data.html).

UTF-8, a line each ended by `\\n`, a cell for each field, separated by commas; cells may be in double quotes, which are
doubled within; nothing is an escape. NULL is the bare word. Numbers are exact, instants in UTC.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import chain

from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset
from sluice.contract.types import Value
from sluice.errors import PermanentError
from sluice.results.values import plain, rows
from sluice.upload import REJECTED

# Types whose text, as the fast path accepts it, MySQL reads as the same value.
_ALIKE = frozenset({"string", "integer", "number", "date", "time", "year", "yearmonth"})
# Replaced one after another: of cells next to each other, every other one is found at a time.
_EMPTY_CELLS = ((b",,", b",NULL,"), (b",,", b",NULL,"), (b"\n,", b"\nNULL,"), (b",\n", b",NULL\n"))


def load(blocks: Iterable[Block], write: Callable[[bytes], object], dataset: Dataset, seed: str) -> None:
    """Writes the valid rows as text for LOAD DATA.

    Raises PermanentError (`REJECTED`) where no row is valid. Nothing is drawn from `seed`.
    """
    blocks = iter(blocks)
    first = next(blocks, None)
    if first is None:
        raise PermanentError(REJECTED, "no row is valid")
    alike = _is_alike(dataset)
    for block in chain([first], blocks):
        # As a cell, the word would be text in the file and NULL in the table.
        if alike and block.values is None and b"NULL" not in block.data:
            write(_with_nulls(block.data))
        else:
            write(b"".join(map(_line, rows([block], dataset))))


def _is_alike(dataset: Dataset) -> bool:
    """Whether the lines of the fast path are such text already, but for cells without a value."""
    is_plain = dataset.format == "csv" and dataset.dialect.delimiter == ","
    return is_plain and all(field.type in _ALIKE and "%" not in field.format for field in dataset.fields)


def _with_nulls(lines: bytes) -> bytes:
    """Lines without a quote in them, with NULL in the place of each empty cell."""
    text = b"\n" + lines
    for empty, null in _EMPTY_CELLS:
        if empty in text:
            text = text.replace(empty, null)
    return text[1:]


def _line(values: list[Value | None]) -> bytes:
    return (",".join(map(_cell, values)) + "\n").encode()


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
