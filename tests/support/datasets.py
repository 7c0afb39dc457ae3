"""The datasets of this repository."""

import dataclasses
from pathlib import Path

from sluice.contract.descriptor import Dataset, load_dataset
from sluice.processors import FIELD_TYPES

DATASETS = Path(__file__).parents[2] / "lambda" / "datasets"


def dataset(name: str, **changes: object) -> Dataset:
    """One of them, with some of its parts changed."""
    return dataclasses.replace(load_dataset(DATASETS / f"{name}.yaml", FIELD_TYPES), **changes)
