"""The formats a file may have: how its bytes become lines, and a line a record."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluice.contract.delimited import format_row
from sluice.contract.fields import Cell
from sluice.contract.json_array import array_lines
from sluice.contract.json_lines import parse_members, read_json_record
from sluice.contract.lines import Lines
from sluice.contract.parquet import parquet_lines
from sluice.contract.records import Record, read_record

if TYPE_CHECKING:
    from sluice.contract.descriptor import Dataset


@dataclass(frozen=True)
class Format:
    """What is made of a file: `lines` of its bytes, `read` takes a record from these.

    `write` makes one line of a record, without line ends but those in quotes; `cells` gives those of a line that the
    fast path has accepted.
    """

    lines: Callable[[Iterable[bytes], "Dataset"], Iterable[bytes]]
    read: Callable[[Lines, "Dataset"], Record | None]
    write: Callable[[Record, "Dataset"], bytes]
    cells: Callable[[bytes, "Dataset"], list[Cell]]


def _as_they_are(chunks: Iterable[bytes], dataset: "Dataset") -> Iterable[bytes]:
    return chunks


def _read_delimited(lines: Lines, dataset: "Dataset") -> Record | None:
    return read_record(lines, dataset.dialect)


def _write_delimited(record: Record, dataset: "Dataset") -> bytes:
    return record.text.encode() + b"\n" if record.text else format_row(record.cells, dataset.dialect)


def _read_json(lines: Lines, dataset: "Dataset") -> Record | None:
    return read_json_record(lines, dataset.positions)


def _write_json(record: Record, dataset: "Dataset") -> bytes:
    return record.text.encode() + b"\n"


def _delimited_cells(line: bytes, dataset: "Dataset") -> list[Cell]:
    return line.decode().split(dataset.dialect.delimiter)


def _json_cells(line: bytes, dataset: "Dataset") -> list[Cell]:
    return parse_members(line)


FORMATS = {
    "csv": Format(_as_they_are, _read_delimited, _write_delimited, _delimited_cells),
    "jsonl": Format(_as_they_are, _read_json, _write_json, _json_cells),
    "json": Format(lambda chunks, _: array_lines(chunks), _read_json, _write_json, _json_cells),
    "parquet": Format(
        lambda chunks, dataset: parquet_lines(chunks, dataset.fields), _read_json, _write_json, _json_cells
    ),
}
