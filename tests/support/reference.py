"""Frictionless and Sluice on the same descriptor and file: the errors each finds, as (row, field, code)."""

import csv
import io
import itertools
import tempfile
from pathlib import Path

import frictionless
import yaml

from sluice.contract.check import Check
from sluice.contract.descriptor import Needs, load_dataset

Found = set[tuple[int, str | None, str]]

# Frictionless guesses what a dialect leaves out from the file, Sluice takes the defaults.
_SPELLED_OUT = {"delimiter": ",", "quoteChar": '"', "skipInitialSpace": False}
_OWN = {"sluice:key": "{name}", "sluice:processor": "clean", "sluice:format": "csv"}


def ours(descriptor: dict, data: bytes) -> Found:
    """What Sluice finds, through the descriptor's file as a deployment reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset.yaml"
        path.write_text(yaml.safe_dump({"name": "dataset", **descriptor, **_OWN}), encoding="utf-8")
        dataset = load_dataset(path, {"clean": Needs()})
    errors = []
    check = Check(dataset, [data], errors.append)
    assert sum(block.rows for block in check.blocks()) == check.good
    return {(error.row, error.field, error.error) for error in errors}


def theirs(descriptor: dict, data: bytes) -> Found:
    """What Frictionless finds. It counts records; the rows given here are the physical lines they start on."""
    dialect = {**_SPELLED_OUT, **descriptor.get("dialect", {})}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "file.csv").write_bytes(data)
        resource = frictionless.Resource.from_descriptor(
            {"name": "dataset", "encoding": "utf-8", **descriptor, "dialect": dialect, "path": "file.csv"},
            basepath=folder,
        )
        report = resource.validate(limit_errors=100_000)
    starts = _starts(data.decode(descriptor.get("encoding", "utf-8")), dialect)
    assert not report.errors, report.errors
    # Errors of the header have no row.
    return {
        (starts.get(getattr(error, "row_number", 0), 0), getattr(error, "field_name", "") or None, error.type)
        for error in report.tasks[0].errors
    }


def _starts(text: str, dialect: dict) -> dict[int, int]:
    """The physical line on which each record starts, by the record's number."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=dialect["delimiter"], quotechar=dialect["quoteChar"])
    starts, start = {}, 1
    for number in itertools.count(1):
        if next(reader, None) is None:
            return starts
        starts[number], start = start, reader.line_num + 1
