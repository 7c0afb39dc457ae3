"""Bytes to records: delimited text (RFC 4180) in one pass and constant memory, each record with its line."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sluice.contract.dialect import Dialect
from sluice.errors import PermanentError
from sluice.upload import REJECTED

LINE_LIMIT = 16 * 1024 * 1024
# How far a quoted cell may reach over lines. Without a bound, one unclosed quote would swallow the rest of the file.
QUOTED_LIMIT = 1024 * 1024
_SNIFFED = 64 * 1024
_BOM = b"\xef\xbb\xbf"

_QUOTING = "has a quote that is never closed, or text after a closing one"

csv.field_size_limit(LINE_LIMIT)


@dataclass(frozen=True, slots=True)
class Record:
    """One record: the physical line it starts on, the lines it covers, its cells, or the defect that hides them.

    A blank line is a record without cells. `defect` is (Frictionless error code, message, the line's text).
    """

    line: int
    lines: int
    cells: list[str]
    defect: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str
    broken: bool


class Lines:
    """The physical lines of a byte stream, each taken once: one by one, or a whole run that an expression accepts.

    `chunks` yields bytes. `count` is taken from the raw bytes as they arrive, so that it can be held against what was
    made of them. Raises PermanentError (`REJECTED`) for what is no text.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._data = b""
        self._at = 0
        self._number = 0
        self._again: deque[_Line] = deque()
        self._ends = 0
        self._open = False
        self._begin()

    @property
    def count(self) -> int:
        """Lines that have arrived, a last one without an end included."""
        return self._ends + self._open

    def accepted(self, acceptor: Any) -> tuple[bytes, int]:
        """Takes the run of whole lines from here that the expression matches, and says how many; maybe none."""
        if self._again:
            return b"", 0
        while self._data.find(b"\n", self._at) < 0:
            if not self._fill():
                return b"", 0
        end = acceptor.match(self._data, self._at).end()
        run = self._data[self._at : end]
        self._at = end
        rows = run.count(b"\n")
        self._number += rows
        return run, rows

    def next(self) -> _Line | None:
        """Takes one line; None at the end."""
        if self._again:
            return self._again.popleft()
        while (end := self._data.find(b"\n", self._at) + 1) == 0:
            if not self._fill():
                end = len(self._data)
                break
        raw = self._data[self._at : end]
        if not raw:
            return None
        self._at = end
        self._number += 1
        try:
            return _Line(self._number, raw.decode("utf-8"), b"\0" in raw)
        except UnicodeDecodeError:
            return _Line(self._number, raw.decode("utf-8", errors="replace"), True)

    def unread(self, lines: list[_Line]) -> None:
        """Puts lines back that were taken last."""
        self._again.extendleft(reversed(lines))

    def _begin(self) -> None:
        """The first bytes decide whether this is text: small reads must not hide a NUL or split the BOM."""
        head = b""
        for chunk in self._chunks:
            head += chunk
            if len(head) >= _SNIFFED:
                break
        self._data = _text_start(head)
        self._count(self._data)

    def _fill(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._data = self._data[self._at :] + chunk
        self._at = 0
        if len(self._data) - len(chunk) > LINE_LIMIT:
            raise PermanentError(REJECTED, f"a line is longer than {LINE_LIMIT // 2**20} MiB: check its line ends")
        self._count(chunk)
        return True

    def _count(self, chunk: bytes) -> None:
        self._ends += chunk.count(b"\n")
        if chunk:
            self._open = not chunk.endswith(b"\n")


def _text_start(head: bytes) -> bytes:
    """The first bytes without their byte order mark; raises PermanentError where they are no UTF-8 text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PermanentError(REJECTED, "the file is UTF-16 text; export it as UTF-8")
    if b"\0" in head[:_SNIFFED]:
        raise PermanentError(REJECTED, "the file is not text: it holds NUL bytes")
    return head.removeprefix(_BOM)


def read_record(lines: Lines, dialect: Dialect) -> Record | None:
    """The next record; None at the end.

    A quoted cell may hold delimiters, doubled quotes and line ends. A quote that is never legally closed costs the
    one line it stands on: what follows is read anew.
    """
    line = lines.next()
    if line is None:
        return None
    content = line.text.rstrip("\r\n")
    if line.broken:
        return Record(line.number, 1, [], ("encoding-error", "is not UTF-8 text", content))
    if not content:
        return Record(line.number, 1, [])
    if dialect.quote not in content:
        return Record(line.number, 1, content.split(dialect.delimiter))
    taken: list[_Line] = []

    def feed() -> Iterator[str]:
        yield line.text
        size = len(line.text)
        while size <= QUOTED_LIMIT and (more := lines.next()) is not None:
            taken.append(more)
            if more.broken:
                return
            size += len(more.text)
            yield more.text

    try:
        cells = next(csv.reader(feed(), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True))
    except csv.Error:
        lines.unread(taken)
        return Record(line.number, 1, [], ("row-error", _QUOTING, content))
    return Record(line.number, 1 + len(taken), cells)
