"""What the cells of a sample's field may be: every reading that all of them have, as our own parsers read them."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from sluice.contract.fields import Cell, compile_field

_DATES = (
    *("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
_CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%H:%M:%S%z", "%I:%M %p", "%I:%M:%S %p")
# The first that all cells have is taken.
_CANDIDATES: tuple[dict, ...] = (
    {"type": "boolean", "trueValues": ["true", "True", "TRUE"], "falseValues": ["false", "False", "FALSE"]},
    {"type": "integer"},
    {"type": "number"},
    {"type": "number", "decimalChar": ","},
    {"type": "integer", "groupChar": ","},
    {"type": "integer", "groupChar": "."},
    {"type": "number", "groupChar": ","},
    {"type": "number", "decimalChar": ",", "groupChar": "."},
    {"type": "date"},
    *({"type": "date", "format": date} for date in _DATES[1:]),
    {"type": "datetime"},
    *(
        {"type": "datetime", "format": f"{date}{between}{clock}"}
        for date, between, clock in itertools.product(_DATES, " T", _CLOCKS)
    ),
    {"type": "time"},
    *({"type": "time", "format": clock} for clock in _CLOCKS if "%z" not in clock),
    {"type": "yearmonth"},
    *({"type": "string", "format": format_} for format_ in ("email", "uri", "uuid")),
)
_READINGS = [(candidate, compile_field({"name": "", **candidate}, frozenset()).parse) for candidate in _CANDIDATES]
_JSON_TYPES = {bool: "boolean", int: "integer", Decimal: "number"}
# More often a code or a telephone number than a quantity: as a number it would lose its first characters.
_CODE = re.compile(r"\+|[+-]?0[0-9]|.{19,}", re.DOTALL)
# How many different cells of a field are compared to tell whether another reading gives other values.
_COMPARED = 1000


def is_value(text: str) -> bool:
    """Whether text is more likely a value than the name of a field."""
    return any(parse(text) is not None for _, parse in _READINGS)


@dataclass
class Column:
    """A field of a sample. `add` takes its cells: text, or what JSON has a type of its own for."""

    name: str
    present: int = 0
    _readings: list[tuple[dict, Callable[[Cell], object | None]]] = field(default_factory=lambda: list(_READINGS))
    _textual: bool = True
    _cells: dict[Cell, None] = field(default_factory=dict)

    def add(self, cell: Cell, *, typed: bool = False) -> None:
        """Takes a cell into account. `typed`: numbers and booleans have types of their own, so text is neither."""
        if cell in ("", None):
            return
        self.present += 1
        if isinstance(cell, list | dict):
            self._readings = []
            return
        self._textual &= isinstance(cell, str)
        if len(self._cells) < _COMPARED:
            self._cells[cell] = None
        if isinstance(cell, str):
            unlikely = _JSON_TYPES.values() if typed else ("integer", "number") if _CODE.match(cell) else ()
        else:
            unlikely = {one["type"] for one, _ in _READINGS} - {_JSON_TYPES[type(cell)], "number"}
        self._readings = [
            (candidate, parse)
            for candidate, parse in self._readings
            if candidate["type"] not in unlikely and parse(cell) is not None
        ]

    def descriptor(self, rows: int) -> tuple[dict, str]:
        """The field of a file with so many rows, and what to look at where its cells have another reading as well."""
        described, note = {"type": "string" if self._textual else "any"}, ""
        if self._cells and self._readings:
            (described, parse), *others = self._readings
            values = [parse(cell) for cell in self._cells]
            differing = [other for other, reads in others if [reads(cell) for cell in self._cells] != values]
            if differing:
                note = f"or {' '.join(map(str, differing[0].values()))}: the sample can be read as both"
        if not self._textual:
            # What JSON has a type for needs no other key than that.
            described = {"type": described["type"]}
        required = {"constraints": {"required": True}} if rows and self.present == rows else {}
        return {"name": self.name, **described, **required}, note
