"""Lines to records: delimited text (RFC 4180 and its dialects) in one pass and constant memory, each with its line."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sluice.contract.dialect import Dialect
from sluice.contract.lines import LINE_LIMIT, Lines

# How far a quoted cell may reach over lines. Without a bound, one unclosed quote would swallow the rest of the file.
QUOTED_LIMIT = 1024 * 1024

_QUOTING = "has a quote that is never closed, or text after a closing one"

csv.field_size_limit(LINE_LIMIT)


@dataclass(frozen=True, slots=True)
class Record:
    """One record: the physical line it starts on, the lines it covers, its cells, or the defect that hides them.

    A blank line is a record without cells. `skipped` is one that its dialect says is no row. `defect` is (Frictionless
    error code, message, the line's text). `text` is the line itself, where it is to be passed on as it is.
    """

    line: int
    lines: int
    cells: list[Any]
    defect: tuple[str, str, str] | None = None
    skipped: bool = False
    text: str = ""


def read_record(lines: Lines, dialect: Dialect) -> Record | None:
    """The next record; None at the end.

    A quoted cell may hold delimiters, doubled quotes and line ends, an escaped character is always text. A quote that
    is never legally closed costs the one line it stands on: what follows is read anew.
    """
    first = lines.next()
    if first is None:
        return None
    text, broken = first
    line, content = lines.number, text.rstrip("\r\n")
    if dialect.may_skip and dialect.skips(line, content):
        return Record(line, 1, [], skipped=True)
    if broken:
        return Record(line, 1, [], ("encoding-error", f"is not {lines.encoding.upper()} text", content))
    if not content:
        return Record(line, 1, [])
    if dialect.quote not in content and (dialect.escape is None or dialect.escape not in content):
        cells = content.split(dialect.delimiter)
        if dialect.skip_initial_space:
            cells = [cell.lstrip(" ") for cell in cells]
            return Record(line, 1, [] if cells == [""] else cells)
        return Record(line, 1, cells, text="" if "\r" in content else content)
    lines.hold()
    try:
        cells = next(csv.reader(_feed(text, lines, dialect), strict=True, **dialect.csv_options))
    except csv.Error:
        lines.rewind()
        return Record(line, 1, [], ("row-error", _QUOTING, content))
    lines.release()
    return Record(line, lines.number - line + 1, [] if cells == [""] else cells)


def _feed(text: str, lines: Lines, dialect: Dialect) -> Iterator[str]:
    """A record's first line, and what follows for as long as it may belong to it."""
    yield text
    quote = dialect.quote.encode()
    after = quote + dialect.delimiter.encode() + b"\r\n"
    left = QUOTED_LIMIT
    # An escaped quote closes nothing, and an escaped line end continues a cell without quotes: line by line, then.
    while left > 0 and (more := lines.next() if dialect.escape else lines.through_quote(quote, after, left)):
        if more[1]:
            return
        left -= len(more[0])
        yield more[0]
