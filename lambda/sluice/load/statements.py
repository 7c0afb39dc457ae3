"""The SQL of one load, from the text of its rows to the rows in their table.

What both MySQL 8 and MariaDB take, and a temporary table no more than once a statement, as MySQL wants it. Where values
are given with a statement, `%s` stands for each of them and `%%` for a percent sign. What is put into the SQL itself
(`nosec`) are names of this module and of the descriptor, which are quoted, and numbers of our own.
"""

from collections.abc import Callable, Iterable

from sluice.contract.descriptor import Dataset
from sluice.load.columns import COUNTER, columns, own_columns, quote

# The session's own, made for a load: the rows as they were read, and the keys that their duplicates may have.
STAGING = "sluice_staging"
CONTESTED = "sluice_contested"
# Of each load, made in the same transaction: what became of its rows, for whoever asks for it again.
LOADS = "sluice_loads"
# The order of uploads and of their rows from its last part to its first: the greater one is the later one.
_ORDER = ("sluice_row", "sluice_upload", "sluice_version", "sluice_key", "sluice_modified")
# The text is what processors/load.py writes. An escape character would make a backslash in a text something else. It is
# the UTF-8 of the columns already: taken as bytes, it is not read character by character, but still checked.
_TEXT = (
    "CHARACTER SET binary FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
)

# What a load's rows get beside their own values. In the type and the character set of the columns that they are
# compared with, or MySQL refuses to ("illegal mix of collations").
_OF_UPLOAD = {
    "sluice_upload": "%(number)s",
    "sluice_modified": "CAST(%(modified)s AS DATETIME(6))",
    "sluice_key": "%(key)s",
    "sluice_version": "CAST(%(version)s AS CHAR(1024) CHARACTER SET ascii)",
}

CREATE_LOADS = (
    f"CREATE TABLE IF NOT EXISTS {LOADS} (number {COUNTER} NOT NULL AUTO_INCREMENT PRIMARY KEY, "
    "upload CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE, "
    "table_name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, inserted BIGINT NOT NULL, "
    "updated BIGINT NOT NULL, duplicates BIGINT NOT NULL, loaded_at DATETIME(6) NOT NULL, errors LONGBLOB NOT NULL)"
)
RECORD = (
    f"INSERT INTO {LOADS} (upload, table_name, inserted, updated, duplicates, loaded_at, errors) "  # nosec B608
    "VALUES (%s, %s, 0, 0, 0, UTC_TIMESTAMP(6), '')"
)
# Its rows have the number, which takes less room in them than the upload's id.
NUMBER = "SELECT LAST_INSERT_ID()"
RECORDED = f"SELECT inserted, updated, duplicates, errors FROM {LOADS} WHERE upload = %s"  # nosec B608
COUNTED = f"UPDATE {LOADS} SET inserted = %s, updated = %s, duplicates = %s, errors = %s WHERE number = %s"  # nosec B608
DROP_STAGED = f"DROP TEMPORARY TABLE IF EXISTS {STAGING}, {CONTESTED}"


def name(text: str) -> str:
    """A name in SQL that values are put into."""
    return quote(text).replace("%", "%%")


def keys(dataset: Dataset) -> list[tuple[str, ...]]:
    """The fields of each key that the table has: the primary key first, then the unique fields."""
    primary = [dataset.primary_key] if dataset.primary_key else []
    return primary + [(field.name,) for field in dataset.fields if field.unique and (field.name,) not in primary]


def has_one_key(dataset: Dataset) -> bool:
    """Whether the table has no key but the primary key."""
    return keys(dataset) == [dataset.primary_key]


def stage(dataset: Dataset) -> tuple[list[str], str]:
    """The session's tables for a load, and what loads the text into the first: its rows in the order in which they are
    transferred."""
    definitions = {column.name: f"{quote(column.name)} {column.definition}" for column in columns(dataset)}
    tables = [
        f"CREATE TEMPORARY TABLE {STAGING} ({_list(definitions.values())}, sluice_row {COUNTER} NOT NULL, "
        f"PRIMARY KEY ({_list(_order(dataset, quote))})) ENGINE = InnoDB"
    ]
    if has_one_key(dataset):
        tables.append(
            f"CREATE TEMPORARY TABLE {CONTESTED} ({_list(definitions[field] for field in dataset.primary_key)}, "
            f"sluice_repeats BIGINT NOT NULL, PRIMARY KEY ({_list(map(quote, dataset.primary_key))})) ENGINE = InnoDB"
        )
    names = _list(["sluice_row", *map(quote, definitions)])
    return tables, f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {STAGING} {_TEXT} ({names})"


