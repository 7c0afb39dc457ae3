"""Results as JSON lines (https://jsonlines.org)."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal

from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset
from sluice.contract.types import Value
from sluice.results.values import plain, rows

# Made once: json.dumps makes an encoder a call.
_quote = json.JSONEncoder(ensure_ascii=False).encode


def write_jsonl(blocks: Iterable[Block], write: Callable[[bytes], object], dataset: Dataset) -> None:
    """Rows of a file of JSON as they are; others as objects, numbers with all their digits, null where one is missing.

    Dates and times are text in the form of ISO 8601.
    """
    if dataset.format != "csv":
        for block in blocks:
            write(block.data)
        return
    names = [_quote(field.name) for field in dataset.fields]
    for values in rows(blocks, dataset):
        members = ",".join(f"{name}:{to_json(value)}" for name, value in zip(names, values, strict=True))
        write(f"{{{members}}}\n".encode())


def to_json(value: Value | None) -> str:
    """A value as JSON."""
    if type(value) is str:
        return _quote(value)
    if value is None:
        return "null"
    return plain(value) if isinstance(value, bool | int | Decimal) else _quote(plain(value))
