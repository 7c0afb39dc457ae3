"""Dates, times and instants by pattern: Table Schema's date, time, datetime, year and yearmonth, read strictly.

A pattern is written with strptime's directives (https://docs.python.org/3/library/datetime.html#format-codes) but
read more strictly than strptime does: a number has exactly its digits, so `1-2-26` is no `%d-%m-%Y`.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone

Moment = date | time | datetime

# In English whatever the locale, as the results of a file must not depend on a machine's settings.
_MONTHS = "January February March April May June July August September October November December".split()
_SHORT_MONTHS = [month[:3] for month in _MONTHS]
_DIRECTIVES = {
    "%d": r"(?P<d>[0-9]{2})",
    "%m": r"(?P<m>[0-9]{2})",
    "%b": f"(?P<b>(?i:{'|'.join(_SHORT_MONTHS)}))",
    "%B": f"(?P<B>(?i:{'|'.join(_MONTHS)}))",
    "%Y": r"(?P<Y>[0-9]{4})",
    "%y": r"(?P<y>[0-9]{2})",
    "%H": r"(?P<H>[0-9]{2})",
    "%I": r"(?P<I>[0-9]{2})",
    "%p": r"(?P<p>(?i:AM|PM))",
    "%M": r"(?P<M>[0-9]{2})",
    "%S": r"(?P<S>[0-9]{2})",
    "%f": r"(?P<f>[0-9]{1,6})",
    "%z": r"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
}
_MONTH_NUMBERS = {name.lower(): number for names in (_MONTHS, _SHORT_MONTHS) for number, name in enumerate(names, 1)}
# The POSIX reading of two-digit years, which strptime follows too.
_PIVOT = 69
_DATE = "%d, %m (or %b, %B) and %Y (or %y)"
_TIME = "%H (or %I and %p), and may hold %M, then %S, then %f"
_EXAMPLE = datetime(2026, 12, 31, 23, 59, 58, tzinfo=UTC)
_ISO_DATETIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_ISO_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?")
_YEAR = re.compile(r"[0-9]{4}")
_YEARMONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def pattern_codec(type_: str, pattern: str) -> tuple[Callable[[str], Moment | None], Callable[[Moment], str], str]:
    """How values of a `date`, `time` or `datetime` field with this pattern are parsed and written, and an example.

    Raises ValueError for a pattern that does not say every part of such a value exactly once.
    """
    parts = re.split(r"(%.)", pattern)
    _check_parts(type_, pattern, [part for part in parts if part.startswith("%") and part != "%%"])
    literals = ["%" if part == "%%" else part for part in parts]
    shape = re.compile("".join(_DIRECTIVES.get(part) or re.escape(part) for part in literals))

    def parse(text: str) -> Moment | None:
        match = shape.fullmatch(text)
        if not match:
            return None
        try:
            return _moment(type_, match.groupdict())
        except (ValueError, OverflowError):
            return None

    def write(value: Moment) -> str:
        return "".join(_written(part, value) if part in _DIRECTIVES else part for part in literals)

    return parse, write, write(_EXAMPLE)


def parse_iso_datetime(text: str) -> datetime | None:
    """`2026-12-31T23:59:58`, with a fraction of a second and a zone (`Z` or `+01:00`) where there are any."""
    match = _ISO_DATETIME.fullmatch(text)
    try:
        return match and datetime.fromisoformat(match[1] + _fraction(match[2]) + (match[3] or ""))
    except ValueError:
        return None


def parse_iso_time(text: str) -> time | None:
    """`23:59:58`, with a fraction of a second where there is one."""
    match = _ISO_TIME.fullmatch(text)
    try:
        return match and time.fromisoformat(text[:8] + _fraction(text[9:]))
    except ValueError:
        return None


def parse_year(text: str) -> int | None:
    """A year of four digits."""
    return int(text) if _YEAR.fullmatch(text) else None


def write_year(value: int) -> str:
    """The year in four digits."""
    return f"{value:04}"


def parse_yearmonth(text: str) -> tuple[int, int] | None:
    """`2026-12` as (year, month)."""
    match = _YEARMONTH.fullmatch(text)
    return match and (int(match[1]), int(match[2]))


def write_yearmonth(value: tuple[int, int]) -> str:
    """(year, month) as `2026-12`."""
    return f"{value[0]:04}-{value[1]:02}"


def write_iso(value: time | datetime) -> str:
    """The ISO 8601 text that the parsers of this module read, with `Z` for UTC."""
    return value.isoformat().removesuffix("+00:00") + ("Z" if value.utcoffset() == timedelta(0) else "")


def in_order(value: Moment) -> Moment:
    """What a value is compared by: an instant that names no zone counts as UTC, as it must count as something."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _fraction(digits: str | None) -> str:
    return f".{digits:0<6}" if digits else ""


