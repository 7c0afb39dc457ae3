"""Execution environments that can be killed: a process that has loaded the handlers forks one for each invocation.

`python -m faults.environment <log> [<bytes of a part>]` reads an invocation a line of its standard input, as JSON, and
prints its end as JSON.
The clock of an environment is moved by what the invocation says, and whoever sleeps in it sleeps for a moment only.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from faults.injection import Chance, Fault, Injection
from local.invocation import Context

_ROOT = Path(__file__).parents[2]
CODE = _ROOT / "lambda"
_HANDLERS = ("process", "sweep")
_LONGEST_SLEEP = 0.005


@dataclass(frozen=True)
class Limits:
    """What an invocation may use.

    It has 900 seconds; but once it has looked so many times how many there are (`looks`), only `left` of them. Then:
    real seconds until it is killed, bytes of memory beside what it begins with, and bytes of a file.
    """

    looks: int | None = None
    left: float = 0
    killed_after: float | None = None
    memory: int | None = None
    file_size: int | None = None


WHOLE = Limits()


@dataclass(frozen=True)
class End:
    """How an invocation ended: its `answer` or its `error`, the signal that killed it (0: none), the operations that
    it asked of AWS, the places in the code that each of these came from (`sluice.ledger:112`), the innermost first, the
    faults that struck them, all in order, and its peak memory in bytes."""

    answer: dict | None = None
    error: str = ""
    signal: int = 0
    calls: list[str] = field(default_factory=list)
    places: list[list[str]] = field(default_factory=list)
    struck: list[Fault] = field(default_factory=list)
    peak: int = 0


class Function:
    """A function's code, loaded once with the settings of its environment; invocations at a time wait for each other.

    `code` is the folder that is unpacked from the artifact, `log` where everything is written that it prints. Of a
    result in parts, each has `part_size` bytes where that is given: fewer than S3 takes, which the local cloud does.
    """

    def __init__(
        self, settings: Mapping[str, str], log: Path, code: Path = CODE, *, part_size: int | None = None
    ) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= settings
        self.code = code
        environment["PYTHONPATH"] = os.pathsep.join([str(code), str(_ROOT / "scripts")])
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.environment", str(log), *([str(part_size)] if part_size else [])],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Function":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def invoke(
        self,
        handler: str,
        event: dict,
        faults: Iterable[Fault] = (),
        *,
        chance: Chance | None = None,
        clock: float = 0,
        limits: Limits = WHOLE,
        answered: Mapping[str, int] | None = None,
    ) -> End:
        """Invokes `process` or `sweep` in a new environment, whose clock is `clock` seconds ahead of this one's."""
        request = {
            "handler": handler,
            "event": event,
            "faults": [asdict(fault) for fault in faults],
            "chance": asdict(chance) if chance else None,
            "clock": clock,
            "limits": asdict(limits),
            "answered": answered or {},
        }
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the handlers could not be loaded: see above")
        told = json.loads(line)
        return End(**{**told, "struck": [Fault(**fault) for fault in told["struck"]]})


class _LimitedContext(Context):
    """An invocation whose time goes by as its limits say."""

    def __init__(self, function: str, limits: Limits) -> None:
        super().__init__(function)
        self._limits, self._looks = limits, 0

    def get_remaining_time_in_millis(self) -> int:
        self._looks += 1
        if self._limits.looks is not None and self._looks > self._limits.looks:
            return int(self._limits.left * 1000)
        return super().get_remaining_time_in_millis()


