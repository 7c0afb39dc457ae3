"""One shell for all commands of a build, as buildspec version 0.2 has it.

Variables, functions and the working directory carry on from command to command. A command that
ends the shell (`exit 1`, `set -e`) ends only itself: the next one gets a new shell with the
exported variables and the directory that the old one had.
"""

import os
import re
import secrets
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_POLL_SECONDS = 0.2

# After each command, and when the shell ends, the shell saves its exported variables and its
# directory, and then writes a mark with the exit status into the same pipe as all output: what
# the command wrote comes before its mark. Descriptor 9 survives a command's `exec >file`.
_DRIVER = r"""
exec 9>&1
__mark() {{ /usr/bin/env -0 >|{state}; pwd >|{directory}; printf '\036{token} %s %s\n' "$1" "$2" >&9; }}
trap '__mark "$?" ended' EXIT
"""


class Shell:
    """A context manager; leaving it kills every process that the commands left running."""

    def __init__(
        self, program: str, environment: Mapping[str, str], directory: Path, scratch: Path, log: Callable[[str], None]
    ):
        """`program` is sh or bash, `environment` is complete, `scratch` is a private folder."""
        self.environment = dict(environment)
        self._program = program
        self._directory = str(directory)
        self._scratch = scratch
        self._log = log
        self._count = 0
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Shell":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def set(self, name: str, value: str) -> None:
        """Export a variable, as `export name=value` would."""
        self.environment[name] = value
        if self._process:
            self._write(f"export {name}={shlex.quote(value)}")

    def run(self, command: str, deadline: float | None = None) -> int:
        """Run a command of one or more lines, logging its output line by line; its exit status.

        Raises TimeoutError when `deadline` (of time.monotonic) passes.
        """
        if self._process is None:
            self._start()
        self._count += 1
        script = self._scratch / f"command-{self._count}"
        script.write_text(command + "\n", encoding="utf-8")
        self._write(f'. {shlex.quote(str(script))} </dev/null; __mark "$?" alive')
        status, alive = self._follow(deadline)
        self._load()
        if not alive:
            self._end()
        return status

    def _start(self) -> None:
        self._token = secrets.token_hex(8)
        self._mark = re.compile(rb"\x1e%s (\d+) (\w+)\n" % self._token.encode())
        self._buffer = b""
        self._process = subprocess.Popen(
            [self._program, *(["--noprofile", "--norc"] if self._program == "bash" else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=self.environment,
            cwd=self._directory,
            start_new_session=True,
        )
        self._write(
            _DRIVER.format(
                token=self._token,
                state=shlex.quote(str(self._scratch / "environment")),
                directory=shlex.quote(str(self._scratch / "directory")),
            )
        )

    def _write(self, line: str) -> None:
        try:
            self._process.stdin.write(f"{line}\n".encode())
        except BrokenPipeError:  # the shell has gone: `_follow` finds that out
            pass

    def _follow(self, deadline: float | None) -> tuple[int, bool]:
        """Log output until the mark; (exit status, whether the shell lives on)."""
        output = self._process.stdout.fileno()
        while True:
            found = self._mark.search(self._buffer)
            end = found.start() if found else self._buffer.rfind(b"\n") + 1
            text, self._buffer = self._buffer[:end], self._buffer[found.end() if found else end :]
            for line in text.removesuffix(b"\n").split(b"\n") if text else ():
                self._log(line.decode("utf-8", "replace").rstrip("\r"))
            if found:
                return int(found[1]), found[2] == b"alive"
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError("its time is up")
            ended = self._process.poll() is not None
            if select.select([output], [], [], 0 if ended else _POLL_SECONDS)[0]:
                data = os.read(output, 65536)
                self._buffer += data
                ended = ended and not data
            if ended:  # without a mark: killed, or replaced by `exec`
                if self._buffer:
                    self._log(self._buffer.decode("utf-8", "replace"))
                status = self._process.returncode
                return (128 - status if status < 0 else status), False

    def _load(self) -> None:
        """Take over what the shell saved last."""
        try:
            saved = (self._scratch / "environment").read_bytes().split(b"\0")
            directory = (self._scratch / "directory").read_text(encoding="utf-8").removesuffix("\n")
        except FileNotFoundError:  # the first command was killed
            return
        self.environment = dict(os.fsdecode(item).split("=", 1) for item in saved if b"=" in item)
        if os.path.isdir(directory):
            self._directory = directory

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        process.stdin.close()
        process.stdout.close()
