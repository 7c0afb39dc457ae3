"""Records against their contract: good rows go on, each bad one is explained, none gets lost."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sluice.contract.delimited import format_row
from sluice.contract.descriptor import Dataset
from sluice.contract.keys import Keys
from sluice.contract.lines import Lines
from sluice.contract.records import Record, read_record
from sluice.errors import PermanentError, TransientError
from sluice.upload import REJECTED, RowError


@dataclass(frozen=True, slots=True)
class Block:
    """Valid rows that follow each other: delimited text in the dataset's dialect, each row ended by `\\n`.

    A row with line ends inside of a quoted cell is a block of its own.
    """

    data: bytes
    rows: int

    def lines(self) -> list[bytes]:
        """The rows, without their ends."""
        return [self.data[:-1]] if self.rows == 1 else self.data.split(b"\n")[:-1]

    def last(self, count: int) -> list[bytes]:
        """The last rows, at most `count` of them."""
        return [self.data[:-1]] if self.rows == 1 else self.data.rsplit(b"\n", count + 1)[-count - 1 : -1]


class Check:
    """One pass over a file: iterate `blocks()`, then read the counts.

    `report` is called with each RowError as it is found. Every record is one of `good`, `rejected`, `blank` and
    `skipped` (what the dialect says is no row), or the header.
    """

    def __init__(self, dataset: Dataset, chunks: Iterable[bytes], report: Callable[[RowError], None]) -> None:
        self._dataset = dataset
        self._chunks = chunks
        self._keys = Keys(dataset.fields, dataset.primary_key)
        self._report = report
        self.good = 0
        self.rejected = 0
        self.blank = 0
        self.skipped = 0

    def blocks(self) -> Iterator[Block]:
        """The valid rows in file order.

        Raises PermanentError where the file as a whole breaks its contract (no text, wrong header, more rows than
        their keys can be checked for), and TransientError where the lines read and the rows made of them do not add up.
        """
        dataset, lines = self._dataset, Lines(self._chunks, self._dataset.encoding)
        accounted = 0
        header_wanted = dataset.dialect.header
        while True:
            if dataset.acceptor and not header_wanted:
                run, rows = lines.accepted(dataset.acceptor)
                if rows:
                    self.good += rows
                    accounted += rows
                    # Looking first is thirty times faster than replacing nothing.
                    yield Block(run.replace(b"\r\n", b"\n") if b"\r" in run else run, rows)
            record = read_record(lines, dataset.dialect)
            if record is None:
                break
            accounted += record.lines
            if record.skipped:
                self.skipped += 1
            elif record.defect is None and not any(record.cells) and len(record.cells) < 2:
                self.blank += 1
            elif header_wanted:
                self._check_header(record)
                header_wanted = False
            elif errors := self._errors(record):
                self.rejected += 1
                for error in errors:
                    self._report(error)
            else:
                self.good += 1
                yield Block(format_row(record.cells, dataset.dialect), 1)
        if accounted != lines.count:
            raise TransientError(f"{lines.count} lines were read but {accounted} accounted for")

    def _check_header(self, record: Record) -> None:
        """Names what differs, but never the text found: in a file without a header that would be somebody's data."""
        names = [field.name for field in self._dataset.fields]
        if record.cells == names:
            return
        if len(record.cells) != len(names):
            found = f"it has {len(record.cells)} cells"
        else:
            differing = [str(n) for n, (a, b) in enumerate(zip(record.cells, names, strict=True), 1) if a != b]
            found = f"cell {' and '.join(differing)} differs"
        raise PermanentError(REJECTED, f"line {record.line}: the header must be {','.join(names)}; {found}")

    def _errors(self, record: Record) -> list[RowError]:
        """The rules that a record violates."""
        if record.defect:
            error, message, text = record.defect
            return [RowError(record.line, None, error, message, text)]
        fields, cells = self._dataset.fields, record.cells
        errors = []
        for field, text in zip(fields, cells, strict=False):
            _, violation = field.check(text)
            if violation:
                errors.append(RowError(record.line, field.name, violation[0], violation[1], text))
        for field in fields[len(cells) :]:
            errors.append(RowError(record.line, field.name, "missing-cell", "has no cell", ""))
        for text in cells[len(fields) :]:
            message = f"is more than the {len(fields)} cells of a row"
            errors.append(RowError(record.line, None, "extra-cell", message, text))
        if self._keys:
            errors += self._keys.check(record.line, cells)
        return errors
