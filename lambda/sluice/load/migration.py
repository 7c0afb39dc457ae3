"""What has to be done to a table for a dataset to be loaded into it: nothing, something safe, or a refusal.

Nothing here asks a database. What a table is, and what it should be, is both told in the server's own words, so that no
type has to be read.
"""

from dataclasses import dataclass
from typing import NoReturn

from sluice.contract.descriptor import Dataset
from sluice.load.columns import columns, create_table, own_columns, quote

_REMEDY = "change the table by hand, or name another one in sluice:load"


class MigrationError(Exception):
    """A table that no safe change makes what its dataset asks for; the message says what to do."""


@dataclass(frozen=True)
class ExistingColumn:
    """A column as information_schema has it: `type` is COLUMN_TYPE, with the collation where it is text."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True)
class ExistingTable:
    """A table as the server describes it: its columns in order, and the columns of the primary and each unique key."""

    columns: tuple[ExistingColumn, ...]
    primary_key: tuple[str, ...] = ()
    unique: frozenset[tuple[str, ...]] = frozenset()


def plan(dataset: Dataset, existing: ExistingTable | None, wanted: ExistingTable) -> list[str]:
    """The statements that make the table what the dataset asks for; none where it is that already.

    `existing` is None where there is no such table, `wanted` what `create_table` makes on that server. New columns are
    added where they may be NULL, and columns that no field has are left alone where they may be. Raises MigrationError
    for anything else.
    """
    if existing is None:
        return [create_table(dataset)]
    for name, there, asked in (
        ("primary key", existing.primary_key, wanted.primary_key),
        ("unique keys", sorted(existing.unique), sorted(wanted.unique)),
    ):
        if there != asked:
            _refuse(dataset, f"{name}: there is {_shown(there)}, and the schema asks for {_shown(asked)}")
    # Names of columns know no case.
    found = {column.name.lower(): column for column in existing.columns}
    for column in wanted.columns:
        there = found.pop(column.name.lower(), None)
        if there is None and not column.nullable:
            _refuse(dataset, f"column {column.name} is not there, and rows that are would have no value for it")
        if there and _described(there) != _described(column):
            asked = _described(column)
            _refuse(dataset, f"column {column.name} is {_described(there)}, and the schema asks for {asked}")
    for left in found.values():
        if not left.nullable:
            _refuse(dataset, f"column {left.name} is {_described(left)}, and no field of the schema gives it a value")
    names = {column.name.lower() for column in existing.columns}
    return [
        f"ALTER TABLE {quote(dataset.target.table)} ADD COLUMN {quote(column.name)} {column.definition}"
        for column in columns(dataset) + own_columns(dataset)
        if column.name.lower() not in names
    ]


def _refuse(dataset: Dataset, reason: str) -> NoReturn:
    raise MigrationError(f"dataset {dataset.name}, table {dataset.target.table}: {reason}: {_REMEDY}")


def _described(column: ExistingColumn) -> str:
    return f"{column.type} {'NULL' if column.nullable else 'NOT NULL'}"


def _shown(key: tuple | list) -> str:
    return ", ".join(part if isinstance(part, str) else f"({', '.join(part)})" for part in key) or "none"
