"""Parquet to JSON lines: a row becomes a line, which is then checked like any other."""

import tempfile
from collections.abc import Iterable, Iterator

from sluice import engine
from sluice.contract.compression import check_growth
from sluice.contract.fields import Field
from sluice.errors import PermanentError, TransientError
from sluice.upload import REJECTED

# A Parquet file is read from its end, so it has to be on the function's disk, which has 512 MB.
SIZE_LIMIT = 400 * 1024 * 1024
_MAGIC = b"PAR1"
# How moments are written where the field has no format of its own.
_ISO = {"DATE": "%Y-%m-%d", "TIME": "%H:%M:%S.%f", "TIMESTAMP": "%Y-%m-%dT%H:%M:%S.%f"}


def parquet_lines(chunks: Iterable[bytes], fields: list[Field]) -> Iterator[bytes]:
    """The rows of a Parquet file as JSON lines, in pieces.

    Raises PermanentError (`REJECTED`) for what is no readable Parquet file, is larger than `SIZE_LIMIT`, has other
    columns than the fields, in their order, or grows too far; TransientError where the engine has read another number
    of rows than the file says it has.
    """
    import duckdb

    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        size = 0
        for chunk in chunks:
            if not size and not chunk.startswith(_MAGIC[: len(chunk)]):
                raise PermanentError(REJECTED, "the file is not Parquet: it does not start with PAR1")
            size += len(chunk)
            if size > SIZE_LIMIT:
                limit = f"{SIZE_LIMIT // 2**20} MiB"
                raise PermanentError(REJECTED, f"the Parquet file is larger than {limit}: split it")
            file.write(chunk)
        file.flush()
        if not size:
            return
        path, lines, text = engine.literal(file.name), 0, 0
        try:
            select = _select(f"read_parquet({path}, hive_partitioning = false)", fields)
            for piece in engine.stream(select, "FORMAT json"):
                lines, text = lines + piece.count(b"\n"), text + len(piece)
                check_growth("Parquet", size, text)
                yield piece
            # A literal, quoted above.
            [(rows,)] = engine.fetch(f"SELECT sum(num_rows) FROM parquet_file_metadata({path})")  # nosec B608
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise PermanentError(REJECTED, "the Parquet file is corrupt, cut off or encrypted") from error
        if lines != rows:
            raise TransientError(f"the file says that it has {rows} rows, of which the engine has read {lines}")


def _select(source: str, fields: list[Field]) -> str:
    # The source is our own call with a quoted literal, and names are quoted in _written.
    columns = [(name, type_) for name, type_, *_ in engine.fetch(f"DESCRIBE SELECT * FROM {source}")]  # nosec B608
    names = [field.name for field in fields]
    if [name for name, _ in columns] != names:
        raise PermanentError(REJECTED, f"the columns of the Parquet file must be {', '.join(names)}, in this order")
    written = [_written(field, type_) for field, (_, type_) in zip(fields, columns, strict=True)]
    return f"SELECT {', '.join(written)} FROM {source}"  # nosec B608


def _written(field: Field, type_: str) -> str:
    """A column as JSON: moments as text in the field's own format, and where that would lose something, in another."""
    name = engine.name(field.name)
    zoned = type_ == "TIMESTAMP WITH TIME ZONE"
    kind = "TIMESTAMP" if type_.startswith("TIMESTAMP") else type_
    if kind not in _ISO:
        return name
    pattern = field.format if "%" in field.format else _ISO[kind] + "%z" * zoned
    plain = f"CAST({name} AS VARCHAR)"
    if ("%z" in pattern) != zoned or field.type in ("date", "time") and field.type.upper() != kind:
        return f"{plain} AS {name}"
    # Instants come as UTC; a time of day is formatted as part of some day.
    moment = {"TIME": f"DATE '2000-01-01' + {name}"}.get(kind, f"timezone('UTC', {name})" if zoned else name)
    pattern = engine.literal(pattern.replace("%z", "Z"))
    text = f"strftime({moment}, {pattern})"
    again = f"CAST(strptime({text}, {pattern}) AS {kind})"
    return f"CASE WHEN {again} = {name if kind == 'TIME' else moment} THEN {text} ELSE {plain} END AS {name}"
