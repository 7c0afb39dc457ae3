"""Datasets for tests: those of this repository, and ones made from a text."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sluice.contract.check import Block, Check
from sluice.contract.descriptor import Dataset, load_dataset
from sluice.processors import NEEDS
from sluice.upload import RowError

DATASETS = Path(__file__).parents[2] / "lambda" / "datasets"


def dataset(name: str, **changes: object) -> Dataset:
    """One of them, with some of its parts changed."""
    return dataclasses.replace(load_dataset(DATASETS / f"{name}.yaml", NEEDS), **changes)


def described(text: str, processor: str = "clean") -> Dataset:
    """The dataset of a descriptor without `name`, `sluice:key` and `sluice:processor`, which are the same for all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset.yaml"
        head = f"name: dataset\nsluice:key: '{{name}}'\nsluice:processor: {processor}\n"
        path.write_text(head + text, encoding="utf-8")
        return load_dataset(path, NEEDS)


def loading(text: str, table: str, mode: str) -> Dataset:
    """The same for one that is loaded."""
    return described(f"{text}\nsluice:load: {{table: {table}, mode: {mode}}}\n", "load")


def checked_blocks(dataset: Dataset, data: bytes, size: int = 1 << 20) -> Iterator[Block]:
    """The valid rows of a file."""
    return Check(dataset, (data[at : at + size] for at in range(0, len(data), size)), lambda error: None).blocks()


def checked(dataset: Dataset, data: bytes, size: int = 1 << 20) -> tuple[Check, list[RowError], bytes]:
    """A file checked: the counts, the errors and the text of the valid rows."""
    errors: list[RowError] = []
    check = Check(dataset, (data[start : start + size] for start in range(0, len(data), size)), errors.append)
    text = b"".join(block.data for block in check.blocks())
    return check, errors, text
