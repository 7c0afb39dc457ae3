"""Samples: files of random valid rows, in the format and the dialect of their dataset."""

import codecs
import json
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from random import Random

from sluice.contract.check import Block, Check
from sluice.contract.delimited import format_row
from sluice.contract.descriptor import Dataset
from sluice.errors import PermanentError
from sluice.results.jsonl import to_json
from sluice.results.parquet import write_parquet
from sluice.samples.domains import SampleError
from sluice.samples.rows import Drawn, draw_rows
from sluice.upload import RowError

MOST_ROWS = 100_000
# What is in memory as a whole, until it is sent.
BYTES_LIMIT = 32 * 1024 * 1024
_PIECE = 256 * 1024
# Rows after which the time is looked at.
_TIMED = 1000
_TEXT_LENGTH = 20
Rows = Iterable[list[Drawn]]


@dataclass(frozen=True)
class Sample:
    """A file, how many rows it has, and what kind of file it is."""

    data: bytes
    rows: int
    content_type: str
    suffix: str


def make_text(seed: int) -> Sample:
    """A text of 20 letters and digits, the same for the same seed."""
    text = "".join(Random(seed).choices(string.ascii_letters + string.digits, k=_TEXT_LENGTH))  # repeatable  # nosec B311
    return Sample(text.encode(), 1, "text/plain; charset=utf-8", "txt")


def make_sample(dataset: Dataset, rows: int, seed: int, has_time: Callable[[], bool]) -> Sample:
    """A file of so many rows that holds to its dataset's contract, the same for the same seed and code.

    What has been made is checked as an upload would be, keys included. Raises SampleError where there can be no such
    file, it would have more than `BYTES_LIMIT` bytes, or `has_time` says that there is no time left to make it.
    """
    kind = _KINDS[dataset.format]
    written = bytearray()

    def check_time() -> None:
        if not has_time():
            raise SampleError("rows", f"so many rows of {dataset.name} cannot be made in time: ask for fewer")

    def drawn() -> Iterator[list[Drawn]]:
        for number, row in enumerate(draw_rows(dataset, rows, Random(seed))):  # repeatable  # nosec B311
            if number % _TIMED == 0:
                check_time()
            yield row

    def pieces() -> Iterator[bytes]:
        for piece in _joined(kind.write(drawn(), dataset)):
            written.extend(piece)
            _check_size(len(written), dataset)
            yield piece

    errors: list[RowError] = []
    has_keys = dataset.primary_key or any(field.unique for field in dataset.fields)
    # A table keeps its keys itself, and what is loaded into it is not compared row by row.
    strict = replace(dataset, checks_keys=True, acceptor=None) if has_keys else dataset
    check = Check(strict, pieces(), errors.append, check_time)
    try:
        for _ in check.blocks():
            if errors:
                break
    except PermanentError as error:
        raise SampleError("dataset", f"what was made is no file of {dataset.name}: {error.reason}") from error
    if errors:
        where = f"field {errors[0].field} " if errors[0].field else ""
        raise SampleError("dataset", f"what was made breaks the contract of {dataset.name}: {where}{errors[0].message}")
    if check.good != rows:
        raise SampleError("dataset", f"of {rows:,} rows that were made, {check.good:,} were read")
    return Sample(bytes(written), rows, kind.content_type.format(dataset.encoding), kind.suffix)


def _check_size(size: int, dataset: Dataset) -> None:
    if size > BYTES_LIMIT:
        reason = f"so many rows of {dataset.name} have more than {BYTES_LIMIT // 2**20} MiB: ask for fewer"
        raise SampleError("rows", reason)


def _joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of a quarter of a megabyte or so."""
    held, size = [], 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _PIECE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _write_delimited(rows: Rows, dataset: Dataset) -> Iterator[bytes]:
    """Delimited text in its encoding, with something on the lines that are no rows."""
    dialect = dataset.dialect
    header = [[field.name for field in dataset.fields]] if dialect.header else []
    encoder = codecs.getincrementalencoder(dataset.encoding)()
    line = 1
    for cells in chain(header, ([drawn.cell for drawn in row] for row in rows)):
        while dialect.skips(line, ""):
            yield encoder.encode(f"{dataset.name}\n")
            line += 1
        text = format_row(cells, dialect).decode()
        line += text.count("\n")
        try:
            yield encoder.encode(text)
        except UnicodeEncodeError as error:
            raise SampleError("dataset", f"its header is no {dataset.encoding} text") from error


def _write_lines(rows: Rows, dataset: Dataset) -> Iterator[bytes]:
    names = [json.dumps(field.name, ensure_ascii=False) for field in dataset.fields]
    for row in rows:
        members = ",".join(f"{name}:{to_json(drawn.cell)}" for name, drawn in zip(names, row, strict=True))
        yield f"{{{members}}}\n".encode()


def _write_array(rows: Rows, dataset: Dataset) -> Iterator[bytes]:
    before = b"[\n"
    for line in _write_lines(rows, dataset):
        yield before + line[:-1]
        before = b",\n"
    yield b"\n]\n"


def _write_columns(rows: Rows, dataset: Dataset) -> Iterator[bytes]:
    pieces: list[bytes] = []

    def blocks() -> Iterator[Block]:
        size = 0
        for row in rows:
            # The file is compressed, but texts that must differ are remembered as they are.
            size += sum(len(drawn.cell) for drawn in row if type(drawn.cell) is str)
            _check_size(size, dataset)
            yield Block(b"", 1, 0, [drawn.value for drawn in row])

    # By their values alone, whatever the texts were.
    write_parquet(blocks(), pieces.append, replace(dataset, acceptor=None))
    return iter(pieces)


@dataclass(frozen=True)
class _Kind:
    write: Callable[[Rows, Dataset], Iterator[bytes]]
    content_type: str
    suffix: str


_KINDS = {
    "csv": _Kind(_write_delimited, "text/csv; charset={}", "csv"),
    "jsonl": _Kind(_write_lines, "application/jsonl; charset=utf-8", "jsonl"),
    "json": _Kind(_write_array, "application/json", "json"),
    "parquet": _Kind(_write_columns, "application/vnd.apache.parquet", "parquet"),
}
