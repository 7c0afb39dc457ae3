"""Tables of the database: the rows of an upload are all there, once, or none is."""

import json
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from typing import Any

from pymysql.constants import ER

from sluice.contract.descriptor import Dataset
from sluice.database import Connection, Database, DatabaseError
from sluice.errors import TransientError
from sluice.load import statements
from sluice.tracing import subsegment
from sluice.upload import Loaded, Position, RowError, Upload

# As many as an error report has.
LISTED_DUPLICATES = 100_000
# What the driver itself sends at once, so far as the server's buffer is concerned; it is a packet.
_PIECE = 64 * 1024
# To look each staged row up takes as long as to keep so many keys for each of them: more are not worth keeping.
_WORTH_KEEPING = 8
# Seconds before the transaction is tried again where it was in the way of another load, which goes on meanwhile.
_DELAYS = (0.1, 0.5, 2.0, 5.0)
_IN_THE_WAY = (ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT)


class Tables:
    """The tables of a database, connected when the first row is written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, upload: Upload, dataset: Dataset, position: Position) -> "TableWriter":
        """Where the rows of an upload are written on their way into the table of its dataset."""
        return TableWriter(self._database, upload, dataset, position)


class TableWriter:
    """The rows of one upload: `write` their text (load/statements.py), then `commit` or `abort`.

    They are staged in a table of the session's own and go into theirs in one transaction, which also says in
    `sluice_loads` what became of them. Every failure is a TransientError, and leaves the table as it was.
    """

    def __init__(self, database: Database, upload: Upload, dataset: Dataset, position: Position) -> None:
        self._database = database
        self._upload = upload
        self._dataset = dataset
        self._position = position
        self._buffer = bytearray()
        self._connection: Connection | None = None

    def write(self, data: bytes) -> None:
        """Adds text, cut anywhere."""
        self._buffer += data
        if len(self._buffer) >= _PIECE:
            self._send()

    def commit(self, rows: int) -> tuple[Loaded, list[RowError]]:
        """Makes the rows part of the table; what became of them, and the duplicates, `LISTED_DUPLICATES` at most.

        `rows` have been written. Says the same if it is done again, in another attempt as well.
        """
        self._send()
        loaded, warnings = self._connection.end_load()
        if loaded != rows or warnings:
            raise TransientError(f"{rows} rows were written, {loaded} loaded, with {warnings} warnings")
        self._connection.commit()
        with subsegment("Aurora", namespace="remote", sql={"database_type": "MySQL"}):
            loaded = self._repeat(lambda: self._transfer(rows))
        self._connection.execute(statements.DROP_STAGED)
        return loaded

    def abort(self) -> None:
        """Drops what was written. Safe to call at any time; what is committed stays."""
        if self._connection:
            self._connection.drop()
            self._connection = None

    def _send(self) -> None:
        if not self._connection:
            self._connection = self._database.connect()
            tables, load = statements.stage(self._dataset)
            for statement in (statements.DROP_STAGED, *tables):
                self._connection.execute(statement)
            self._connection.begin_load(load)
        # An empty piece would end the load.
        for start in range(0, len(self._buffer), _PIECE):
            self._connection.send(bytes(self._buffer[start : start + _PIECE]))
        self._buffer.clear()

    def _repeat(self, transaction: Callable[[], Any]) -> Any:
        """Does it again where it was in the way of another; what is staged stays."""
        for delay in _DELAYS:
            try:
                return transaction()
            except DatabaseError as error:
                if error.code not in _IN_THE_WAY:
                    raise
                # Of a lock that was waited for in vain, only the statement is taken back.
                self._connection.rollback()
            time.sleep(delay)
        return transaction()

    def _transfer(self, rows: int) -> tuple[Loaded, list[RowError]]:
        connection, dataset = self._connection, self._dataset
        try:
            connection.execute(statements.RECORD, self._upload.id, dataset.target.table)
        except DatabaseError as error:
            if error.code != ER.DUP_ENTRY:
                raise
            return self._recorded()
        [(number,)] = connection.fetch(statements.NUMBER)
        affected = connection.execute(
            statements.transfer(dataset),
            number=number,
            modified=self._position.last_modified.astimezone(UTC).replace(tzinfo=None),
            key=self._upload.key,
            version=self._upload.version_id,
        )
        among_contested = self._contest(rows, affected, number)
        loaded = self._count(rows, affected, among_contested, number)
        found = self._list(among_contested, number) if loaded.duplicates else ()
        if len(found) != min(loaded.duplicates, LISTED_DUPLICATES):
            raise TransientError(f"{loaded.duplicates} duplicates were counted but {len(found)} found")
        counts = (loaded.inserted, loaded.updated, loaded.duplicates)
        connection.execute(statements.COUNTED, *counts, _pack(found), number)
        connection.commit()
        return loaded, self._errors(found)

    def _recorded(self) -> tuple[Loaded, list[RowError]]:
        """What an earlier attempt says of its load."""
        self._connection.rollback()
        [(inserted, updated, duplicates, found)] = self._connection.fetch(statements.RECORDED, self._upload.id)
        self._connection.rollback()
        return Loaded(inserted, updated, duplicates), self._errors(_unpack(found))

    def _contest(self, rows: int, affected: int, number: int) -> bool:
        """Keeps the keys that duplicates may have; False where there are too many for that to be worth it."""
        is_upsert = self._dataset.target.mode == "upsert"
        if not statements.has_one_key(self._dataset) or not (is_upsert or affected < rows):
            return False
        self._connection.execute(statements.contest_repeated(self._dataset))
        [(repeats,)] = self._connection.fetch(statements.COUNT_REPEATS)
        if not is_upsert and rows - affected == repeats:
            # Each key's first row is in the table, so none was held by another load's.
            return True
        limit = rows // _WORTH_KEEPING
        return self._connection.execute(statements.contest_others(self._dataset, limit), number=number) <= limit

    def _count(self, rows: int, affected: int, among_contested: bool, number: int) -> Loaded:
        """What the number of affected rows means: 1 for each inserted, 2 for each updated."""
        if self._dataset.target.mode != "upsert":
            if affected > rows or (affected < rows and not statements.keys(self._dataset)):
                raise TransientError(f"{rows} rows were staged and {affected} inserted")
            return Loaded(affected, 0, rows - affected)
        sql = statements.count_duplicates(self._dataset, among_contested)
        [(duplicates, repeated)] = self._connection.fetch(sql, number=number)
        # A row that gave way to one of the same upload was there for a while: that one has updated it.
        updated = affected - (rows - duplicates) - 2 * int(repeated)
        inserted = rows - duplicates - updated
        if inserted < 0 or updated < 0:
            raise TransientError(f"{rows} rows affected {affected}, {duplicates} of them duplicates")
        return Loaded(inserted, updated, duplicates)

    def _list(self, among_contested: bool, number: int) -> tuple[tuple, ...]:
        sql = statements.list_duplicates(self._dataset, among_contested, LISTED_DUPLICATES)
        return self._connection.fetch(sql, number=number)

    def _errors(self, found: Iterable[Sequence]) -> list[RowError]:
        keys = statements.keys(self._dataset)
        return [_row_error(row, keys) for row in found]


def _row_error(row: Sequence, keys: list[tuple[str, ...]]) -> RowError:
    """The error of a duplicate, as statements.list_duplicates gives it."""
    line, values, holders = row[0], row[1:], row[1 + sum(map(len, keys)) :]
    for place, key in enumerate(keys):
        holder, its_line = holders[2 * place : 2 * place + 2]
        if its_line is not None and (holder is not None or its_line != line):
            break
        values = values[len(key) :]
    where = f"row {its_line} of this file" if holder is None else f"row {its_line} of upload {holder}"
    text = ", ".join(str(value) for value in values[: len(key)])
    names = " and ".join(key)
    return RowError(line, key[0] if len(key) == 1 else None, "duplicate-row", f"has the same {names} as {where}", text)


def _pack(found: tuple[tuple, ...]) -> bytes:
    limit = RowError.TEXT_LIMIT
    rows = [[value[:limit] if isinstance(value, str) else value for value in row] for row in found]
    # What JSON has no word for is text in an error, and the same text.
    return zlib.compress(json.dumps(rows, default=str).encode(), 1)


def _unpack(data: bytes) -> list[list]:
    return json.loads(zlib.decompress(data))
