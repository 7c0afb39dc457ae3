"""The API against its description, by schemathesis: all functions, routed as API Gateway routes to them.

Requests that follow the description, and requests that do not: no answer is a server's error, each has a status, a
content type, headers and a body that are described, and what breaks the description is refused.
"""

import copy
import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

import sluice.ledger_reader
import sluice.windows
from support.api import TABLES
from support.description import description
from support.functions import imported
from support.gateway import Gateway
from support.temperatures import FakeWindows
from support.uploads import FakeReader

FUNCTIONS = {
    "query": {"AUTHORIZATION": "NONE", **TABLES},
    "generate": {"SAMPLE_BUCKET": "partner", "SAMPLE_PREFIX": "samples"},
    "submit": {"UPLOADS_BUCKET": "uploads"},
}
OPERATIONS = [(path, method) for path, methods in description()["paths"].items() for method in methods]
WITH_PARAMETERS = [
    (path, method)
    for path, method in OPERATIONS
    if {"parameters", "requestBody"} & description()["paths"][path][method].keys()
]
# What JSON Schema cannot say: that a time has only so many windows, and which keys are those of a dataset.
MAY_REFUSE = {
    ("/api/v1/temperature", "get"),
    ("/api/v1/temperature/series", "get"),
    ("/api/v1/temperature/sensors", "get"),
    ("/api/v1/uploads", "get"),
    ("/api/v1/uploads", "post"),
}
EXAMPLES = settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """The API of a deployment that has everything, but neither readings nor uploads."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(sluice.windows, "Windows", lambda *_: FakeWindows())
        patch.setattr(sluice.ledger_reader, "LedgerReader", lambda *_: FakeReader())
        functions = {name: stack.enter_context(imported(name, **given_)) for name, given_ in FUNCTIONS.items()}
        functions["generate"].bucket._s3.create_bucket(Bucket="partner")
        for name in FUNCTIONS:
            patch.setattr(logging.getLogger(name), "level", logging.CRITICAL)
        yield Gateway(
            {
                "POST /api/v1/samples": functions["generate"].handler,
                "POST /api/v1/uploads": functions["submit"].handler,
                "$default": functions["query"].handler,
            }
        )


@pytest.fixture(scope="module")
def served(gateway) -> BaseSchema:
    """The description as the deployment serves it."""
    return schemathesis.openapi.from_wsgi("/openapi.json", gateway)


def asked(schema: BaseSchema, path: str, method: str, mode: GenerationMode) -> Counter:
    """How often each status was answered; fails where an answer is not as described."""
    statuses: Counter = Counter()
    excluded = [positive_data_acceptance] if (path, method) in MAY_REFUSE else []

    @EXAMPLES
    @given(schema[path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        statuses[case.call_and_validate(excluded_checks=excluded).status_code] += 1

    ask()
    return statuses


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_follows_the_description_is_answered_as_described(served, path, method):
    assert asked(served, path, method, GenerationMode.POSITIVE)


@pytest.mark.parametrize(("path", "method"), WITH_PARAMETERS)
def test_what_breaks_the_description_is_refused_as_described(served, path, method):
    statuses = asked(served, path, method, GenerationMode.NEGATIVE)

    assert {400, 404} & statuses.keys()


@pytest.mark.parametrize(("path", "schema"), [("/api/v1/samples", "NewSample"), ("/api/v1/uploads", "NewUpload")])
def test_what_is_made_is_answered_as_described(gateway, served, path, schema):
    """By chance, no dataset and no key of one would be found."""
    narrow = copy.deepcopy(served.raw_schema)
    properties = narrow["components"]["schemas"][schema]["properties"]
    properties["dataset"] = {"enum": ["people"]}
    for name, limits in (("rows", {"maximum": 20}), ("key", {"pattern": "^people/[a-z0-9 +.]{1,20}x[.]csv$"})):
        if name in properties:
            properties[name] |= limits
    answer = {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "isBase64Encoded": False}
    answer["body"] = json.dumps(narrow)
    narrowed = Gateway({**gateway.routes, "GET /openapi.json": lambda event, context: answer})

    statuses = asked(schemathesis.openapi.from_wsgi("/openapi.json", narrowed), path, "post", GenerationMode.POSITIVE)

    assert statuses.keys() == {201}
