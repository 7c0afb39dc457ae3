"""Rows drawn by chance, each cell held against its field, and keys against each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from math import prod
from random import Random

from sluice.contract.descriptor import Dataset
from sluice.contract.fields import Cell, Field
from sluice.contract.types import Value
from sluice.samples.domains import Domain, SampleError, UnsupportedError, shuffled
from sluice.samples.fields import domains

# Cells that a column without a key has, checked once for all rows, and how long they are together.
_POOL = 2000
_POOL_CHARACTERS = 1_000_000
# How many cells that break their contract may follow each other before there are none.
_TRIES = 2000
# Of the cells that may be missing, one in so many is.
_MISSING = 20


@dataclass(frozen=True, slots=True)
class Drawn:
    """A cell as it is written, and its value, None where it is missing."""

    cell: Cell
    value: Value | None


def draw_rows(dataset: Dataset, count: int, random: Random) -> Iterator[list[Drawn]]:
    """Rows that hold to the contract, their keys included.

    Raises SampleError where a field has no value that can be made up, or a key fewer values than there are rows.
    """
    columns = [_Column(dataset, field, count, random) for field in dataset.fields]
    key = [dataset.positions[name] for name in dataset.primary_key]
    joint = [] if any(columns[position].field.unique for position in key) else key
    sources = [([position], columns[position].cells()) for position in range(len(columns)) if position not in joint]
    if joint:
        sources.append((joint, _different([columns[position] for position in joint], random)))
    for made in range(count):
        row = [None] * len(columns)
        for positions, source in sources:
            cells = next(source, None)
            if cells is None:
                names = ", ".join(dataset.fields[position].name for position in positions)
                reason = f"no more than {made:,} different values of {names} could be made up: ask for fewer rows"
                raise SampleError("rows", reason)
            for position, cell in zip(positions, cells, strict=True):
                row[position] = cell
        yield row


class _Column:
    """Cells of a field, drawn from its domain."""

    def __init__(self, dataset: Dataset, field: Field, rows: int, random: Random) -> None:
        self.field = field
        self._dataset = dataset
        self._rows = rows
        self._random = random
        self._missing = self._missing_cell()
        self.domain, self._first = self._domain()

    def draw(self, number: int) -> Drawn | None:
        """The cell of a number, None where it does not hold to the contract."""
        return self._drawn(self.domain, number)

    def cells(self) -> Iterator[tuple[Drawn]]:
        """Cells, each a tuple of its own: different ones where they must be, for as long as there are any."""
        if not self.field.unique:
            return self._pooled()
        missing = repeat((self._missing,)) if self._missing else ()
        return chain(_different([self], self._random), missing)

    def _pooled(self) -> Iterator[tuple[Drawn]]:
        pool: list[tuple[Drawn]] = []
        characters = 0
        for drawn in islice(self._any(self.domain), min(_POOL, self._rows)):
            pool.append((drawn,))
            characters += len(str(drawn.cell))
            if characters > _POOL_CHARACTERS:
                break
        pool = pool or [(self._first,)]
        if self._missing:
            pool += [(self._missing,)] * -(-len(pool) // _MISSING)
        self._random.shuffle(pool)
        yield from pool
        while True:
            yield from self._random.choices(pool, k=1000)

    def _any(self, domain: Domain) -> Iterator[Drawn]:
        """Cells of a domain that hold to the contract: all of them once where there are few, else any number."""
        failed = 0
        all_ = shuffled(domain.size, self._random) if domain.size <= _POOL else None
        while failed < _TRIES:
            number = domain.pick(self._random) if all_ is None else next(all_, None)
            if number is None:
                return
            drawn = self._drawn(domain, number)
            failed = 0 if drawn else failed + 1
            if drawn:
                yield drawn

    def _domain(self) -> tuple[Domain, Drawn]:
        """The first domain that has a cell, and the cell."""
        descriptor = self._dataset.schema["fields"][self._dataset.positions[self.field.name]]
        is_key = self.field.unique or self.field.name in self._dataset.primary_key
        typed = self._dataset.format != "csv"
        reason = "nothing that holds to its constraints could be made up"
        try:
            for domain in domains(descriptor, self.field, typed=typed, distinct=self._rows if is_key else 0):
                if drawn := next(self._any(domain), None):
                    return domain, drawn
        except UnsupportedError as error:
            reason = str(error)
        raise SampleError("dataset", f"field {self.field.name}: {reason}")

    def _drawn(self, domain: Domain, number: int) -> Drawn | None:
        cell = domain.cell(number)
        value, violation = self.field.check(cell)
        return None if violation or value is None or not self._can_be_written(cell) else Drawn(cell, value)

    def _missing_cell(self) -> Drawn | None:
        """What stands where there is no value, if that may be."""
        if self.field.required:
            return None
        if self._dataset.format != "csv":
            return Drawn(None, None)
        texts = self._dataset.schema.get("missingValues", [""])
        return next((Drawn(text, None) for text in texts if self._can_be_written(text)), None)

    def _can_be_written(self, cell: Cell) -> bool:
        """Whether a cell comes out of a file as it went in."""
        if type(cell) is not str:
            return True
        # A line with an empty cell alone is blank, and no row.
        if not cell and self._dataset.format == "csv" and len(self._dataset.fields) == 1:
            return False
        try:
            cell.encode(self._dataset.encoding)
        except UnicodeEncodeError:
            return False
        return "\0" not in cell


def _different(columns: list[_Column], random: Random) -> Iterator[tuple[Drawn, ...]]:
    """Cells of some columns that differ in one of their values at least, for as long as there are any."""
    sizes = [column.domain.size for column in columns]
    seen, failed = set(), 0
    for number in shuffled(prod(sizes), random):
        drawn = []
        for column, size in zip(columns, sizes, strict=True):
            number, rest = divmod(number, size)
            drawn.append(column.draw(rest))
        values = tuple(one and one.value for one in drawn)
        if None in values or values in seen:
            failed += 1
            if failed == _TRIES:
                return
            continue
        failed = 0
        seen.add(values)
        yield tuple(drawn)
