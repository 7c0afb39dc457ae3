"""JSON lines to records: one object a line, its members by name (https://jsonlines.org, RFC 8259)."""

import json
from decimal import Decimal
from typing import NoReturn

from sluice.contract.lines import Lines
from sluice.contract.records import Record


class _Object(list):
    """A JSON object as its pairs: a dictionary would hide that a name occurs twice."""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_Object, parse_float=Decimal, parse_constant=_refuse)


def read_json_record(lines: Lines, names: dict[str, int]) -> Record | None:
    """The next record, made of one line; None at the end."""
    first = lines.next()
    if first is None:
        return None
    text, broken = first
    return json_record(text.rstrip("\r\n"), lines.number, names, broken and f"is not {lines.encoding.upper()} text")


def json_record(content: str, line: int, names: dict[str, int], broken: str | bool = False) -> Record:
    """The record that is one JSON value, which is on that line; blank where there is nothing.

    `names` are the fields and their positions. A member that the object does not have is missing, as `null` is; one
    that is no field comes after the fields. Cells are text, None, bool, int, Decimal, or a list for what is nested.
    `broken` says of what is no text why.
    """
    if broken:
        return Record(line, 1, [], ("encoding-error", broken, content))
    if not content.strip(" \t\r\n"):
        return Record(line, 1, [])
    try:
        members = _DECODER.decode(content)
    except json.JSONDecodeError as error:
        return Record(line, 1, [], ("row-error", f"is not JSON: column {error.colno}: {error.msg}", content))
    except (ValueError, ArithmeticError, RecursionError):
        message = "is not JSON that can be read: NaN, Infinity, a number too long, or nested too deep"
        return Record(line, 1, [], ("row-error", message, content))
    if not isinstance(members, _Object):
        return Record(line, 1, [], ("row-error", "is not a JSON object", content))
    cells: list = [None] * len(names)
    seen = set()
    for name, value in members:
        if name in seen:
            return Record(line, 1, [], ("row-error", "has a name twice", content))
        seen.add(name)
        position = names.get(name)
        if position is None:
            cells.append(f"{name}: {show_cell(value)}")
        else:
            cells[position] = value
    if "\\u" in content and not all(_is_text(cell) for cell in cells if isinstance(cell, str)):
        return Record(line, 1, [], ("encoding-error", "has a NUL, or half a character, as an escape", content))
    return Record(line, 1, cells, text=content)


def parse_members(line: bytes) -> list:
    """The cells of a line that has all its members, in the order of the fields."""
    return [value for _, value in _DECODER.decode(line.decode())]


def show_cell(cell: object) -> str:
    """A cell as an error report quotes it."""
    if isinstance(cell, str | Decimal):
        return str(cell)
    return "" if cell is None else json.dumps(cell, default=str, ensure_ascii=False)


def _is_text(cell: str) -> bool:
    try:
        return b"\0" not in cell.encode()
    except UnicodeEncodeError:
        return False
