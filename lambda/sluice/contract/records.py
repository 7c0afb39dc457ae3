"""Bytes to records: delimited text (RFC 4180) in one pass and constant memory, each record with its line."""

import csv
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


class Lines:
    """The physical lines of a byte stream, each taken once: one by one, or many at once.

    `chunks` yields bytes. `number` is the last line taken. `count` is taken from the raw bytes as they arrive, so that
    it can be held against what was made of them. Raises PermanentError (`REJECTED`) for what is no text.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.number = 0
        self._chunks = iter(chunks)
        self._data = b""
        self._at = 0
        self._held: tuple[int, int] | None = None
        self._ends = 0
        self._open = False
        self._begin()

    @property
    def count(self) -> int:
        """Lines that have arrived, a last one without an end included."""
        return self._ends + self._open

    def accepted(self, acceptor: Any) -> tuple[bytes, int]:
        """Takes the run of whole lines from here that the expression matches, and says how many; maybe none."""
        while self._data.find(b"\n", self._at) < 0:
            if not self._fill():
                return b"", 0
        return self._take(acceptor.match(self._data, self._at).end())

    def next(self) -> tuple[str, bool] | None:
        """Takes one line: its text, and whether it is broken (no UTF-8, or with a NUL in it); None at the end."""
        while (end := self._data.find(b"\n", self._at) + 1) == 0:
            if not self._fill():
                end = len(self._data)
                break
        return _decode(self._take(end)[0])

    def through_quote(self, quote: bytes, after: bytes, limit: int) -> tuple[str, bool] | None:
        """Takes all lines up to the next one with a quote in it, together.

        None where that is more than `limit` bytes away or not there, or where the quote is not followed by one of the
        bytes in `after` or the end: it then closes nothing.
        """
        while True:
            found = self._data.find(quote, self._at)
            end = self._data.find(b"\n", found) + 1 if found >= 0 else 0
            if end or len(self._data) - self._at > limit or not self._fill():
                break
        if found < 0 or (end or len(self._data)) - self._at > limit:
            return None
        if self._data[found + 1 : found + 2] not in after:
            return None
        return _decode(self._take(end or len(self._data))[0])

    def hold(self) -> None:
        """Remembers this place, to come back to with `rewind`; `release` forgets it."""
        self._held = (self._at, self.number)

    def rewind(self) -> None:
        """Goes back to the place that is held: what was taken since is taken anew."""
        self._at, self.number = self._held
        self.release()

    def release(self) -> None:
        """Forgets the place that is held, and with it what was read since."""
        self._held = None

    def _take(self, end: int) -> tuple[bytes, int]:
        run = self._data[self._at : end]
        self._at = end
        lines = run.count(b"\n") + (bool(run) and not run.endswith(b"\n"))
        self.number += lines
        return run, lines

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
        kept = self._held[0] if self._held else self._at
        self._data = self._data[kept:] + chunk
        self._at -= kept
        if self._held:
            self._held = (0, self._held[1])
        if len(self._data) - self._at - len(chunk) > LINE_LIMIT:
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


def _decode(raw: bytes) -> tuple[str, bool] | None:
    if not raw:
        return None
    try:
        return raw.decode("utf-8"), b"\0" in raw
    except UnicodeDecodeError:
        return raw.decode("utf-8", errors="replace"), True


def read_record(lines: Lines, dialect: Dialect) -> Record | None:
    """The next record; None at the end.

    A quoted cell may hold delimiters, doubled quotes and line ends. A quote that is never legally closed costs the
    one line it stands on: what follows is read anew.
    """
    first = lines.next()
    if first is None:
        return None
    text, broken = first
    line, content = lines.number, text.rstrip("\r\n")
    if broken:
        return Record(line, 1, [], ("encoding-error", "is not UTF-8 text", content))
    if not content:
        return Record(line, 1, [])
    if dialect.quote not in content:
        return Record(line, 1, content.split(dialect.delimiter))
    lines.hold()

    quote = dialect.quote.encode()
    after = quote + dialect.delimiter.encode() + b"\r\n"

    def feed() -> Iterator[str]:
        yield text
        left = QUOTED_LIMIT
        while left > 0 and (more := lines.through_quote(quote, after, left)) and not more[1]:
            left -= len(more[0])
            yield more[0]

    try:
        cells = next(csv.reader(feed(), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True))
    except csv.Error:
        lines.rewind()
        return Record(line, 1, [], ("row-error", _QUOTING, content))
    lines.release()
    return Record(line, lines.number - line + 1, cells)
