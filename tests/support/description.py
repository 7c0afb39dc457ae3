"""Answers compared with the description of the API."""

import functools
import json
import re
from urllib.parse import urlsplit

import jsonschema_rs

from sluice.api.openapi import FILE


@functools.cache
def description() -> dict:
    """The whole description."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def check(method: str, url: str, status: int, content_type: str, text: str) -> None:
    """Fails where the answer to a request is not among those described."""
    responses = _responses(method, urlsplit(url).path)
    if responses is None:
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        assert status in (404, 405), f"{status} where nothing is described"
    elif status == 404 and str(status) not in responses:
        raise AssertionError(f"{method} {url} is not found, and described")
    else:
        content = _resolved(responses[str(status)])["content"]
    media = content_type.split(";")[0]
    schema = content[media]["schema"]
    if media.endswith("json"):
        root = {**schema, "components": description()["components"]}
        jsonschema_rs.Draft202012Validator(root).validate(json.loads(text))


def _responses(method: str, path: str) -> dict | None:
    for template, operations in description()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in operations:
            return operations[method.lower()]["responses"]
    return None


def _resolved(part: dict) -> dict:
    if "$ref" not in part:
        return part
    found = description()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found
