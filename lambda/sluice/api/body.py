"""The members of a request's body, a JSON object: read as strictly as parameters, and told of all at once."""

import json
import re
from base64 import b64decode
from typing import Any, NoReturn

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from sluice.api.parameters import Parameters
from sluice.api.problems import Problem


class Body(Parameters):
    """The members of a body, as `Parameters` are those of a query string: `check` after all have been read.

    Raises Problem (400) for a body that is no JSON object, and where there is a query string as well.
    """

    def __init__(self, event: APIGatewayProxyEventV2) -> None:
        super().__init__(event.raw_query_string)
        self.check()
        text = event.body or ""
        try:
            raw = b64decode(text) if event.is_base64_encoded else text.encode()
            members = json.loads(raw.decode(), object_pairs_hook=_members, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise Problem(400, "The body must be JSON, in UTF-8 and with each name once.") from error
        if not isinstance(members, dict):
            raise Problem(400, "The body must be a JSON object.")
        self._values = {name: [value] for name, value in members.items()}

    def required(self, name: str) -> None:
        """Notes a member that is not there."""
        if name not in self._values:
            self.refuse(name, "is missing")

    def text(self, name: str, pattern: re.Pattern, reason: str) -> str | None:
        """A text that the whole of `pattern` matches."""
        value = self._value(name)
        if value is not None and not (isinstance(value, str) and _is_text(value) and pattern.fullmatch(value)):
            self.refuse(name, reason)
            return None
        return value

    def number(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds; 1.0 is one, as JSON Schema has it."""
        value = self._value(name)
        if type(value) is float and value.is_integer():
            value = int(value)
        if value is not None and not (type(value) is int and least <= value <= most):
            self.refuse(name, f"must be a whole number from {least:,} to {most:,}")
            return None
        return value

    def _value(self, name: str) -> Any:
        self._read.add(name)
        if name not in self._values:
            return None
        [value] = self._values[name]
        # Nothing may be null: one of another type then, which is refused.
        return _Null() if value is None else value


class _Null:
    """JSON's null, where Python's means that there is nothing."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs) or not all(map(_is_text, members)):
        raise ValueError("a name is there twice, or no text")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _is_text(value: str) -> bool:
    """Whether a text is more than JSON's escapes can make it: half a character is none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
