"""JSON arrays to JSON lines: each element becomes a line, so that one bad element costs no other."""

import re
from collections.abc import Iterable, Iterator

from sluice.contract.lines import LINE_LIMIT
from sluice.errors import PermanentError
from sluice.upload import REJECTED

_SPACE = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"
# A whole string, or what opens, closes and separates. A string that is not closed yet matches its quote only.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
# In a string, a line end is as wrong as any other control character, and is to be found as one.
_WRONG_LINE_ENDS = bytes.maketrans(b"\r\n", b"\x01\x01")
_PIECE = 1024 * 1024


def array_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The elements of the array that a file consists of, one a line, in pieces of a megabyte or so.

    Only brackets, strings and commas are looked at: what an element holds is for the check of its line. Raises
    PermanentError (`REJECTED`) where the file is no array, or one that has no end.
    """
    scan = _Scan(iter(chunks))
    scan.skip_space()
    if scan.take(3) == _MARK:
        scan.at += 3
        scan.skip_space()
    if scan.take(1) != b"[":
        if not scan.take(1):
            return
        raise PermanentError(REJECTED, "the file is not a JSON array: it must start with [")
    scan.at += 1
    number, lines, size = 0, [], 0
    while True:
        element, last = scan.element()
        number += 1
        text = element.strip(_SPACE)
        if text:
            lines.append(_line(text))
            size += len(text)
            if size > _PIECE:
                yield b"".join(lines)
                lines, size = [], 0
        elif number > 1 or not last:
            raise PermanentError(REJECTED, f"the JSON array is malformed: there is nothing where element {number} is")
        if last:
            break
    yield b"".join(lines)
    scan.skip_space()
    if scan.take(1):
        raise PermanentError(REJECTED, f"the JSON array ends after element {number}, but the file goes on")


def _line(element: bytes) -> bytes:
    """An element on one line."""
    if b"\n" in element or b"\r" in element:
        element = _STRING.sub(lambda string: string[0].translate(_WRONG_LINE_ENDS), element).translate(_LINE_ENDS)
    return element + b"\n"


class _Scan:
    """The bytes of a file, read on as they are needed; `at` is how far they have been used."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data = b""
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next bytes, without using them; fewer at the end."""
        while len(self._data) - self.at < count and self._more():
            pass
        return self._data[self.at : self.at + count]

    def skip_space(self) -> None:
        while (byte := self.take(1)) and byte in _SPACE:
            self.at += 1

    def element(self) -> tuple[bytes, bool]:
        """The bytes up to the comma or bracket that ends the element, and whether it is the last one."""
        depth, position = 0, self.at
        while True:
            match = _TOKEN.search(self._data, position)
            token = match[0] if match else b'"'
            if token == b'"':
                # A string, or whatever comes next, is not all there yet. What `at` lies before is kept.
                resume = (match.start() if match else len(self._data)) - self.at
                # As much again as there is: a long string is then not searched for each chunk anew.
                if not self._more(max(len(self._data) - self.at, 1)):
                    raise PermanentError(REJECTED, "the JSON array has no end: the file is cut off, or a quote is open")
                position = self.at + resume
                continue
            position = match.end()
            if token in b"[{":
                depth += 1
            elif depth and token in b"]}":
                depth -= 1
            elif not depth and token in b",]":
                element = self._data[self.at : match.start()]
                self.at = position
                return element, token == b"]"

    def _more(self, size: int = 1) -> bool:
        """Reads so many bytes on, or to the end; False where that is reached already."""
        kept = len(self._data) - self.at
        if kept > LINE_LIMIT:
            raise PermanentError(REJECTED, f"an element of the array is longer than {LINE_LIMIT // 2**20} MiB")
        chunks = [self._data[self.at :]]
        while size > 0 and (chunk := next(self._chunks, None)) is not None:
            chunks.append(chunk)
            size -= len(chunk)
        self._data = b"".join(chunks)
        self.at = 0
        return len(chunks) > 1
