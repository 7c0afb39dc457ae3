"""Bytes to physical lines of UTF-8: counted, taken one by one or many at once, in constant memory."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Any

from sluice.errors import PermanentError
from sluice.upload import REJECTED

LINE_LIMIT = 16 * 1024 * 1024
_SNIFFED = 64 * 1024
_UTF_8_MARK = codecs.BOM_UTF8
# Files that people take for text, or name like it, and how these start.
_KINDS = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook or Word document",
    b"%PDF-": "a PDF document",
    b"PAR1": "Parquet",
    b"\x89PNG\r\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
}
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Lines:
    """The physical lines of a byte stream, each taken once: one by one, or many at once.

    `chunks` yields bytes, which are made UTF-8 as they arrive where they are not. `number` is the last line taken.
    `count` is taken from the bytes before anything is made of them, so that it can be held against what was. Raises
    PermanentError (`REJECTED`) for what is no text.
    """

    def __init__(self, chunks: Iterable[bytes], encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self.number = 0
        self._chunks = iter(_to_utf_8(chunks, encoding))
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
        """Takes one line: its text, and whether it is broken (no text, or with a NUL in it); None at the end."""
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
        head = bytearray()
        for chunk in self._chunks:
            head += chunk
            if len(head) >= _SNIFFED:
                break
        self._data = _text_start(bytes(head), self.encoding)
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


def _text_start(head: bytes, encoding: str) -> bytes:
    """The first bytes, made UTF-8, without their byte order mark; raises PermanentError where they are no such text."""
    if encoding != "utf-16" and head.startswith(tuple(_single_to_8(mark, encoding) for mark in _UTF_16)):
        raise PermanentError(REJECTED, f"the file is UTF-16 text; export it as {encoding.upper()}")
    if kind := next((kind for start, kind in _KINDS.items() if head.startswith(start)), None):
        raise PermanentError(REJECTED, f"the file is {kind}, not text")
    lines = head[:_SNIFFED].split(b"\n")
    if 2 * sum(b"\0" in line for line in lines) >= len(lines):
        raise PermanentError(REJECTED, "the file is not text: it is full of NUL bytes")
    if encoding in ("utf-8", "utf-16"):
        return head.removeprefix(_UTF_8_MARK)
    if head.startswith(_single_to_8(_UTF_8_MARK, encoding)):
        raise PermanentError(REJECTED, f"the file is UTF-8 text; export it as {encoding.upper()}")
    return head


def _decode(raw: bytes) -> tuple[str, bool] | None:
    if not raw:
        return None
    try:
        return raw.decode("utf-8"), b"\0" in raw
    except UnicodeDecodeError:
        return raw.decode("utf-8", errors="replace"), True


def _to_utf_8(chunks: Iterable[bytes], encoding: str) -> Iterable[bytes]:
    """The same text as UTF-8; what is no text in its encoding becomes what is no UTF-8 either."""
    if encoding == "utf-8":
        return chunks
    if encoding == "utf-16":
        return _utf_16_to_8(chunks)
    return (_single_to_8(chunk, encoding) for chunk in chunks)


def _single_to_8(raw: bytes, encoding: str) -> bytes:
    """Text of one byte a character. A byte without a character stays: alone, it is no UTF-8."""
    return raw.decode(encoding, "surrogateescape").encode("utf-8", "surrogateescape")


def _utf_16_to_8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """UTF-16 as UTF-8, so that lines can be split by bytes.

    What is no UTF-16 (half a surrogate pair, half a character at the end) becomes what is no UTF-8 either, so that it
    costs the line it stands on. Raises PermanentError where there is no byte order mark: nothing else tells the order.
    """
    head, decoder = b"", None
    for chunk in chunks:
        if decoder is None:
            head += chunk
            if len(head) < 2:
                continue
            decoder, chunk = _utf_16_decoder(head[:2]), head[2:]
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    if decoder is None:
        if not head:
            return
        decoder = _utf_16_decoder(head)
    if decoder.getstate()[0]:
        yield b"\xff"


def _utf_16_decoder(mark: bytes) -> codecs.IncrementalDecoder:
    if mark not in _UTF_16:
        raise PermanentError(REJECTED, "the file is not UTF-16 text: it has no byte order mark")
    return codecs.getincrementaldecoder(_UTF_16[mark])("surrogatepass")
