"""Faults in requests to AWS, put in where botocore sends them: https://docs.aws.amazon.com/boto3/latest/guide/events.html

A fault strikes before the request is sent, or after it has been answered: then AWS has done what was asked, and the
function does not learn of it.
"""

import collections
import io
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from urllib3.exceptions import ProtocolError

# Handlers of botocore may sleep less under test, a request that hangs does not.
_sleep = time.sleep
# This module is loaded by the process that forks.
_parent = os.getpid()

# HTTP status and error code by service, as https://docs.aws.amazon.com/<service> lists them among its common errors.
_REFUSALS = {
    "error": (500, {"": "InternalError", "dynamodb": "InternalServerError"}),
    "throttle": (
        400,
        {
            "": "ThrottlingException",
            "dynamodb": "ProvisionedThroughputExceededException",
            "s3": "SlowDown",
            "sns": "Throttling",
            "sqs": "RequestThrottled",
        },
    ),
    "denied": (403, {"": "AccessDeniedException", "s3": "AccessDenied", "sns": "AuthorizationError"}),
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, .../sns/latest/api/API_Publish.html and
    # .../AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    "kms": (
        400,
        {"": "KmsDisabled", "s3": "KMS.DisabledException", "sns": "KMSDisabled", "dynamodb": "AccessDeniedException"},
    ),
}
_MESSAGE = "a fault that was put in"
KINDS = (*_REFUSALS, "reset", "timeout", "kill", "hang", "cut", "short", "wait")
_LOOK_AGAIN = 0.01


@dataclass(frozen=True)
class Fault:
    """What strikes requests of an invocation.

    `kind` is one of KINDS: an answer of AWS (`error`, `throttle`, `denied`, `kms`), a connection that ends (`reset`),
    gives no answer in time (`timeout`) or half of one (`cut`; `short` where its end looks like any), the process ended
    by SIGKILL (`kill`), or one that waits for ever (`hang`) or until there is a file `gate` (`wait`), having made
    `gate`.reached. It strikes `times` requests in a row, None for all that follow, from the `nth` on, of one
    `operation` (`PutObject`), of one place in the functions' code (`at`: `sluice.ledger:112`) or of all.
    """

    kind: str
    nth: int = 1
    operation: str | None = None
    times: int | None = 1
    after: bool = False
    gate: str = ""
    at: str = ""

    def strikes(self, numbers: Mapping[str, int]) -> bool:
        """Whether it strikes the request, which has these numbers among those of its operation, of each place in the
        code that it comes from, and of all (an empty name)."""
        number = numbers.get(self.at or self.operation or "", 0) - self.nth
        return number >= 0 and (self.times is None or number < self.times)


@dataclass(frozen=True)
class Chance:
    """Faults by chance: a `share` of all requests, the kinds by their weights, always the same for one `seed`."""

    seed: str
    share: float
    kinds: tuple[str, ...] = ("error", "throttle", "reset", "timeout", "kill")
    weights: tuple[int, ...] = (30, 30, 20, 15, 5)

    def faults(self) -> Iterator[Fault | None]:
        """The fault of each request in turn."""
        chance = random.Random(self.seed)  # repeatable  # nosec B311
        while True:
            hit, after = chance.random() < self.share, chance.random() < 0.5
            [kind] = chance.choices(self.kinds, self.weights)
            yield Fault(kind, after=after) if hit else None


class Injection:
    """Strikes the requests of the clients of a botocore session, and tells `note` of each request and each fault."""

    def __init__(self) -> None:
        self._session = URLLib3Session()
        self.begin()

    def begin(self) -> None:
        """Strikes nothing, and counts from 1."""
        self.faults: tuple[Fault, ...] = ()
        self.chance: Iterator[Fault | None] | None = None
        # What is answered in the place of AWS: an operation's status, without a body.
        self.answered: dict[str, int] = {}
        self.note: Callable[[str], object] = lambda line: None
        self._counts: collections.Counter[str] = collections.Counter()

    def before_send(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse | None:
        """The handler of `before-send`: an answer in the place of AWS's, or None for its own."""
        _, service, operation = event_name.split(".")
        names = ["", operation, *_places()]
        self._counts.update(names)
        self.note(" ".join(["call", *names[1:]]))
        fault = self._next({name: self._counts[name] for name in names})
        if fault is None:
            if operation in self.answered:
                return AWSResponse(request.url, self.answered[operation], {}, _Raw(b""))
            return None
        self.note(f"struck {json.dumps(asdict(fault))}")
        answer = None
        if fault.after or fault.kind in ("cut", "short"):
            answer = self._session.send(request)
            # Read to its end: by then AWS has done it.
            _ = answer.content
        if fault.kind in ("cut", "short"):
            body = _Cut(answer.content, is_silent=fault.kind == "short")
            return AWSResponse(answer.url, answer.status_code, answer.headers, body)
        if fault.kind == "wait":
            _wait(Path(fault.gate))
            return answer
        return _strike(fault.kind, service, request)

    def _next(self, numbers: Mapping[str, int]) -> Fault | None:
        if self.chance and (fault := next(self.chance)):
            return fault
        return next((fault for fault in self.faults if fault.strikes(numbers)), None)


def _places() -> list[str]:
    """The places in the functions' code that this request comes from, the innermost first."""
    found, frame = [], sys._getframe()
    while frame := frame.f_back:
        if (module := frame.f_globals["__name__"]).startswith("sluice."):
            found.append(f"{module}:{frame.f_lineno}")
    # A comprehension has a frame of its own, on the line of its function.
    return list(dict.fromkeys(found))


def _wait(gate: Path) -> None:
    gate.with_suffix(".reached").touch()
    while not gate.exists() and not _is_orphan():
        _sleep(_LOOK_AGAIN)


def _is_orphan() -> bool:
    """Whether whoever forked this environment is gone: then nobody lets it go on, or kills it."""
    return os.getppid() != _parent


def _strike(kind: str, service: str, request: AWSPreparedRequest) -> AWSResponse:
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "hang":
        while not _is_orphan():
            _sleep(_LOOK_AGAIN)
    if kind == "reset":
        raise ConnectionClosedError(endpoint_url=request.url)
    if kind == "timeout":
        raise ReadTimeoutError(endpoint_url=request.url)
    status, codes = _REFUSALS[kind]
    code = codes.get(service, codes[""])
    if service == "s3":
        status = 503 if code == "SlowDown" else status
        body = f"<Error><Code>{code}</Code><Message>{_MESSAGE}</Message></Error>"
    elif service == "sns":
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{_MESSAGE}</Message></Error></ErrorResponse>"
    else:
        body = f'{{"__type": "{code}", "message": "{_MESSAGE}"}}'
    headers = {"x-amzn-errortype": code} if service == "lambda" else {}
    return AWSResponse(request.url, status, headers, _Raw(body.encode()))


class _Raw(io.BytesIO):
    """A body as urllib3 has it, as far as botocore looks."""

    def stream(self, **_: object) -> Iterator[bytes]:
        while piece := self.read(1024):
            yield piece


class _Cut:
    """A body that ends in its middle, with the connection or as if it were all."""

    def __init__(self, body: bytes, *, is_silent: bool) -> None:
        self._rest = io.BytesIO(body[: len(body) // 2])
        self._is_silent = is_silent

    def read(self, amt: int | None = None, **_: object) -> bytes:
        piece = self._rest.read(amt)
        if not piece and not self._is_silent:
            raise ProtocolError("Connection broken: IncompleteRead")
        return piece

    def close(self) -> None:
        """As urllib3's."""