def _serve(log: int, part_size: int | None) -> None:
    """Loads the handlers, then forks an environment for each line of standard input."""
    real_time, real_sleep = time.time, time.sleep
    ahead = 0.0
    # The handlers take these when they are loaded.
    time.time = lambda: real_time() + ahead
    time.sleep = lambda seconds: real_sleep(min(seconds, _LONGEST_SLEEP))
    injection = Injection()
    clients = importlib.import_module("sluice.clients")
    clients._session.register("before-send", injection.before_send)
    made: dict[str, BaseClient] = {}
    make = clients.make_client
    clients.make_client = lambda service: made.setdefault(service, make(service))
    handlers = {name: importlib.import_module(f"sluice.handlers.{name}").handler for name in _HANDLERS}
    if part_size:
        importlib.import_module("sluice.storage").PART_SIZE = part_size
    _warm(made, injection)
    # What is there stays: collecting it would copy each page of it into each environment.
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        limits = Limits(**request["limits"])
        reading, channel = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            ahead = request["clock"]
            _print_to(log, limits)
            _limit(limits)
            _inject(injection, request, channel)
            name = request["handler"]
            _run(handlers[name], request["event"], _LimitedContext(name, limits), channel)
        os.close(channel)
        print(json.dumps(_watch(pid, reading, limits.killed_after)), flush=True)


def _inject(injection: Injection, request: dict, channel: int) -> None:
    injection.note = lambda line: os.write(channel, f"{line}\n".encode())
    injection.faults = tuple(Fault(**fault) for fault in request["faults"])
    injection.chance = Chance(**request["chance"]).faults() if request["chance"] else None
    injection.answered = request["answered"]


def _print_to(log: int, limits: Limits) -> None:
    # A function's log is no file of its own, which would be limited with the others.
    written = log if limits.file_size is None else os.open(os.devnull, os.O_WRONLY)
    os.dup2(written, 1)
    os.dup2(written, 2)


def _warm(made: dict[str, BaseClient], injection: Injection) -> None:
    """Makes each client's first request, which is refused, so that not every environment makes it anew."""
    first = {
        "s3": lambda s3: s3.get_object(Bucket="none", Key="none"),
        "dynamodb": lambda dynamodb: dynamodb.update_item(TableName="none", Key={"none": {"S": ""}}),
        "sns": lambda sns: sns.publish(TopicArn="arn:aws:sns:us-east-1:111122223333:none", Message="none"),
        "sqs": lambda sqs: sqs.delete_message(QueueUrl="http://none/none/none", ReceiptHandle="none"),
    }
    injection.faults = (Fault("denied", times=None),)
    for service, call in first.items():
        with contextlib.suppress(ClientError):
            call(made[service])
    injection.begin()


def _limit(limits: Limits) -> None:
    if limits.memory is not None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        size = pages * resource.getpagesize() + limits.memory
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    if limits.file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_size, limits.file_size))


def _run(handler: object, event: dict, context: Context, channel: int) -> None:
    """An environment's whole life."""
    try:
        end = f"answer {json.dumps(handler(event, context))}"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it ends the invocation
        end = f"error {type(error).__name__}: {error}".replace("\n", " ")
    try:
        sys.stdout.flush()
    finally:
        os.write(channel, f"{end}\n".encode())
        # Threads that still wait for something must not keep it.
        os._exit(0)


def _watch(pid: int, reading: int, killed_after: float | None) -> dict:
    """What an environment tells until its end; it is killed where that does not come in time."""
    deadline = None if killed_after is None else time.monotonic() + killed_after
    told = b""
    while True:
        left = None if deadline is None else max(deadline - time.monotonic(), 0)
        if not select.select([reading], [], [], left)[0]:
            os.kill(pid, signal.SIGKILL)
            deadline = None
            continue
        piece = os.read(reading, 65536)
        if not piece:
            break
        told += piece
    os.close(reading)
    _, status, used = os.wait4(pid, 0)
    end = {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "peak": used.ru_maxrss * 1024}
    end |= {"calls": [], "places": [], "struck": []}
    for line in told.decode().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "call":
            operation, *places = rest.split()
            end["calls"].append(operation)
            end["places"].append(places)
        elif kind == "struck":
            end["struck"].append(json.loads(rest))
        elif kind == "answer":
            end["answer"] = json.loads(rest)
        else:
            end["error"] = rest
    return end


if __name__ == "__main__":
    _serve(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), int(sys.argv[2]) if sys.argv[2:] else None)
