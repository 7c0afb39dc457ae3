"""Requests as API Gateway hands them to a function."""

import base64
import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local.invocation import Context

# When tests ask.
NOW = datetime(2026, 11, 28, 10, 5, 30, tzinfo=UTC)


def request(method: str, url: str, *, headers: dict | None = None, body: str | None = None) -> dict:
    """The event of a request, payload format 2.0.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    parts = urlsplit(url)
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {"host": "api.example.com", "x-forwarded-proto": "https", **(headers or {})},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "request",
            "routeKey": "$default",
            "stage": "$default",
            "time": "28/Nov/2026:10:05:00 +0000",
            "timeEpoch": 1795860300000,
        },
        "isBase64Encoded": False,
    }
    if values:
        # Repeated parameters are joined, which cannot be told from a comma: rawQueryString has them apart.
        event["queryStringParameters"] = {name: ",".join(texts) for name, texts in values.items()}
    if body is not None:
        event["body"] = body
    return event


@contextlib.contextmanager
def serve(handler: Callable[[dict, Any], dict], token: str | None = None) -> Iterator[str]:
    """The URL of a server on this machine that hands requests to a function, as API Gateway does.

    With a token, routes below /api/ ask for it.
    """

    class Gateway(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_refused = token and self.path.startswith("/api/") and self.headers["Authorization"] != f"Bearer {token}"
            if is_refused:
                answer = {"statusCode": 401, "headers": {}, "body": '{"message":"Unauthorized"}'}
            else:
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = handler(request("GET", self.path, headers=headers), Context("query"))
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            body = answer["body"].encode()
            self.wfile.write(base64.b64decode(body) if answer.get("isBase64Encoded") else body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Gateway) as server:
        # One request at a time: a function answers no more at once.
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
