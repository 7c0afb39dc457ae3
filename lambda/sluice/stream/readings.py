"""Readings: what a record of the stream must be, by the contract of its dataset as files are."""

import codecs
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sluice.contract.check import check_record
from sluice.contract.descriptor import Dataset
from sluice.contract.json_lines import json_record, show_cell
from sluice.contract.temporal import in_order
from sluice.stream.records import Record
from sluice.stream.windows import Resolution, Window
from sluice.upload import RowError

# The dataset that the stream's records are of, and what it has of fields, in this order.
DATASET, FIELDS = "temperature", ("sensor", "time", "temperature")
# Beside three or four digits before the point and 14 for the number of readings, what 38 digits leave; a device that
# computes in floating point writes up to 17.
FRACTION_DIGITS = 20
# Clocks of devices are never quite right; one that is further ahead is wrong.
_AHEAD = timedelta(minutes=5)
_BEHIND = timedelta(days=Resolution.MINUTE.retention_days)


@dataclass(frozen=True, slots=True)
class Reading:
    """A valid record: the minute that it counts in, and the degrees Celsius."""

    window: Window
    temperature: Decimal


def check_reading(record: Record, dataset: Dataset, row: int) -> tuple[Reading | None, list[RowError]]:
    """The reading that a record is, or the rules that it violates; `row` is its line in the raw object.

    The record is one JSON object, line ends in it or not. What depends on time goes by the record's arrival, so that a
    retry comes to the same.
    """
    data = record.data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
        broken = "is not text: it has a NUL" if "\0" in text else ""
    except UnicodeDecodeError:
        text, broken = data.decode(errors="replace"), "is not UTF-8 text"
    parsed = json_record(text, row, dataset.positions, broken)
    if not parsed.cells and not parsed.defect:
        return None, [RowError(row, None, "row-error", "is not a JSON object: there is nothing in it", text)]
    values, errors = check_record(parsed, dataset.fields)
    if errors:
        return None, errors
    sensor, time, temperature = values
    time = in_order(time)
    if temperature.as_tuple().exponent < -FRACTION_DIGITS:
        rule = f"must have {FRACTION_DIGITS} digits after its point at most, so that sums are exact"
        errors.append(_error(row, "temperature", rule, parsed.cells[2]))
    if time - record.arrival > _AHEAD:
        rule = f"must be {_AHEAD.seconds // 60} minutes after the record's arrival at most: check the sensor's clock"
        errors.append(_error(row, "time", rule, parsed.cells[1]))
    elif record.arrival - time > _BEHIND:
        rule = f"must be {_BEHIND.days} days before the record's arrival at most, which is how long minutes are kept"
        errors.append(_error(row, "time", rule, parsed.cells[1]))
    if errors:
        return None, errors
    return Reading(Window.of(sensor, Resolution.MINUTE, time), temperature), []


def full_window_error(record: Record, row: int) -> RowError:
    """The rule that a reading violates whose minute can take no more batches (stream/applied.py)."""
    rule = (
        "is in a minute that holds readings of more batches than can be told apart: "
        "does the sensor's clock stand, or each record have a partition key of its own?"
    )
    return _error(row, "time", rule, record.data.decode(errors="replace"))


def _error(row: int, field: str, rule: str, cell: object) -> RowError:
    return RowError(row, field, "constraint-error", rule, show_cell(cell))