def transfer(dataset: Dataset) -> str:
    """Puts the staged rows into their table: by its one key, and of a key in the order of the file, so that no two
    loads wait for each other crosswise; where it has no key or more than one, in the order of the file.

    Affected are 1 for a row inserted, 2 for one updated, 0 for one left as it was. It takes the `number` of the load,
    and of the upload when it was last `modified`, its `key` and its `version` id.
    """
    target, mode = name(dataset.target.table), dataset.target.mode
    # What each column of the table gets.
    values = {name(field.name): f"s.{name(field.name)}" for field in dataset.fields}
    given = _OF_UPLOAD | {"sluice_row": "s.sluice_row"}
    values |= {column.name: given[column.name] for column in own_columns(dataset)}
    sql = (
        f"INSERT INTO {target} ({', '.join(values)}) SELECT {', '.join(values.values())} "  # nosec B608
        f"FROM {STAGING} AS s ORDER BY {_list(f's.{column}' for column in _order(dataset, name))}"
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


def contest_repeated(dataset: Dataset) -> str:
    """Keeps the keys that more than one staged row has, and takes no values. The one key is the primary key."""
    key = _list(map(quote, dataset.primary_key))
    return (
        f"INSERT INTO {CONTESTED} ({key}, sluice_repeats) SELECT {key}, COUNT(*) - 1 "  # nosec B608
        f"FROM {STAGING} AS s GROUP BY {key} HAVING COUNT(*) > 1"
    )


# How many rows repeat the key of an earlier one.
COUNT_REPEATS = f"SELECT COALESCE(SUM(sluice_repeats), 0) FROM {CONTESTED}"  # nosec B608


def contest_others(dataset: Dataset, limit: int) -> str:
    """Keeps the keys of rows in the table that are of other loads than `number`, beside those that are kept already.
    Where more than `limit` are affected, it may not have kept all: 1 for each, 2 where the key was kept before."""
    key = [name(field) for field in dataset.primary_key]
    return (
        f"INSERT INTO {CONTESTED} ({_list(key)}, sluice_repeats) SELECT {_list(key)}, 0 "  # nosec B608
        f"FROM {name(dataset.target.table)} WHERE sluice_upload <> %(number)s LIMIT {limit + 1} "
        f"ON DUPLICATE KEY UPDATE sluice_repeats = {CONTESTED}.sluice_repeats + 1"
    )


def count_duplicates(dataset: Dataset, among_contested: bool) -> str:
    """How many staged rows are not those that their table has now, and how many of these gave way to one of the same
    load, `number`. Its one key is the primary key. They are looked for among all staged rows, or those whose key is
    kept: a duplicate has one that is contested."""
    return (
        "SELECT STRAIGHT_JOIN COUNT(*), COALESCE(SUM(k0.sluice_upload = %(number)s), 0) "  # nosec B608
        f"FROM {_clashes(dataset, among_contested)}"
    )


def list_duplicates(dataset: Dataset, among_contested: bool, limit: int) -> str:
    """The first of the same: line, values of the fields of all keys, then of each key upload and line of the row
    that has it in the table. The upload is NULL where it is this one, and the line where no row has the key."""
    parts = [f"s.{name(field)}" for key in keys(dataset) for field in key]
    holders, loads = [], []
    for place in range(len(keys(dataset))):
        upload = f"k{place}.sluice_upload"
        holders += [f"IF({upload} = %(number)s, NULL, COALESCE(h{place}.upload, {upload}))", f"k{place}.sluice_row"]
        loads.append(f"LEFT JOIN {LOADS} AS h{place} ON h{place}.number = k{place}.sluice_upload")
    return (
        f"SELECT STRAIGHT_JOIN {', '.join(['s.sluice_row', *parts, *holders])} "  # nosec B608
        f"FROM {_clashes(dataset, among_contested, loads)} ORDER BY s.sluice_row LIMIT {limit}"
    )


def _clashes(dataset: Dataset, among_contested: bool, loads: Iterable[str] = ()) -> str:
    """Staged rows beside the rows that have their keys, where one of these is another row."""
    target = name(dataset.target.table)
    joins, others = [f"{STAGING} AS s"], []
    if among_contested:
        joins = [f"{CONTESTED} AS c JOIN {joins[0]} ON {_same(dataset.primary_key, 'c', 's')}"]
    for place, key in enumerate(keys(dataset)):
        joins.append(f"LEFT JOIN {target} AS k{place} ON {_same(key, f'k{place}', 's')}")
        # NULL where there is none.
        others.append(f"NOT (k{place}.sluice_row = s.sluice_row AND k{place}.sluice_upload = %(number)s)")
    return f"{' '.join([*joins, *loads])} WHERE {' OR '.join(others)}"


def _same(key: Iterable[str], one: str, other: str) -> str:
    return " AND ".join(f"{one}.{name(field)} = {other}.{name(field)}" for field in key)


def _order(dataset: Dataset, quoted: Callable[[str], str]) -> list[str]:
    key = dataset.primary_key if has_one_key(dataset) else ()
    return [*map(quoted, key), "sluice_row"]


def _list(parts: Iterable[str]) -> str:
    return ", ".join(parts)
