"""Problem documents: what they say, and what they never say."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sluice.api.problems import Problem, problem_response, to_json


def test_a_problem_names_each_field_and_its_reason():
    response = problem_response(Problem(400, "Two parameters are wrong.", [("from", "is late"), ("to", "is early")]))

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(response.body) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "Two parameters are wrong.",
        "errors": [{"field": "from", "reason": "is late"}, {"field": "to", "reason": "is early"}],
    }


def test_a_problem_without_fields_lists_none_and_has_its_headers():
    response = problem_response(Problem(405, "No such method.", headers={"Allow": "GET"}))

    assert "errors" not in json.loads(response.body)
    assert response.headers["Allow"] == "GET"


def test_a_request_does_not_decide_how_long_the_answer_is():
    response = problem_response(Problem(400, "Too much.", [("x" * 10_000, "is unknown")] * 1000))

    assert len(response.body) < 3000


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5))
def test_json_is_harmless_wherever_it_is_shown(document):
    text = to_json(document)

    assert json.loads(text) == document
    assert text.isascii() and not set(text) & set("<>&")
