"""One row as delimited text, and back, in the dialect of its dataset."""

import csv
import io
from collections.abc import Iterable

from sluice.contract.dialect import Dialect


def format_row(cells: Iterable[str], dialect: Dialect) -> bytes:
    """The row as UTF-8 text ended by `\\n`, quoted where needed."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def parse_row(line: bytes, dialect: Dialect) -> list[str]:
    """The cells of a row that is known to be valid, without its end."""
    text = line.decode().splitlines(keepends=True)
    return next(csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote))
