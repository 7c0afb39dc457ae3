"""The API as a WSGI application: requests become events and go to the function that API Gateway would choose."""

import base64
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from local.invocation import Context
from support.http import request

Handler = Callable[[dict, Any], dict]


class Gateway:
    """Routes by method and path, as API Gateway does: those named, and `$default` for all others.

    Bodies come encoded, as they do where their content type is not known to be text.
    """

    def __init__(self, routes: Mapping[str, Handler]) -> None:
        self.routes = routes

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        """One request (PEP 3333)."""
        method = environ["REQUEST_METHOD"]
        # WSGI has decoded the path as Latin-1; a function gets it decoded as well.
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        # Who asks cannot decompress.
        headers.pop("accept-encoding", None)
        event = request(method, "/", headers=headers) | {"rawPath": path, "rawQueryString": environ["QUERY_STRING"]}
        event["requestContext"]["http"]["path"] = path
        if body := environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)):
            event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        handler = self.routes.get(f"{method} {path}", self.routes["$default"])
        answer = handler(event, Context("api", seconds=25, memory_mb=512))
        start_response(
            f"{answer['statusCode']} {HTTPStatus(answer['statusCode']).phrase}", list(answer["headers"].items())
        )
        text = answer["body"]
        return [base64.b64decode(text) if answer["isBase64Encoded"] else text.encode()]
