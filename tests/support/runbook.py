"""docs/runbook.md as tests read it."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("Means", "Look", "Fix")
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Section:
    """What to do about an alarm; `commands` are words by part."""

    alarm: str
    template: str
    parts: dict[str, str]

    def lines(self, part: str) -> list[str]:
        """The commands of a part, as a shell gets them."""
        return [line for block in _BLOCK.findall(self.parts[part]) for line in block.splitlines()]

    def commands(self, part: str) -> list[list[str]]:
        """The commands of a part, as words."""
        return [shlex.split(line) for line in self.lines(part)]


def sections() -> list[Section]:
    """The sections of the runbook."""
    _, *texts = _split()
    return list(map(_section, texts))


def placeholders() -> set[str]:
    """What commands leave to whoever types them, as the table before the sections has it."""
    before, *_ = _split()
    named = re.findall(r"^\| (`[^|]+`) \|", before, flags=re.MULTILINE)
    return {name for names in named for name in re.findall(r"`(\w+)`", names)}


def commands() -> list[list[str]]:
    """Every command, as words."""
    return [words for section in sections() for part in section.parts for words in section.commands(part)]


def _split() -> list[str]:
    return re.split(r"^## ", (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), flags=re.MULTILINE)


def _section(text: str) -> Section:
    alarm, _, rest = text.partition("\n")
    head, *pieces = re.split(r"^\*\*(\w+):\*\* ", rest, flags=re.MULTILINE)
    [template] = re.findall(r"^Template: `([^`]+)`$", head, flags=re.MULTILINE)
    return Section(alarm.strip(), template, dict(zip(pieces[::2], pieces[1::2], strict=True)))
