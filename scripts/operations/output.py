"""What commands print: JSON for programs, lines and tables for people; no key in them can do anything to a terminal."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sluice.upload import RowError

# Wider than any table, for what is no terminal: nothing is folded or cut there.
_UNLIMITED = 100_000
# What may be of any length: where a terminal is too narrow, these columns are folded and no others.
_LONG = frozenset({"key", "reason", "rule", "text"})


def print_json(document: dict) -> None:
    """One JSON object."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_json_line(document: dict) -> None:
    """One JSON object on a line of its own, at once."""
    print(json.dumps(document, ensure_ascii=False, separators=(",", ":")), flush=True)


def printable(text: str) -> str:
    """The text with all that is no visible character or space written as an escape, as uploaders choose their keys."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def say(text: str) -> None:
    """Tells people of progress: not on stdout, which with --json belongs to a program."""
    print(printable(text), file=sys.stderr, flush=True)


def console(*, stderr: bool = False) -> Console:
    """Where tables go."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNLIMITED
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table of cells in their `printable` form; None is shown as -."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, overflow="fold", no_wrap=heading not in _LONG)
    for row in rows:
        made.add_row(*(Text("-" if cell is None else printable(str(cell))) for cell in row))
    return made


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a `table`, without the spaces that fill up its last column where it is no terminal."""
    here = console()
    if here.is_terminal:
        here.print(table(headings, rows))
        return
    with here.capture() as captured:
        here.print(table(headings, rows))
    for line in captured.get().splitlines():
        print(line.rstrip())


def moment(time: datetime | None) -> str | None:
    """A time as people read it, in UTC."""
    return time and f"{time:%Y-%m-%d %H:%M:%S}"


def quoted(error: RowError) -> str:
    """The offending text in quotes, so that its spaces are seen."""
    return json.dumps(error.as_dict()["text"], ensure_ascii=False)


def sentence(error: RowError) -> str:
    """A row error on one line."""
    where = "the file" if error.row is None else f"row {error.row}: {error.field or 'the row'}"
    return f"{where} {error.message} ({error.error}): {quoted(error)}"
