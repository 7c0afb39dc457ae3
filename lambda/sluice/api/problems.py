"""What the API answers where it cannot do what was asked: problem documents.

https://www.rfc-editor.org/rfc/rfc9457
"""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

PROBLEM_TYPE = "application/problem+json"
# A request may name any number of fields, each of any length.
_MOST_ERRORS = 20
_LONGEST_FIELD = 64


class Problem(Exception):
    """A request that cannot be answered as it is.

    `status` is the HTTP status, `detail` says what is wrong and what to do, `errors` names each field at fault with its
    reason. `headers` go with the answer, such as `Allow`. Detail and reasons never repeat a value of the request.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = HTTPStatus(status)
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})


def problem_response(problem: Problem) -> Response:
    """The answer: `{type, title, status, detail}`, and `errors: [{field, reason}]` where there are any."""
    document: dict[str, Any] = {
        # The status says it all: https://www.rfc-editor.org/rfc/rfc9457#name-aboutblank
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    if problem.errors:
        document["errors"] = [
            {"field": field[:_LONGEST_FIELD], "reason": reason} for field, reason in problem.errors[:_MOST_ERRORS]
        ]
    return Response(problem.status.value, PROBLEM_TYPE, to_json(document), problem.headers)


def to_json(document: Any) -> str:
    """A document as text that is harmless wherever it is shown: ASCII, and without HTML's characters."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    # Outside of strings JSON has none of them.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
