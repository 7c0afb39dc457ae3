"""The SQL of one load, from the text of its rows to the rows in their table.

What both MySQL 8 and MariaDB take, and a temporary table no more than once a statement, as MySQL wants it. Where values
are given with a statement, `%s` stands for each of them and `%%` for a percent sign.
"""

from collections.abc import Iterable

from sluice.contract.descriptor import Dataset
from sluice.load.columns import columns, own_columns, quote

# The session's own, made for a load: the rows as they were read, and where they stand in their file.
STAGING = "sluice_staging"
LINES = "sluice_lines"
# Of each load, made in the same transaction: what became of its rows, for whoever asks for it again.
LOADS = "sluice_loads"
# The order of uploads and of their rows from its last part to its first: the greater one is the later one.
_ORDER = ("sluice_row", "sluice_upload", "sluice_version", "sluice_key", "sluice_modified")
# The text is what processors/load.py writes. An escape character would make a backslash in a text something else.
_TEXT = (
    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
)

CREATE_LOADS = (
    f"CREATE TABLE IF NOT EXISTS {LOADS} (upload CHAR(32) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, "
    "table_name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, inserted BIGINT NOT NULL, "
    "updated BIGINT NOT NULL, duplicates BIGINT NOT NULL, loaded_at DATETIME(6) NOT NULL, errors LONGBLOB NOT NULL)"
)
RECORD = (
    f"INSERT INTO {LOADS} (upload, table_name, inserted, updated, duplicates, loaded_at, errors) "
    "VALUES (%s, %s, 0, 0, 0, UTC_TIMESTAMP(6), '')"
)
RECORDED = f"SELECT inserted, updated, duplicates, errors FROM {LOADS} WHERE upload = %s"
COUNTED = f"UPDATE {LOADS} SET inserted = %s, updated = %s, duplicates = %s, errors = %s WHERE upload = %s"
DROP_STAGED = f"DROP TEMPORARY TABLE IF EXISTS {STAGING}, {LINES}"


def name(text: str) -> str:
    """A name in SQL that values are put into."""
    return quote(text).replace("%", "%%")


def keys(dataset: Dataset) -> list[tuple[str, ...]]:
    """The fields of each key that the table has: the primary key first, then the unique fields."""
    primary = [dataset.primary_key] if dataset.primary_key else []
    return primary + [(field.name,) for field in dataset.fields if field.unique and (field.name,) not in primary]


def stage(dataset: Dataset) -> tuple[str, str]:
    """The table that the text is loaded into, its rows numbered from 1 in their order, and the load."""
    definitions = _list(f"{quote(column.name)} {column.definition}" for column in columns(dataset))
    names = _list(quote(field.name) for field in dataset.fields)
    return _numbered(STAGING, definitions), f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {STAGING} {_TEXT} ({names})"


def stage_lines() -> tuple[str, str]:
    """The same for the physical line of each row."""
    load = f"LOAD DATA LOCAL INFILE 'lines' INTO TABLE {LINES} {_TEXT} (sluice_line)"
    return _numbered(LINES, "sluice_line BIGINT UNSIGNED NOT NULL"), load


