"""What `scripts/demo` can show: files, and with `--with` a database, the stream and the API, a module each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Shown:
    """What a part of the demo has to show: as JSON, as text, and what is not as it should be, in words."""

    document: dict = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def say(self, *lines: str) -> None:
        """Adds lines to the text."""
        self.text += lines

    def tell(self, name: str, rows: Sequence[dict], title: str) -> None:
        """Adds rows to the document, under a name, and to the text, as a table under a title."""
        self.document[name] = list(rows)
        if rows:
            cells = [["-" if value is None else str(value) for value in row.values()] for row in rows]
            self.say("", title, "", *table([list(rows[0]), *cells]))


def table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """The lines of a table, its columns as wide as they have to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
