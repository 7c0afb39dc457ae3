"""Rows to delimited text, in the dialect of their dataset."""

import csv
import io
from collections.abc import Callable, Iterable

from sluice.contract.records import Dialect

_PIECE = 256 * 1024


def write_rows(rows: Iterable[Iterable[object]], write: Callable[[bytes], object], dialect: Dialect) -> None:
    """Writes the rows as UTF-8 text with `\\n` line ends, quoted where needed, in pieces of about 256 KiB."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="\n")
    for row in rows:
        writer.writerow(row)
        if buffer.tell() >= _PIECE:
            write(buffer.getvalue().encode())
            buffer.seek(0)
            buffer.truncate()
    write(buffer.getvalue().encode())
