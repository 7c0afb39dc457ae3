"""What every function of the API has: one kind of answer whatever happens, and the same headers with each."""

import io
import json

import pytest
from aws_lambda_powertools import Logger

from local.invocation import Context
from sluice.api.application import Application, respond
from sluice.api.problems import Problem
from sluice.errors import TransientError
from support.http import request

TOKEN = "Bearer eyJ-secret-token"


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def ask(log):
    """Answers `GET /` by a route that does what it is given."""

    def resolve(route, path: str = "/") -> dict:
        # Powertools keeps the logger of a service, and where it writes.
        app = Application(Logger(f"test-{id(log)}", stream=log))
        app.get("/")(route)
        return app.resolve(request("GET", path, headers={"authorization": TOKEN}), Context("query"))

    return resolve


def raising(error: Exception):
    def route():
        raise error

    return route


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Problem(418, "teapot"), 418),
        (TransientError("DynamoDB did not answer"), 503),
        (KeyError("anything"), 500),
    ],
)
def test_whatever_a_route_raises_is_answered_as_a_problem(ask, error, status):
    answer = ask(raising(error))

    assert answer["statusCode"] == json.loads(answer["body"])["status"] == status
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert str(error) in answer["body"] or status >= 500


def test_no_answer_tells_why_it_went_wrong_and_the_log_does_without_tokens(ask, log):
    answer = ask(raising(RuntimeError("the table is called so and so")))

    assert "so and so" in log.getvalue() and "secret" not in log.getvalue()
    assert "so and so" not in answer["body"]


def test_what_may_work_later_says_when(ask):
    assert ask(raising(TransientError("later")))["headers"]["Retry-After"] == "1"


def test_an_unknown_path_is_not_found(ask):
    answer = ask(lambda: respond({}), "/nowhere<script>")

    assert (answer["statusCode"], "script" in answer["body"]) == (404, False)


@pytest.mark.parametrize("route", [lambda: respond({}), raising(Problem(400, "no")), raising(KeyError("no"))])
def test_every_answer_has_the_security_headers(ask, route):
    headers = ask(route)["headers"]

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "max-age" in headers["Strict-Transport-Security"]
    assert headers["Referrer-Policy"] == "no-referrer"


def test_a_route_may_set_a_header_of_its_own(ask):
    assert ask(lambda: respond({}, headers={"Cache-Control": "no-cache"}))["headers"]["Cache-Control"] == "no-cache"