def _check_parts(type_: str, pattern: str, used: list[str]) -> None:
    has = set(used)
    day = {"%d"} <= has and len(has & {"%m", "%b", "%B"}) == 1 and len(has & {"%Y", "%y"}) == 1
    hour = "%H" in has and not has & {"%I", "%p"} or "%H" not in has and {"%I", "%p"} <= has
    finer = [part in has for part in ("%M", "%S", "%f")]
    clock = hour and finer == sorted(finer, reverse=True)
    known = len(has) == len(used) and has <= _DIRECTIVES.keys() and "%" not in re.sub("%.", "", pattern)
    match type_:
        case "date":
            holds, wanted = day and not has & {"%H", "%I", "%p", "%M", "%S", "%f", "%z"}, "%d, %m and %Y once"
            wanted += " (%b or %B do for %m, %y for %Y)"
        case "time":
            holds, wanted = clock and not has & {"%d", "%m", "%b", "%B", "%Y", "%y", "%z"}, f"{_TIME}, once"
        case _:
            holds, wanted = day and clock, f"{_DATE}, {_TIME}, and %z, once"
    if not (known and holds):
        raise ValueError(f"{type_} format {pattern!r} must hold each of {wanted} and no other directive")


def _moment(type_: str, found: dict[str, str]) -> Moment:
    day = clock = None
    if type_ != "time":
        month = found.get("m") or _MONTH_NUMBERS[(found.get("b") or found["B"]).lower()]
        if "y" in found:
            year = int(found["y"]) + (2000 if int(found["y"]) < _PIVOT else 1900)
        else:
            year = int(found["Y"])
        day = date(year, int(month), int(found["d"]))
        if type_ == "date":
            return day
    hour = int(found.get("H") or found["I"])
    if "I" in found:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if found["p"].upper() == "PM" else 0)
    fraction = int(f"{found.get('f', ''):0<6}")
    clock = time(hour, int(found.get("M", 0)), int(found.get("S", 0)), fraction)
    if type_ == "time":
        return clock
    return datetime.combine(day, clock, _zone(found["z"]) if "z" in found else None)


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _written(directive: str, value: Moment) -> str:
    match directive:
        case "%d":
            return f"{value.day:02}"
        case "%m":
            return f"{value.month:02}"
        case "%b":
            return _SHORT_MONTHS[value.month - 1]
        case "%B":
            return _MONTHS[value.month - 1]
        case "%Y":
            return f"{value.year:04}"
        case "%y":
            return f"{value.year % 100:02}"
        case "%H":
            return f"{value.hour:02}"
        case "%I":
            return f"{value.hour % 12 or 12:02}"
        case "%p":
            return "AM" if value.hour < 12 else "PM"
        case "%M":
            return f"{value.minute:02}"
        case "%S":
            return f"{value.second:02}"
        case "%f":
            return f"{value.microsecond:06}"
    offset = value.utcoffset() or timedelta(0)
    sign, minutes = ("-" if offset < timedelta(0) else "+"), abs(offset) // timedelta(minutes=1)
    return f"{sign}{minutes // 60:02}{minutes % 60:02}"
