"""What the functions of the API have in common: whatever happens, one kind of answer, with the headers of each."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.api.problems import Problem, problem_response, to_json
from sluice.errors import TransientError

# https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}


class Application(APIGatewayHttpResolver):
    """The routes of a function.

    A `Problem` that a route raises is answered as one, and so is what nobody foresaw: 503 where trying again may help,
    else 500, both without a word of the cause, which `logger` gets. `methods` tells the methods that a path has: 405
    where a request's is not among them, 404 where there is none.
    """

    def __init__(self, logger: Logger, methods: Callable[[str], Collection[str]] = lambda path: ()) -> None:
        # Debugging would print events, whose headers hold tokens.
        super().__init__(debug=False)
        self._logger = logger
        self._methods = methods
        self.exception_handler(Problem)(problem_response)
        self.exception_handler(TransientError)(self._unavailable)
        self.exception_handler(Exception)(self._unforeseen)
        self.not_found(self._not_found)

    def resolve(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """The answer to one request (payload format 2.0), with the security headers that a route has not set itself."""
        answer = super().resolve(event, context)
        return answer | {"headers": _HEADERS | answer["headers"]}

    def _not_found(self, _: Exception) -> Response:
        methods = self._methods(self.current_event.path)
        # With a method that the path has, its last part is none that any route takes.
        if methods and self.current_event.http_method not in methods:
            allowed = ", ".join(methods)
            return problem_response(Problem(405, f"This path takes {allowed} only.", headers={"Allow": allowed}))
        return problem_response(Problem(404, "There is nothing at this path: /openapi.json lists what there is."))

    def _unavailable(self, _: Exception) -> Response:
        self._logger.exception("not answered, for now")
        problem = Problem(503, "This cannot be answered at the moment: try again.", headers={"Retry-After": "1"})
        return problem_response(problem)

    def _unforeseen(self, _: Exception) -> Response:
        self._logger.exception("not answered")
        return problem_response(Problem(500, "This went wrong here, not with the request: try again later."))


def respond(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(status, "application/json", to_json(document), headers)

