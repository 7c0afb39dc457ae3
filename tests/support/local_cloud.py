"""The table of docs/local-cloud.md: what the local cloud does with each property of the templates."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "local-cloud.md"
APPLIED, DROPPED, NOT_RUN = "applied", "dropped", "not run"
READ_BACK, WITH_DATABASE = "read back", "read back with a database"
LINT = "cfn-lint"

_ROW = re.compile(r"^\| `(?P<kind>\w+::[\w:]+)` \| (?P<names>[^|]+) \| (?P<state>[^|]+) \| (?P<shown>[^|]+) \|$")


@dataclass(frozen=True)
class Row:
    kind: str
    properties: tuple[str, ...]
    state: str
    shown: tuple[str, ...]
    """Tests, as pytest names them, or READ_BACK, WITH_DATABASE or LINT."""

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """(type, property) of each."""
        return {(self.kind, name) for name in self.properties}


def table() -> list[Row]:
    """The rows of the table. Fails where a line of it is written otherwise."""
    _, _, body = DOCUMENT.read_text(encoding="utf-8").rpartition("|---|---|---|---|\n")
    return [_row(line) for line in body.splitlines()]


def pairs(state: str, shown: str | None = None) -> set[tuple[str, str]]:
    """(type, property) of what is in a state, or of that which is shown by this."""
    return {pair for row in table() if row.state == state and shown in (None, *row.shown) for pair in row.pairs}


def _row(line: str) -> Row:
    found = _ROW.match(line)
    assert found, f"{DOCUMENT.name}: no row of the table: {line}"
    names = re.findall(r"`(\w+)`", found["names"])
    return Row(found["kind"], tuple(names), found["state"], tuple(found["shown"].replace("`", "").split("; ")))
