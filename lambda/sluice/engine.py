"""DuckDB, for what is columnar: queries that read from pipes and write into one, in one thread and without a disk.

It is loaded by the first upload that needs it: every cold start would pay for it otherwise.
"""

import errno
import functools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from sluice.errors import PermanentError, TransientError
from sluice.upload import REJECTED

_PIECE = 1024 * 1024
# DuckDB keeps what it has read from a pipe until the pipe's end, so rows come through many, each one once. What is more
# than all of them hold comes through the last one, and then takes memory.
_PIPE_BYTES = 16 * 1024 * 1024
_PIPES = 1000
# Seconds after which an engine that does not go on is taken for stuck: it is never busy with one pipe for so long.
_PATIENCE = 60
# A row group is in memory as a whole: so much text, so many rows at most (DuckDB's own number), in whole vectors.
_GROUP_BYTES = 16 * 1024 * 1024
_GROUP_ROWS = 122_880
_VECTOR = 2048


@functools.cache
def _connection() -> Any:
    import duckdb

    # Nothing is loaded from anywhere, nothing is put on disk: what does not fit into memory fails and says so. Results
    # come in the order of the rows, which one thread and this setting make certain.
    connection = duckdb.connect(
        config={
            "threads": 1,
            "preserve_insertion_order": True,
            "memory_limit": "400MB",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def fetch(sql: str) -> list[tuple]:
    """The rows that a statement gives; raises duckdb.Error."""
    return _connection().cursor().execute(sql).fetchall()


def name(text: str) -> str:
    """A name in SQL."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def stream(select: str, options: str) -> Iterator[bytes]:
    """The result of a query as COPY writes it with these options, in pieces; raises duckdb.Error."""
    source, target = os.pipe()
    with ThreadPoolExecutor(1) as pool:
        copied = pool.submit(_copy, select, options, target)
        with open(source, "rb", buffering=0) as pieces:
            while piece := pieces.read(_PIECE):
                yield piece
        copied.result()


def transform(
    feed: Callable[["Feed"], int], select: Callable[[str], str], options: str, write: Callable[[bytes], object]
) -> None:
    """Hands to `write` what COPY makes, with these options, of the rows that `feed` writes.

    `select` gives the query for the files that hold them, an SQL list. `feed` says how many rows it has written. Raises
    TransientError where the engine has stored another number of them, as what it loses must not look like success, and
    PermanentError (`REJECTED`) where rows are too wide for its memory.
    """
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        draining, target = os.pipe()
        drained = pool.submit(_drain, draining, write)

        def begin(files: str, width: int) -> Future:
            groups = f"ROW_GROUP_SIZE {_row_group(width)}"
            return pool.submit(_copy, select(files), f"{options}, {groups}", target)

        pipes = Feed(Path(folder), begin)
        rows = -1
        try:
            # Its reader has given up: why, its result tells.
            with suppress(BrokenPipeError):
                rows = feed(pipes)
        finally:
            try:
                pipes.close()
            finally:
                if not pipes.copied:
                    os.close(target)
        drained.result()
        if pipes.copied.result() != rows:
            raise TransientError(f"{rows} valid rows were handed to the engine, which stored {pipes.copied.result()}")


def _row_group(width: int) -> int:
    """How many rows a group has, which is in memory as a whole, where they have so many bytes of text on average."""
    return min(max(_GROUP_BYTES // width // _VECTOR, 1) * _VECTOR, _GROUP_ROWS)


class Feed:
    """Where rows are written for the engine to read: text, each row ended by a line end.

    What is written decides where a pipe ends and the next begins, not how it is cut into calls: the same rows give the
    same result. `copied` will say how many rows the engine has stored; None until it begins.
    """

    def __init__(self, folder: Path, begin: Callable[[str, int], Future]) -> None:
        self._folder = folder
        self._begin = begin
        self.copied: Future | None = None
        self._held: list[bytes] = []
        self._paths: list[Path] = []
        self._rest: list[Path] = []
        self._file: BinaryIO | None = None
        self._room = _PIPE_BYTES

    def write_rows(self, data: bytes) -> None:
        """Adds rows without line ends in them."""
        while len(data) >= self._room:
            end = data.index(b"\n", self._room - 1) + 1
            self.write_row(data[:end])
            data = data[end:]
        if data:
            self.write_row(data)

    def write_row(self, data: bytes) -> None:
        """Adds a row, which may have line ends in quotes."""
        if self._file:
            self._file.write(data)
        else:
            # Most uploads need one pipe only, but that is known when they have ended.
            self._held.append(data)
        self._room -= len(data)
        if self._room <= 0:
            if not self._file:
                self._start(_PIPES)
            if self._rest:
                self._file.close()
                self._file = self._open(self._rest.pop(0))
            self._room = _PIPE_BYTES

    def close(self) -> None:
        """Ends the rows."""
        try:
            with suppress(BrokenPipeError):
                if not self._paths:
                    self._start(1)
                if self._file:
                    self._file.close()
                # The engine waits for every pipe that it was told of.
                for path in self._rest:
                    self._open(path).close()
        finally:
            self._release()

    def _start(self, pipes: int) -> None:
        self._paths = [self._folder / str(number) for number in range(pipes)]
        for path in self._paths:
            os.mkfifo(path)
        width = sum(map(len, self._held)) // (sum(data.count(b"\n") for data in self._held) or 1)
        self.copied = self._begin(f"[{', '.join(literal(str(path)) for path in self._paths)}]", max(width, 1))
        first, *self._rest = self._paths
        self._file = self._open(first)
        self._file.writelines(self._held)
        self._held.clear()

    def _open(self, path: Path) -> BinaryIO:
        """The end to write into, once the engine has opened the other one; raises BrokenPipeError where it has ended.

        An open that waits for the reader would wait forever for one that has failed. Raises TransientError where it
        does not come.
        """
        deadline = time.monotonic() + _PATIENCE
        while not self.copied.done():
            try:
                end = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                if time.monotonic() > deadline:
                    raise TransientError(f"the engine has not asked for more rows in {_PATIENCE} seconds") from error
                time.sleep(0.0001)
            else:
                os.set_blocking(end, True)
                return open(end, "wb", buffering=_PIECE)
        raise BrokenPipeError

    def _release(self) -> None:
        """Ends an engine that still waits for somebody to open one of its pipes: the others are gone."""
        if self.copied and not wait([self.copied], timeout=_PATIENCE).done:
            for path in self._paths:
                end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
                path.unlink()
                os.close(end)


def _copy(select: str, options: str, target: int) -> int:
    """Runs COPY, then closes the pipe it wrote into: whoever reads from it learns that this is all."""
    import duckdb

    try:
        return fetch(f"COPY ({select}) TO '/dev/fd/{target}' ({options})")[0][0]
    except duckdb.OutOfMemoryException as error:
        raise PermanentError(REJECTED, "its rows are too wide for Parquet: they do not fit into memory") from error
    finally:
        os.close(target)


def _drain(end: int, write: Callable[[bytes], object]) -> None:
    with open(end, "rb", buffering=0) as pieces:
        while piece := pieces.read(_PIECE):
            write(piece)
