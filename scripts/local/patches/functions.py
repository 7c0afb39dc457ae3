"""Lambda: Python functions run under AWS's own Runtime Interface Client, and are told when they were to start."""

import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from ministack.core import lambda_runtime
from ministack.services import lambda_svc, scheduler

from local.patches import rewrite
from local.patches.databases import DATABASE

# What /var/runtime holds for the client; the rest of this environment is out of reach.
RUNTIME_MODULES = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")

BOOTSTRAP = """\
import os
import sys

sys.path[:1] = [os.environ["LAMBDA_TASK_ROOT"], os.environ["LAMBDA_RUNTIME_DIR"]]

from awslambdaric.__main__ import main

main(["awslambdaric", os.environ["_HANDLER"]])
"""

_this_thread = threading.local()


def python_runtime(folder: Path) -> None:
    """Python functions run from their unzipped artifact, under awslambdaric.

    Stock: a Python function runs in a worker script of ministack's own, in ministack's
    interpreter with all its packages and with the environment of the host; errors lose
    their type and stack trace, logs their format.
    AWS: a function sees its artifact, the runtime and an environment made by Lambda; the
    Runtime Interface Client talks to the Runtime API.
    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    Here ministack's own Runtime API for provided.* serves Python functions as well. The
    artifact is unzipped once and shared by all environments that run it.
    """
    runtime = folder / "runtime"
    install_runtime(runtime)
    _RuntimeWorker.scratch_root = folder / "tmp"
    stock_worker = lambda_runtime._worker_class_for
    stock_warm = lambda_svc._execute_function_warm
    stock_unzip = lambda_svc._provided_runtime_code_dir

    def is_python(config: dict) -> bool:
        return str(config.get("Runtime", "")).startswith("python")

    def worker_class(config):
        return _RuntimeWorker if is_python(config) else stock_worker(config)

    def execute(func, event, request_id):
        config = func.get("config") or func
        run = lambda_svc._execute_function_provided_warm if is_python(config) else stock_warm
        return run(func, event, request_id)

    def unzip(code_zip):
        task_root = stock_unzip(code_zip)
        bootstrap = Path(task_root, "bootstrap")
        # Two environments may start at once. A link, because a file still open for writing cannot be executed.
        with contextlib.suppress(FileExistsError):
            bootstrap.symlink_to(runtime / "bootstrap")
        return task_root

    lambda_runtime._worker_class_for = worker_class
    lambda_svc._execute_function_warm = execute
    lambda_svc._provided_runtime_code_dir = unzip
    lambda_svc._provided_worker_env = lambda config, task_root, port: _environment(
        config, task_root, port, runtime)


def install_runtime(runtime: Path) -> None:
    """`runtime` as Lambda's /var/runtime: the client and what it imports, nothing else."""
    runtime.mkdir()
    for name in RUNTIME_MODULES:
        module = Path(importlib.util.find_spec(name).origin)
        source = module.parent if module.name == "__init__.py" else module
        (runtime / source.name).symlink_to(source)
    (runtime / "bootstrap.py").write_text(BOOTSTRAP)
    start = runtime / "bootstrap"
    # -S: no site-packages, so what the artifact lacks is missing, as on AWS.
    # -B: the unzipped artifact is read-only, as /var/task is.
    start.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -S -B "
                     f"{shlex.quote(str(runtime / 'bootstrap.py'))}\n")
    start.chmod(0o500)


