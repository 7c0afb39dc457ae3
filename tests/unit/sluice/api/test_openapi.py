"""The description of the API is that of its routes, and shows what a deployment has and nothing else."""

import re

import jsonschema_rs
import pytest

from sluice.api.openapi import Document
from support.description import description

TEMPERATURE = {"/api/v1/temperature", "/api/v1/temperature/series", "/api/v1/temperature/sensors"}
UPLOADS = {"/api/v1/uploads", "/api/v1/uploads/{id}", "/api/v1/samples"}
ALWAYS = {"/", "/openapi.json"}
# Of other functions (handlers/submit.py, handlers/generate.py).
ELSEWHERE = {("POST", "/api/v1/uploads"), ("POST", "/api/v1/samples")}


def document(temperature: bool = True, uploads: bool = True, authorization: str = "JWT") -> dict:
    return Document(has_temperature=temperature, has_uploads=uploads, authorization=authorization).content


def references(part: object) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if "$ref" in part else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def test_routes_and_description_are_the_same(load, aws):
    query = load("query", AUTHORIZATION="IAM", WINDOWS_TABLE="w", LEDGER_TABLE="l", RESULTS_BUCKET="r")
    described = {(method.upper(), path) for path, found in description()["paths"].items() for method in found}

    routes = {(route.method, re.sub(r"<\w+>", "{id}", route.path)) for route in query.app._static_routes}
    routes |= {(route.method, re.sub(r"<\w+>", "{id}", route.path)) for route in query.app._dynamic_routes}

    assert routes == described - ELSEWHERE


@pytest.mark.parametrize(
    ("temperature", "uploads", "paths"),
    [
        (True, True, ALWAYS | TEMPERATURE | UPLOADS),
        (True, False, ALWAYS | TEMPERATURE),
        (False, True, ALWAYS | UPLOADS),
    ],
)
def test_only_what_is_there_is_described(ask, temperature, uploads, paths):
    has = ("WINDOWS_TABLE",) * temperature + ("LEDGER_TABLE", "RESULTS_BUCKET") * uploads

    served = ask("/openapi.json", has=has).document

    assert served["paths"].keys() == paths
    operations = [operation for path in served["paths"].values() for operation in path.values()]
    assert {tag["name"] for tag in served["tags"]} == {tag for operation in operations for tag in operation["tags"]}
    for path in (TEMPERATURE | UPLOADS) - {"/api/v1/samples"}:
        answer = ask(path.format(id="0" * 32), has=has)
        assert (answer.status == 404) == (path not in paths or "{id}" in path)


def test_components_are_those_that_something_refers_to():
    for whole in (document(), document(uploads=False), document(temperature=False, authorization="NONE")):
        kinds = whole["components"].items()
        there = {f"#/components/{kind}/{name}" for kind, parts in kinds for name in parts if kind != "securitySchemes"}
        assert there == references(whole)


@pytest.mark.parametrize(("authorization", "scheme"), [("IAM", "iam"), ("JWT", "jwt")])
def test_the_description_tells_how_requests_are_authorised(authorization, scheme):
    served = document(authorization=authorization)

    assert served["security"] == [{scheme: []}]
    assert served["components"]["securitySchemes"].keys() == {scheme}
    for path, operations in served["paths"].items():
        for operation in operations.values():
            assert operation.get("security") == ([] if path in ALWAYS else None)
            assert ("401" in operation["responses"]) == (path not in ALWAYS)


def test_without_authorisation_the_description_has_none():
    served = document(authorization="NONE")

    assert "security" not in served and "securitySchemes" not in served["components"]
    operations = [operation for path in served["paths"].values() for operation in path.values()]
    assert not any("security" in one or {"401", "403"} & one["responses"].keys() for one in operations)


def test_an_authorisation_that_nobody_knows_is_an_error():
    with pytest.raises(KeyError):
        document(authorization="none")


def test_every_schema_is_one_of_json_schema():
    for name in description()["components"]["schemas"]:
        schema = {"$ref": f"#/components/schemas/{name}", "components": description()["components"]}
        jsonschema_rs.validator_for(schema)
    jsonschema_rs.meta.validate({"$defs": description()["components"]["schemas"]})