def transfer(dataset: Dataset, has_lines: bool) -> str:
    """Puts the staged rows into their table, one after another in their order.

    Affected are 1 for a row inserted, 2 for one updated, 0 for one left as it was. The values, here and below, are how
    far a row's line is after its number, where there are no lines staged, and of the upload its id, when it was last
    modified, its key and its version id.
    """
    target, mode = name(dataset.target.table), dataset.target.mode
    # What each column of the table gets.
    values = {name(field.name): f"s.{name(field.name)}" for field in dataset.fields}
    values |= {column.name: f"u.{column.name}" for column in own_columns(dataset)} | {"sluice_row": _row(has_lines)}
    sql = (
        f"INSERT INTO {target} ({', '.join(values)}) SELECT STRAIGHT_JOIN {', '.join(values.values())} "
        f"FROM {_staged(has_lines)} ORDER BY s.sluice_n"
    )
    if mode == "append":
        return sql
    if mode == "insert-ignore":
        # Not INSERT IGNORE, which would also ignore that a value does not fit.
        return f"{sql} ON DUPLICATE KEY UPDATE sluice_row = {target}.sluice_row"
    # Each part of the order is assigned after those that it outweighs: what is assigned already cannot turn the rest.
    theirs = _list(f"{target}.{part}" for part in reversed(_ORDER))
    later = f"({_list(values[part] for part in reversed(_ORDER))}) > ({theirs})"
    changed = [*(name(field.name) for field in dataset.fields), *_ORDER]
    return f"{sql} ON DUPLICATE KEY UPDATE " + _list(
        f"{column} = IF({later}, {values[column]}, {target}.{column})" for column in changed
    )


def count_duplicates(dataset: Dataset, has_lines: bool) -> str:
    """How many staged rows are not those that their table has now, and how many of these gave way to one of the same
    upload. Its one key is the primary key."""
    return (
        "SELECT STRAIGHT_JOIN COUNT(*), COALESCE(SUM(k0.sluice_upload = u.sluice_upload), 0) "
        f"FROM {_clashes(dataset, has_lines)}"
    )


def list_duplicates(dataset: Dataset, has_lines: bool, limit: int) -> str:
    """The first of the same: line, values of the fields of all keys, then of each key upload and line of the row
    that has it in the table, NULL where none has."""
    parts = [f"s.{name(field)}" for key in keys(dataset) for field in key]
    holders = [f"k{place}.sluice_upload, k{place}.sluice_row" for place in range(len(keys(dataset)))]
    return (
        f"SELECT STRAIGHT_JOIN {', '.join([_row(has_lines), *parts, *holders])} "
        f"FROM {_clashes(dataset, has_lines)} ORDER BY s.sluice_n LIMIT {limit}"
    )


def _clashes(dataset: Dataset, has_lines: bool) -> str:
    """Staged rows beside the rows that have their keys, where one of these is another row."""
    target = name(dataset.target.table)
    joins, others = [], []
    for place, key in enumerate(keys(dataset)):
        same = " AND ".join(f"k{place}.{name(field)} = s.{name(field)}" for field in key)
        joins.append(f"LEFT JOIN {target} AS k{place} ON {same}")
        # NULL where there is none.
        others.append(f"NOT (k{place}.sluice_row = {_row(has_lines)} AND k{place}.sluice_upload = u.sluice_upload)")
    return f"{_staged(has_lines)} {' '.join(joins)} WHERE {' OR '.join(others)}"


def _staged(has_lines: bool) -> str:
    # In the character set of the columns that they are compared with: MySQL takes these for columns of a table, and
    # refuses to compare one of utf8mb4 with one of ascii ("illegal mix of collations").
    upload = (
        "(SELECT CAST(%s AS UNSIGNED) AS shift, CAST(%s AS CHAR(32) CHARACTER SET ascii) AS sluice_upload, "
        "CAST(%s AS DATETIME(6)) AS sluice_modified, %s AS sluice_key, "
        "CAST(%s AS CHAR(1024) CHARACTER SET ascii) AS sluice_version) AS u"
    )
    lines = f" JOIN {LINES} AS l ON l.sluice_n = s.sluice_n" if has_lines else ""
    return f"{upload} JOIN {STAGING} AS s{lines}"


def _row(has_lines: bool) -> str:
    return "l.sluice_line" if has_lines else "s.sluice_n + u.shift"


def _numbered(table: str, columns: str) -> str:
    number = "sluice_n BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY"
    return f"CREATE TEMPORARY TABLE {table} ({number}, {columns}) ENGINE = InnoDB"


def _list(parts: Iterable[str]) -> str:
    return ", ".join(parts)
