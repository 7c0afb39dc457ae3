"""How a sample file is written: compressed, as JSON or Parquet, or delimited in some dialect and encoding."""

import csv
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

from operations.readings import is_value
from sluice import engine
from sluice.contract.compression import decompress
from sluice.contract.dialect import Dialect, compile_dialect
from sluice.contract.fields import compile_field
from sluice.contract.json_array import array_lines
from sluice.contract.parquet import parquet_lines
from sluice.errors import PermanentError

_CHUNK = 1 << 20
_DELIMITERS = (",", ";", "\t", "|")
_CODECS = {"utf-8": "utf-8-sig"}


class SampleError(ValueError):
    """A sample that no descriptor can be made from; the message says why."""


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, piece by piece."""
    with path.open("rb") as file:
        yield from iter(partial(file.read, _CHUNK), b"")


def write_plain(sample: Path, plain: Path) -> str:
    """Writes what a sample holds, decompressed, and returns its format: csv, jsonl, json or parquet."""
    try:
        with plain.open("wb") as file:
            file.writelines(decompress(chunks(sample)))
    except PermanentError as error:
        raise SampleError(error.reason) from error
    with plain.open("rb") as file:
        start = file.read(4)
        if not start:
            raise SampleError("the file is empty")
        if start == b"PAR1":
            return "parquet"
        file.seek(0)
        first = file.readline(_CHUNK).removeprefix(b"\xef\xbb\xbf").strip()
    if _is_object(first):
        return "jsonl"
    if first.startswith(b"[") and _is_object(next(_lines(array_lines(chunks(plain))), b"")):
        return "json"
    if first.startswith(b"{"):
        raise SampleError("its first line is no JSON object: JSON is read as one object a line, or an array of them")
    return "csv"


def json_records(plain: Path, format_: str) -> Iterator[dict]:
    """The objects of a file in another format than csv; what is none is left out, for the check to tell of.

    Raises SampleError for a Parquet file that cannot be read.
    """
    raw = chunks(plain)
    try:
        if format_ == "json":
            raw = array_lines(raw)
        elif format_ == "parquet":
            source = f"read_parquet({engine.literal(str(plain))})"
            described = engine.fetch(f"DESCRIBE SELECT * FROM {source}")  # nosec B608
            fields = [compile_field({"name": name, "type": "any"}, frozenset()) for name, *_ in described]
            raw = parquet_lines(raw, fields)
        for line in _lines(raw):
            if _is_object(line):
                yield json.loads(line.removeprefix(b"\xef\xbb\xbf"), parse_float=Decimal)
    except PermanentError as error:
        raise SampleError(error.reason) from error


def write_text(plain: Path, text: Path) -> str:
    """Writes a delimited file as UTF-8 without a mark and returns its encoding; raises SampleError for no text."""
    with plain.open("rb") as file:
        marked = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if marked else ("utf-8", "windows-1252", "iso-8859-1"):
        try:
            with (
                plain.open(encoding=_CODECS.get(encoding, encoding), newline="") as source,
                text.open("w", encoding="utf-8", newline="") as target,
            ):
                while part := source.read(_CHUNK):
                    if "\0" in part:
                        raise SampleError("the file is not text: it holds NUL characters")
                    target.write(part)
            return encoding
        except UnicodeError:
            continue
    raise SampleError("the file is not text: its mark says UTF-16, its bytes do not")


def dialects(text: Path) -> Iterator[dict]:
    """The dialect that DuckDB finds, then what else the file may have been written in."""
    import duckdb

    try:
        [found] = engine.fetch(
            "SELECT Delimiter, Quote, Escape, Comment, HasHeader, SkipRows "
            f"FROM sniff_csv({engine.literal(str(text))}, sample_size = -1)"  # nosec B608
        )
    except duckdb.Error:
        pass
    else:
        yield _dialect(*found)
    for delimiter in _DELIMITERS:
        dialect = {} if delimiter == "," else {"delimiter": delimiter}
        first = next(rows(text, compile_dialect(dialect)), [])
        # Where a value stands, no name does.
        yield {**dialect, "header": False} if any(map(is_value, first)) else dialect


def rows(text: Path, dialect: Dialect) -> Iterator[list[str]]:
    """The rows as Python reads them: good enough for a first guess, that our own check is asked about."""
    with text.open(encoding="utf-8", newline="") as file:
        lines = (line for number, line in enumerate(file, 1) if not dialect.skips(number, line))
        try:
            yield from filter(None, csv.reader(lines, **dialect.csv_options))
        except csv.Error:
            return


def _dialect(delimiter: str, quote: str, escape: str, comment: str, header: bool, skipped: int) -> dict:
    """In the words of a descriptor, without what is the default; DuckDB calls a character that is not used (empty)."""
    dialect = {}
    if len(delimiter) == 1 and delimiter != ",":
        dialect["delimiter"] = delimiter
    if len(quote) == 1 and quote != '"':
        dialect["quoteChar"] = quote
    if len(escape) == 1 and escape not in (quote, '"'):
        dialect["escapeChar"] = escape
    if len(comment) == 1:
        dialect["commentChar"] = comment
    if not header:
        dialect["header"] = False
    if skipped:
        dialect |= {"headerRows": [skipped + 1]} if header else {"commentRows": list(range(1, skipped + 1))}
    return dialect


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    yield rest


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.removeprefix(b"\xef\xbb\xbf")), dict)
    except (ValueError, RecursionError):
        return False
