"""Bytes to records: delimited text (RFC 4180) in one pass and constant memory, each record with its line."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sluice.errors import PermanentError
from sluice.upload import REJECTED

LINE_LIMIT = 16 * 1024 * 1024
# How far a quoted cell may reach over lines. Without a bound, one unclosed quote would swallow the rest of the file.
QUOTED_LIMIT = 1024 * 1024
_SNIFFED = 64 * 1024
_BOM = b"\xef\xbb\xbf"

_QUOTING = "has a quote that is never closed, or text after a closing one"

csv.field_size_limit(LINE_LIMIT)


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written (https://specs.frictionlessdata.io/csv-dialect/)."""

    delimiter: str = ","
    quote: str = '"'
    header: bool = True


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


class LineReader:
    """The physical lines of a byte stream, counted.

    `chunks` yields bytes. Iterating gives lines with their ends. `count` is the number of lines seen so far,
    taken from the raw bytes, so that it can be held against what was made of them.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.count = 0

    def __iter__(self) -> Iterator[_Line]:
        for number, raw in enumerate(self._raw_lines(), 1):
            try:
                text, broken = raw.decode("utf-8"), b"\0" in raw
            except UnicodeDecodeError:
                text, broken = raw.decode("utf-8", errors="replace"), True
            yield _Line(number, text, broken)

    def _raw_lines(self) -> Iterator[bytes]:
        rest, first = b"", True
        for chunk in self._chunks:
            if first:
                # The first bytes decide whether this is text: small reads must not hide a NUL or split the BOM.
                rest += chunk
                if len(rest) < _SNIFFED:
                    continue
                chunk, rest, first = _text_start(rest), b"", False
            self.count += chunk.count(b"\n")
            rest = yield from self._split(rest + chunk)
        if first and rest:
            rest = _text_start(rest)
            self.count += rest.count(b"\n")
            rest = yield from self._split(rest)
        if rest:
            self.count += 1
            yield rest

    def _split(self, data: bytes) -> Iterator[bytes]:
        lines = data.split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield line + b"\n"
        if len(rest) > LINE_LIMIT:
            raise PermanentError(REJECTED, f"a line is longer than {LINE_LIMIT // 2**20} MiB: check its line ends")
        return rest


def _text_start(head: bytes) -> bytes:
    """The first bytes without their byte order mark; raises PermanentError where they are no UTF-8 text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PermanentError(REJECTED, "the file is UTF-16 text; export it as UTF-8")
    if b"\0" in head[:_SNIFFED]:
        raise PermanentError(REJECTED, "the file is not text: it holds NUL bytes")
    return head.removeprefix(_BOM)


def read_records(lines: Iterable[_Line], dialect: Dialect) -> Iterator[Record]:
    """The records of the lines.

    A quoted cell may hold delimiters, doubled quotes and line ends. A quote that is never legally closed costs the
    one line it stands on: what follows is read anew.
    """
    source = iter(lines)
    again: deque[_Line] = deque()

    def next_line() -> _Line | None:
        return again.popleft() if again else next(source, None)

    while (line := next_line()) is not None:
        content = line.text.rstrip("\r\n")
        if line.broken:
            yield Record(line.number, 1, [], ("encoding-error", "is not UTF-8 text", content))
        elif not content:
            yield Record(line.number, 1, [])
        elif dialect.quote not in content:
            yield Record(line.number, 1, content.split(dialect.delimiter))
        else:
            taken: list[_Line] = []

            def feed(first: _Line = line, taken: list[_Line] = taken) -> Iterator[str]:
                yield first.text
                size = len(first.text)
                while size <= QUOTED_LIMIT and (more := next_line()) is not None:
                    taken.append(more)
                    if more.broken:
                        return
                    size += len(more.text)
                    yield more.text

            try:
                reader = csv.reader(feed(), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
                cells = next(reader)
            except csv.Error:
                again.extendleft(reversed(taken))
                yield Record(
                    line.number,
                    1,
                    [],
                    ("row-error", "has a quote that is never closed, or text after a closing one", content),
                )
            else:
                yield Record(line.number, 1 + len(taken), cells)
