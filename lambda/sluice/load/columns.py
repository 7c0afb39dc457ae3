"""The columns of a dataset's table, and the statement that creates it.

Only what Aurora MySQL 8 and MariaDB both know, written as neither has to guess.
"""

from dataclasses import dataclass

from sluice.contract.descriptor import VARCHAR_LIMIT, Dataset
from sluice.contract.fields import Field

# Of loads, and of the lines of a file: four thousand million, more than can be read in the time that there is.
COUNTER = "INT UNSIGNED"
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_ASCII = "CHARACTER SET ascii COLLATE ascii_bin"
_TYPES = {
    "integer": "BIGINT",
    "number": "DECIMAL(65,30)",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME(6)",
    "datetime": "DATETIME(6)",
    "year": "SMALLINT",
    "yearmonth": f"CHAR(7) {_ASCII}",
}


@dataclass(frozen=True)
class Column:
    """A column of a table: `definition` is its type and whether it may be NULL, in SQL."""

    name: str
    definition: str
    nullable: bool


def columns(dataset: Dataset) -> list[Column]:
    """A column for each field, in order."""
    return [_column(dataset, field) for field in dataset.fields]


def own_columns(dataset: Dataset) -> list[Column]:
    """The columns that say where a row comes from and, for `upsert`, how late its upload is."""
    own = [("sluice_upload", COUNTER), ("sluice_row", COUNTER)]
    if dataset.target.mode == "upsert":
        own += [
            ("sluice_modified", "DATETIME(6)"),
            ("sluice_key", f"VARCHAR(1024) {_TEXT}"),
            ("sluice_version", f"VARCHAR(1024) {_ASCII}"),
        ]
    return [Column(name, f"{type_} NOT NULL", nullable=False) for name, type_ in own]


def create_table(dataset: Dataset, name: str | None = None) -> str:
    """The statement that creates the table of a dataset, or one like it under another name."""
    parts = [f"{quote(column.name)} {column.definition}" for column in columns(dataset) + own_columns(dataset)]
    if dataset.primary_key:
        parts.append(f"PRIMARY KEY ({', '.join(map(quote, dataset.primary_key))})")
    parts += [f"UNIQUE KEY ({quote(field.name)})" for field in dataset.fields if field.unique]
    lines = ",\n  ".join(parts)
    return f"CREATE TABLE {quote(name or dataset.target.table)} (\n  {lines}\n) ENGINE=InnoDB {_TEXT}"


def quote(name: str) -> str:
    """A name in SQL."""
    return "`" + name.replace("`", "``") + "`"


def _column(dataset: Dataset, field: Field) -> Column:
    if field.max_length is not None and field.max_length <= VARCHAR_LIMIT:
        type_ = f"VARCHAR({max(field.max_length, 1)}) {_TEXT}"
    else:
        type_ = _TYPES.get(field.type, f"LONGTEXT {_TEXT}")
    nullable = not (field.required or field.name in dataset.primary_key)
    return Column(field.name, f"{type_} {'NULL' if nullable else 'NOT NULL'}", nullable)
