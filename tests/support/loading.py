"""Loads as the function does them, without Intake: a file's text checked, its valid rows loaded."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sluice.contract.check import Check
from sluice.contract.descriptor import Dataset, load_dataset
from sluice.processors import NEEDS, PROCESSORS
from sluice.table import Tables
from sluice.upload import Loaded, Position, RowError, Upload

PEOPLE = """
schema:
  primaryKey: id
  fields:
    - {name: id, type: integer}
    - {name: email, type: string, constraints: {required: true, maxLength: 40}}
"""


def loaded_dataset(mode: str, text: str = PEOPLE, table: str = "people") -> Dataset:
    """The dataset of a descriptor without `name`, `sluice:key`, `sluice:processor` and `sluice:load`."""
    own = "name: dataset\nsluice:key: '{name}'\nsluice:processor: load\n"
    own += f"sluice:load: {{table: {table}, mode: {mode}}}\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset.yaml"
        path.write_text(own + text, encoding="utf-8")
        return load_dataset(path, NEEDS)


@dataclass
class Load:
    """What became of one."""

    loaded: Loaded
    duplicates: list[RowError]
    refused: list[RowError]


def load(
    tables: Tables,
    dataset: Dataset,
    data: bytes | Iterable[bytes],
    key: str = "a.csv",
    day: int = 1,
    version: str = "v1",
) -> Load:
    """Loads a file, uploaded on that day of January 2026."""
    chunks = [data] if isinstance(data, bytes) else data
    errors: list[RowError] = []
    check = Check(dataset, chunks, errors.append)
    position = Position("", datetime(2026, 1, day, tzinfo=UTC))
    writer = tables.create(Upload("uploads", key, version, 1), dataset, position)
    try:
        PROCESSORS[dataset.processor].process(check.blocks(), writer.write, dataset, "")
        loaded, duplicates = writer.commit(check.good)
    except BaseException:
        writer.abort()
        raise
    return Load(loaded, duplicates, errors)
