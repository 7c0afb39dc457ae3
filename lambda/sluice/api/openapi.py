"""The description of the API: the file openapi.json, as far as a deployment has what it describes.

https://spec.openapis.org/oas/v3.1.1.html
"""

import json
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("openapi.json")
# How API Gateway authorises (templates/api.yaml), and the scheme in the file that says so.
_SCHEMES = {"IAM": "iam", "JWT": "jwt", "NONE": None}
# What API Gateway answers where it lets no request pass without authorisation.
_REFUSED = ("401", "403")
_REFERENCE = "#/components/"


class Document:
    """The description of one deployment's API.

    `authorization` is IAM, JWT or NONE; raises KeyError for anything else.
    """

    def __init__(self, *, has_temperature: bool, has_uploads: bool, authorization: str) -> None:
        self._is_there = {"temperature": has_temperature, "uploads": has_uploads}
        self._scheme = _SCHEMES[authorization]

    @cached_property
    def content(self) -> dict[str, Any]:
        """The description as it is served: without what is not there."""
        document = json.loads(FILE.read_text(encoding="utf-8"))
        document["tags"] = [tag for tag in document["tags"] if self._is_there.get(tag["name"], True)]
        tags = {tag["name"] for tag in document["tags"]}
        document["paths"] = {
            path: operations
            for path, operations in document["paths"].items()
            if all(tags.issuperset(operation["tags"]) for operation in operations.values())
        }
        self._tell_authorisation(document)
        used = _used(document["paths"], document["components"])
        document["components"] = {
            kind: {name: part for name, part in parts.items() if kind == "securitySchemes" or f"{kind}/{name}" in used}
            for kind, parts in document["components"].items()
        }
        return document

    def methods(self, path: str) -> list[str]:
        """The methods that a path has, such as `["GET", "POST"]`; none where there is no such path."""
        for template, operations in self.content["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                return [method.upper() for method in operations]
        return []

    def _tell_authorisation(self, document: dict[str, Any]) -> None:
        schemes = document["components"]["securitySchemes"]
        if self._scheme:
            document["security"] = [{self._scheme: []}]
            document["components"]["securitySchemes"] = {self._scheme: schemes[self._scheme]}
            return
        del document["security"], document["components"]["securitySchemes"]
        for operations in document["paths"].values():
            for operation in operations.values():
                operation.pop("security", None)
                for status in _REFUSED:
                    operation["responses"].pop(status, None)


def _used(part: Any, components: dict[str, Any]) -> set[str]:
    """The components that a part refers to, directly or by others, such as `schemas/Problem`."""
    used: set[str] = set()
    left = list(_references(part))
    while left:
        if (name := left.pop()) not in used:
            used.add(name)
            kind, _, key = name.partition("/")
            left += _references(components[kind][key])
    return used


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if reference := part.get("$ref"):
            yield reference.removeprefix(_REFERENCE)
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _references(one)
