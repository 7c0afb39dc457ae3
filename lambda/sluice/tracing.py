"""Traces in X-Ray: what the time of an invocation was spent on, upload by upload and call by call.

Lambda begins the trace, or goes on with that of the message, where a function has it switched on
(templates/lambda.yaml). Here its subsegments are sent to the daemon that Lambda runs beside a function whose invocation
is sampled:
https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html
AWS's own SDK for that takes half a second to load (docs/adr/0025-monitoring.md).
"""

import contextlib
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

_HEADER = b'{"format": "json", "version": 1}\n'
# Parameters of AWS's operations that say what they were called on, and their names in a subsegment.
_RESOURCES = {
    "Bucket": "bucket_name",
    "TableName": "table_name",
    "QueueUrl": "queue_url",
    "TopicArn": "topic_arn",
    "StreamName": "stream_name",
}
_STARTED = "sluice.subsegment"

_parent: ContextVar[str | None] = ContextVar("parent", default=None)
_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
_socket.setblocking(False)


@contextlib.contextmanager
def subsegment(name: str, **fields: Any) -> Iterator[None]:
    """A part of the invocation: what is done within is told of as its own parts.

    `fields` are those of the document, such as `annotations`, by which traces are found. No text of an exception is
    among them, since it may be that of a row.
    """
    document = _begin(name)
    if document is None:
        yield
        return
    token = _parent.set(document["id"])
    try:
        yield
    except BaseException:
        fields["fault"] = True
        raise
    finally:
        _parent.reset(token)
        _end(document, fields)


def follow(session: Any) -> None:
    """Makes a subsegment of each call that clients of this botocore session make."""
    session.register("before-parameter-build", _call)
    session.register("after-call", _answered)
    session.register("after-call-error", _unanswered)


def _call(params: dict, model: Any, context: dict, **_: Any) -> None:
    document = _begin(model.service_model.service_id)
    if document is not None:
        resources = {name: params[parameter] for parameter, name in _RESOURCES.items() if parameter in params}
        aws = {"operation": model.name, "region": os.environ.get("AWS_REGION", ""), **resources}
        context[_STARTED] = document | {"namespace": "aws", "aws": aws}


def _answered(parsed: dict, context: dict, **_: Any) -> None:
    if document := context.pop(_STARTED, None):
        metadata = parsed.get("ResponseMetadata", {})
        status = metadata.get("HTTPStatusCode", 0)
        document["aws"] |= {"request_id": metadata.get("RequestId", ""), "retries": metadata.get("RetryAttempts", 0)}
        _end(document, {"http": {"response": {"status": status}}, "error": 400 <= status < 500, "fault": status >= 500})


def _unanswered(context: dict, **_: Any) -> None:
    if document := context.pop(_STARTED, None):
        _end(document, {"fault": True})


def _begin(name: str) -> dict | None:
    """The document of what begins now; None where the invocation is not traced.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
    """
    trace = os.environ.get("_X_AMZN_TRACE_ID", "") if "AWS_XRAY_DAEMON_ADDRESS" in os.environ else ""
    fields = dict(part.split("=", 1) for part in trace.split(";") if "=" in part)
    if fields.get("Sampled") != "1" or not fields.keys() >= {"Root", "Parent"}:
        return None
    return {
        "type": "subsegment",
        "name": name,
        "id": secrets.token_hex(8),
        "trace_id": fields["Root"],
        "parent_id": _parent.get() or fields["Parent"],
        "start_time": time.time(),
    }


def _end(document: dict, fields: dict) -> None:
    document |= {"end_time": time.time(), **fields}
    # An upload is worth more than its trace.
    with contextlib.suppress(OSError, ValueError):
        host, port = os.environ.get("AWS_XRAY_DAEMON_ADDRESS", "").rsplit(":", 1)
        _socket.sendto(_HEADER + json.dumps(document).encode(), (host, int(port)))