def _environment(config: dict, task_root: str, port: int, runtime: Path) -> dict[str, str]:
    """The variables of an execution environment, and none of this machine's."""
    _, region = lambda_svc._account_region_from_function_config(config)
    logging = config.get("LoggingConfig") or {}
    variables = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": config.get("_scratch") or tempfile.gettempdir(),
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": str(runtime),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', '')}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
        "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}",
        "AWS_LAMBDA_LOG_STREAM_NAME": config.get("_log_stream", ""),
        "_HANDLER": config.get("Handler", ""),
        **lambda_runtime.execution_credentials(config),
    }
    if logging.get("LogFormat") == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel", "INFO")
    if (runtime.parent / DATABASE).exists():
        # Who signed the certificate of the database here; of Aurora's, the artifact knows.
        variables["SSL_CERT_FILE"] = json.loads((runtime.parent / DATABASE).read_text())["authority"]
    variables |= lambda_svc._runtime_env_vars(config)
    # Lambda has no AWS configuration files either: nobody's ~/.aws may reach a function.
    return variables | {
        "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class _RuntimeWorker(lambda_runtime.ProvidedWorker):
    """An execution environment with its own TMPDIR and log stream, both new at every start."""

    scratch_root: Path
    _scratch: str | None = None

    def _spawn(self, init_timeout=None):
        self._remove_scratch()
        self._scratch = tempfile.mkdtemp(prefix=f"{self.func_name}-", dir=self.scratch_root)
        version = self.config.get("Version", "$LATEST")
        stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{version}]{uuid.uuid4().hex}"
        self.config = {**self.config, "_scratch": self._scratch, "_log_stream": stream}
        super()._spawn(init_timeout)

    def _build_handler_class(self, generation, pending):
        handler = super()._build_handler_class(generation, pending)
        handler.disable_nagle_algorithm = True  # header and body go separately: 40 ms per call
        return handler

    def _init_log_suffix(self):
        return ""  # what the function printed stays in its log

    def invoke(self, event, request_id, *, trace_id=None, invoked_function_arn=None):
        try:
            result = super().invoke(event, request_id, trace_id=trace_id,
                                    invoked_function_arn=invoked_function_arn)
        except RuntimeError as error:
            # Init failed: with an error that the client reported, or with its exit.
            reported = isinstance(self._init_error, dict)
            result = {"status": "error", "log": self._drain_stderr(), "error_payload": self._init_error
                      if reported else {"errorType": "Runtime.ExitError", "errorMessage": str(error)}}
        _this_thread.log_stream = self.config.get("_log_stream")
        failure = result.get("error_payload")
        if isinstance(failure, dict) and failure.get("errorType") in ("Sandbox.Timedout", "Runtime.ExitError"):
            # These two Lambda reports itself, in the function's log too.
            failure["errorMessage"] = f"RequestId: {request_id} Error: {failure['errorMessage']}"
            result["log"] = f"{result['log']}\n{failure['errorMessage']}".lstrip("\n")
        return result

    def _teardown(self):
        super()._teardown()
        self._remove_scratch()

    def _discard_tmpdir(self):
        super()._discard_tmpdir()
        self._remove_scratch()

    def _remove_scratch(self):
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None


def function_logs(folder: Path) -> None:
    """An environment writes to one log stream, the one it was told; a line is an event.

    Stock: every invocation gets a new stream, whatever AWS_LAMBDA_LOG_STREAM_NAME says,
    and a line that contains one of Unicode's line separators (or the carriage returns
    between the lines of a stack trace) becomes several events.
    AWS: one stream for an environment; a line ends with a newline.
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
    """
    lambda_svc._log_stream_of_this_thread = lambda: _this_thread.__dict__.pop("log_stream", None)
    rewrite(
        lambda_svc._emit_lambda_logs,
        ("        now_ms = int(time.time() * 1000)\n",
         "        now_ms = int(time.time() * 1000)\n"
         "        stream_name = _log_stream_of_this_thread() or stream_name\n"),
        ("lines = [start, *(log_text.splitlines() if log_text else []), end, _report()]",
         "lines = [start, *(log_text.split('\\n') if log_text else []), end, _report()]"),
    )


def scheduled_time(folder: Path) -> None:
    """What a schedule starts is told for which time, where its input asks for it.

    Stock: the input is passed on as it is written.
    AWS: context attributes in it, such as <aws.scheduler.scheduled-time>, are replaced.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    Here that one only; what recurs has the time at which it is started.
    """
    def told(target: dict, seconds: float) -> dict:
        moment = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {**target, "Input": target["Input"].replace("<aws.scheduler.scheduled-time>", moment)}

    scheduler._told = told
    rewrite(scheduler._tick_schedules, (
        '            target = sched.get("Target") or {}\n',
        '            target = sched.get("Target") or {}\n'
        '            if "Input" in target:\n'
        '                target = _told(target, now if at_epoch is None else at_epoch)\n',
    ))


PATCHES = (python_runtime, function_logs, scheduled_time)
