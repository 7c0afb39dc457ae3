"""One row as delimited text, and back, in the dialect of its dataset."""

import csv
import io
from collections.abc import Iterable

from sluice.contract.dialect import Dialect


def format_row(cells: Iterable[str], dialect: Dialect) -> bytes:
    """The row as UTF-8 text ended by `\\n`, quoted where needed.

    What a reader of this dialect would lose is quoted too: a leading space that it skips, a row it takes for a comment.
    """
    cells = list(cells)
    spaced = dialect.skip_initial_space and any(cell.startswith(" ") for cell in cells)
    comment = dialect.comment and cells[0].startswith(dialect.comment)
    # A carriage return is a line end to many readers, though not to Python's writer.
    returned = any("\r" in cell for cell in cells)
    quoting = csv.QUOTE_ALL if spaced or comment or returned else csv.QUOTE_MINIMAL
    text = io.StringIO(newline="")
    csv.writer(text, **dialect.csv_options, lineterminator="\n", quoting=quoting).writerow(cells)
    return text.getvalue().encode()


def parse_row(line: bytes, dialect: Dialect) -> list[str]:
    """The cells of a row that is known to be valid, without its end."""
    return next(csv.reader([line.decode()], **dialect.csv_options))
