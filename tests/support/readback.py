"""Compares what the stacks of a deployment ask for with what the services have."""

import functools
import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from local.cloud import Cloud
from support.local_cloud import APPLIED, DROPPED, pairs
from support.readers import READERS
from support.stacks import ANYTHING, resources


def check(cloud: Cloud, stacks: Iterable[str], shown: str, default: frozenset[tuple[str, str]] = frozenset()) -> None:
    """Fails where the services have otherwise than docs/local-cloud.md says what it was asked for.

    Everything that is `shown` by whoever asks has to be there; `default` are (type, property) of what is dropped, and
    asked for in these stacks with no other value than the one that there is without it.
    """
    same, other = _read_back(cloud, stacks)
    assert pairs(APPLIED, shown) - same == set(), "said to be applied"
    assert other - pairs(DROPPED) == set(), "not as it was asked for"
    assert pairs(DROPPED) & same == default, "applied by now: say so in docs/local-cloud.md"


def _read_back(cloud: Cloud, stacks: Iterable[str]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(type, property) of what every resource of the stacks has as it was asked for, and of what one has otherwise."""
    client = functools.cache(cloud.client)
    same, other = set(), set()
    for stack in stacks:
        for one in resources(cloud, stack):
            if one.kind in READERS:
                found = _lower(READERS[one.kind](client, one))
                for name, value in one.properties.items():
                    (same if _applied(name, value, found.get(name.lower())) else other).add((one.kind, name))
    return same - other, other


def _applied(name: str, expected: Any, found: Any) -> bool:
    return _same(_lower(_shaped(name, expected)), _lower(_shaped(name, found)))


def _shaped(name: str, value: Any) -> Any:
    """Tags by name: a stack's own are on its resources as well."""
    if name == "Tags" and isinstance(value, list):
        return {tag.get("key", tag.get("Key")): tag.get("value", tag.get("Value")) for tag in value}
    return value


def _lower(value: Any) -> Any:
    """The same with names of another spelling: some services begin them in lower case."""
    if isinstance(value, dict):
        return {name.lower(): _lower(part) for name, part in value.items()}
    return [_lower(part) for part in value] if isinstance(value, list) else value


def _same(expected: Any, found: Any) -> bool:
    """Whether all that is expected is found. What comes beside it is the service's default."""
    if isinstance(found, str) != isinstance(expected, str):
        expected, found = _parsed(expected), _parsed(found)
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(_same(value, found.get(name)) for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and _paired(expected, list(found))
    if found is None or isinstance(found, (dict, list)):
        return False
    if isinstance(found, float):
        return found == float(expected)
    return fnmatchcase(_text(found), _pattern(_text(expected)))


def _parsed(value: Any) -> Any:
    """A document that one side has as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return _lower(json.loads(value))
    return value


def _paired(expected: list, found: list) -> bool:
    """In any order."""
    for value in expected:
        match = next((number for number, other in enumerate(found) if _same(value, other)), None)
        if match is None:
            return False
        del found[match]
    return True


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pattern(text: str) -> str:
    literal = "".join(f"[{character}]" if character in "*?[" else character for character in text)
    return literal.replace(ANYTHING, "?*")
