"""Requests as API Gateway hands them to a function."""

from urllib.parse import parse_qsl, urlsplit


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
