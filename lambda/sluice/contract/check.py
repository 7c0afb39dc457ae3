"""Records against their contract: good rows go on, each bad one is explained, none gets lost."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sluice.contract.descriptor import Dataset
from sluice.contract.fields import Value
from sluice.contract.records import LineReader, Record, read_records
from sluice.errors import PermanentError, TransientError
from sluice.upload import REJECTED, RowError


@dataclass(frozen=True, slots=True)
class Row:
    """One valid row: the line it starts on, its cells as written and as values (None where missing)."""

    number: int
    cells: list[str]
    values: list[Value | None]


class Check:
    """One pass over a file: iterate `rows()`, then read the counts.

    `report` is called with each RowError as it is found.
    """

    def __init__(self, dataset: Dataset, chunks: Iterable[bytes], report: Callable[[RowError], None]) -> None:
        self._dataset = dataset
        self._lines = LineReader(chunks)
        self._report = report
        self.good = 0
        self.rejected = 0
        self.blank = 0

    def rows(self) -> Iterator[Row]:
        """The valid rows in file order.

        Raises PermanentError where the file as a whole breaks its contract (no text, wrong header), and
        TransientError where the lines read and the rows made of them do not add up.
        """
        accounted = 0
        header_wanted = self._dataset.dialect.header
        for record in read_records(self._lines, self._dataset.dialect):
            accounted += record.lines
            if record.defect is None and not any(record.cells) and len(record.cells) < 2:
                self.blank += 1
            elif header_wanted:
                self._check_header(record)
                header_wanted = False
            else:
                values, errors = self._judge(record)
                if errors:
                    self.rejected += 1
                    for error in errors:
                        self._report(error)
                else:
                    self.good += 1
                    yield Row(record.line, record.cells, values)
        if accounted != self._lines.count:
            raise TransientError(f"{self._lines.count} lines were read but {accounted} accounted for")

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

    def _judge(self, record: Record) -> tuple[list[Value | None], list[RowError]]:
        """The values of a record and the rules it violates."""
        if record.defect:
            error, message, text = record.defect
            return [], [RowError(record.line, None, error, message, text)]
        fields, cells = self._dataset.fields, record.cells
        errors, values = [], []
        for field, text in zip(fields, cells, strict=False):
            value, violation = field.check(text)
            values.append(value)
            if violation:
                errors.append(RowError(record.line, field.name, violation[0], violation[1], text))
        for field in fields[len(cells) :]:
            errors.append(RowError(record.line, field.name, "missing-cell", "has no cell", ""))
        for text in cells[len(fields) :]:
            message = f"is more than the {len(fields)} cells of a row"
            errors.append(RowError(record.line, None, "extra-cell", message, text))
        return values, errors
