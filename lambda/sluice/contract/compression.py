"""Compressed files: recognised by their first bytes, whatever they are called, and decompressed as they arrive."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from sluice.errors import PermanentError
from sluice.upload import REJECTED

_CHUNK = 1024 * 1024
# How many times its size a file's bytes may become. Rows of which only a counter differs become 535 times theirs with
# zstd, a hundred equal ones after another 297 times with gzip, which reaches 1,032 with anything. In Parquet, a column
# whose values are all the same takes a few bytes: a file of nothing else, as DuckDB writes it, becomes 9,000 times its
# size as text. What grows more is made to use up our time. So many bytes may come of any file, however small.
RATIO_LIMITS, _ANY_RATIO = {"gzip": 400, "zstd": 1000, "Parquet": 10_000}, 64 * 1024 * 1024


def decompress(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a file, decompressed where they are gzip (RFC 1952) or zstd (RFC 8878), checksums verified.

    Neither starts like any text, nor like Parquet. Raises PermanentError (`REJECTED`) where the data is corrupt or cut
    off, or grows to more than `RATIO_LIMITS` times its size; what came before has been given out by then.
    """
    chunks = iter(chunks)
    head = b""
    while len(head) < 4 and (chunk := next(chunks, None)) is not None:
        head += chunk
    chunks = chain([head] if head else [], chunks)
    if head.startswith(b"\x1f\x8b"):
        return _read("gzip", lambda file: gzip.GzipFile(fileobj=file), (gzip.BadGzipFile, zlib.error), chunks)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        # Not before it is needed: few files are zstd, and every cold start would pay for it.
        from backports import zstd

        return _read("zstd", zstd.ZstdFile, (zstd.ZstdError,), chunks)
    return chunks


def check_growth(name: str, taken: int, size: int) -> None:
    """Raises PermanentError (`REJECTED`) where `size` bytes are too many to come of those that were `taken`."""
    limit = RATIO_LIMITS[name]
    if size > max(limit * taken, _ANY_RATIO):
        reason = f"the {name} data grows to more than {limit:,} times its size"
        raise PermanentError(REJECTED, f"{reason}: upload it uncompressed, in parts if it is large")


def _read(
    name: str, open_: Callable[[BinaryIO], BinaryIO], corrupt: tuple[type[Exception], ...], chunks: Iterator[bytes]
) -> Iterator[bytes]:
    stream = _Stream(chunks)
    file = open_(io.BufferedReader(stream, _CHUNK))
    size = 0
    try:
        while data := file.read(_CHUNK):
            size += len(data)
            check_growth(name, stream.taken, size)
            yield data
    except EOFError as error:
        raise PermanentError(REJECTED, f"the {name} data is cut off: it ends before its end mark") from error
    except corrupt as error:
        raise PermanentError(REJECTED, f"the {name} data is corrupt") from error


class _Stream(io.RawIOBase):
    """Chunks as a file to read from; `taken` is how many of their bytes have been."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.taken = 0
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self.taken += len(chunk)
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
