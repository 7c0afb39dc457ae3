"""How long a cold start takes: the artifact under AWS's Runtime Interface Client, until its first 10 KB file is done.

The Runtime API that the client talks to is served here. Lambda fetches and unpacks the artifact before any of this.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import re
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HANDLER = "sluice.handlers.process.handler"
_ARN = "arn:aws:lambda:us-east-1:111122223333:function:process:live"
_SECONDS = 60
# A line of -X importtime: microseconds by itself, by itself and with what it imports, and the module.
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")
_EMPTY = "def handler(event, context):\n    return {}\n"
# Shares of less are summed up as "other".
_LEAST_MS = 5.0


class ColdStart:
    """An artifact unpacked in `task`, started afresh for every file.

    `runtime` holds the Runtime Interface Client and its bootstrap, `environment` what Lambda gives a function, `pin`
    is run in the new process. Times are in milliseconds from the start of that process.
    """

    def __init__(
        self, task: Path, runtime: Path, environment: dict[str, str], pin: Callable[[], None] | None
    ) -> None:
        self._task = task
        self._runtime = runtime
        self._pin = pin
        self._environment = environment | {
            "LAMBDA_RUNTIME_DIR": str(runtime),
            "AWS_LAMBDA_FUNCTION_NAME": "process",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        }

    def measure(self, events: Iterator[dict], runs: int) -> dict:
        """Medians of so many starts, each with an event of its own, and where the time goes."""
        starts = [self._start(self._task, HANDLER, next(events)) for _ in range(runs)]
        with tempfile.TemporaryDirectory() as empty:
            Path(empty, "empty.py").write_text(_EMPTY)
            bare = [self._start(Path(empty), "empty.handler", {}) for _ in range(runs)]
        imports = self._start(self._task, HANDLER, next(events), PYTHONPROFILEIMPORTTIME="1")["output"]
        total, init = (statistics.median(start[name] for start in starts) for name in ("total", "init"))
        runtime = statistics.median(start["init"] for start in bare)
        return {
            "total_ms": round(total),
            "python_and_runtime_client_ms": round(runtime),
            "init_ms": round(init - runtime),
            "first_file_ms": round(total - init),
            "imports_ms": _by_package(imports),
            "log_bytes": statistics.median(len(start["output"]) for start in starts),
        }

    def _start(self, task: Path, handler: str, event: dict, **variables: str) -> dict:
        with _RuntimeApi(event) as api, tempfile.TemporaryFile() as output:
            environment = self._environment | variables
            environment |= {"LAMBDA_TASK_ROOT": str(task), "_HANDLER": handler, "AWS_LAMBDA_RUNTIME_API": api.address}
            started = time.perf_counter()
            process = subprocess.Popen(
                [self._runtime / "bootstrap"], env=environment, cwd=task, preexec_fn=self._pin,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                answered = api.done.wait(_SECONDS)
            finally:
                process.kill()
                process.wait()
            output.seek(0)
            text = output.read().decode()
        if not answered or api.failure or json.loads(api.answer).get("batchItemFailures"):
            raise SystemExit(f"scripts/bench: a cold start failed: {api.failure or api.answer}\n{text[-2000:]}")
        return {"total": (api.answered - started) * 1000, "init": (api.ready - started) * 1000, "output": text}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A function that was ended leaves its connection behind; what else goes wrong shows as no answer."""


class _RuntimeApi:
    """Serves one event to one function and notes when it was asked for and answered."""

    def __init__(self, event: dict) -> None:
        self.done = threading.Event()
        self.failure, self.answer = b"", b"{}"
        self.ready = self.answered = 0.0
        api, body = self, json.dumps(event).encode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if api.ready:
                    # The next invocation never comes: the function is frozen.
                    api.done.wait(_SECONDS)
                    return
                api.ready = time.perf_counter()
                headers = {
                    "Content-Type": "application/json",
                    "Lambda-Runtime-Aws-Request-Id": "00000000-0000-0000-0000-000000000000",
                    "Lambda-Runtime-Deadline-Ms": round((time.time() + 300) * 1000),
                    "Lambda-Runtime-Invoked-Function-Arn": _ARN,
                }
                self._answer(200, body, headers)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.endswith("/response"):
                    api.answered, api.answer = time.perf_counter(), content
                else:
                    api.failure = content
                self._answer(202, b"{}", {})
                api.done.set()

            def _answer(self, status: int, content: bytes, headers: dict) -> None:
                self.send_response(status)
                for name, value in ({"Content-Length": len(content)} | headers).items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "_RuntimeApi":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._server.shutdown()
        self._server.server_close()


def sizes(archive: Path, task: Path) -> dict[str, float]:
    """Megabytes of an artifact, zipped and unpacked."""
    unpacked = sum(path.stat().st_size for path in task.rglob("*") if path.is_file())
    return {"zip_mb": round(archive.stat().st_size / 1e6, 1), "unzipped_mb": round(unpacked / 1e6, 1)}


def function_environment(settings: dict[str, str]) -> dict[str, str]:
    """The settings and nothing else of this machine's environment but what a program needs to start."""
    return {"PATH": os.environ["PATH"], "LANG": "en_US.UTF-8", "TZ": ":UTC"} | settings


def _by_package(output: str) -> dict[str, float]:
    """Milliseconds of each package's modules themselves, greatest first; measuring makes all of them slower."""
    found: dict[str, float] = {}
    for microseconds, module in _IMPORT.findall(output):
        # What our own modules do when they are loaded is to make the clients and to read the datasets.
        name = module if module.startswith("sluice.handlers.") else module.split(".")[0]
        found[name] = found.get(name, 0) + int(microseconds) / 1000
    named = {name: round(spent, 1) for name, spent in sorted(found.items(), key=lambda item: -item[1])}
    large = {name: spent for name, spent in named.items() if spent >= _LEAST_MS}
    return large | {"other": round(sum(named.values()) - sum(large.values()), 1)}
