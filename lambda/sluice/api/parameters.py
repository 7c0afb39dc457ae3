"""The parameters of a request: read strictly, and what is wrong with any of them is told all at once."""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime
from urllib.parse import parse_qsl

from sluice.api.problems import Problem
from sluice.contract.temporal import parse_iso_datetime

_NUMBER = re.compile("[0-9]{1,9}")
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Far enough from the ends of the calendar that windows and zones stay inside of it.
_YEARS = range(1970, 3000)


class Parameters:
    """The parameters of a request's query string.

    Each method reads one parameter: None where it is not given, and where it is wrong, which is noted. `check` then
    raises for all that was noted, and for every parameter that nobody has read.
    """

    def __init__(self, query: str) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            self._values.setdefault(name, []).append(value)
        self._read: set[str] = set()
        self._errors: dict[str, str] = {}

    def text(self, name: str, pattern: re.Pattern, reason: str) -> str | None:
        """A text that the whole of `pattern` matches."""
        self._read.add(name)
        values = self._values.get(name, [])
        if len(values) > 1:
            self.refuse(name, "is given more than once")
        elif values and pattern.fullmatch(values[0]):
            return values[0]
        elif values:
            self.refuse(name, reason)
        return None

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """One of some names."""
        pattern = re.compile("|".join(map(re.escape, choices)))
        return self.text(name, pattern, f"must be one of {', '.join(choices)}")

    def number(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        reason = f"must be a whole number from {least} to {most}"
        text = self.text(name, _NUMBER, reason)
        if text is None or least <= int(text) <= most:
            return text and int(text)
        self.refuse(name, reason)
        return None

    def instant(self, name: str) -> datetime | None:
        """An instant of RFC 3339, in UTC."""
        text = self.text(name, re.compile(".*", re.DOTALL), "")
        if text is None:
            return None
        time = parse_iso_datetime(text)
        if time is None or time.tzinfo is None:
            self.refuse(name, "must be an instant such as 2026-11-28T10:05:00Z (RFC 3339; a + is written as %2B)")
        elif time.year in _YEARS:
            return time.astimezone(UTC)
        else:
            self.refuse(name, f"must lie in the years from {_YEARS[0]} to {_YEARS[-1]}")
        return None

    def day(self, name: str) -> date | None:
        """A day of the calendar."""
        reason = "must be a day such as 2026-11-28"
        text = self.text(name, _DAY, reason)
        try:
            return text and date.fromisoformat(text)
        except ValueError:
            self.refuse(name, reason)
            return None

    def refuse(self, name: str, reason: str) -> None:
        """Notes what is wrong with a parameter; the first reason stays."""
        self._errors.setdefault(name, reason)

    def check(self) -> None:
        """Raises Problem (400) that names each parameter at fault and its reason, where there is any."""
        unknown = [name for name in self._values if name not in self._read]
        for name in unknown:
            self.refuse(name, f"is unknown: {', '.join(sorted(self._read)) or 'no parameter'} may be given here")
        if self._errors:
            raise Problem(400, "Parameters are wrong: errors says which, and why.", self._errors.items())
