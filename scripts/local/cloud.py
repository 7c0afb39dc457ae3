"""An AWS account on this machine: ministack in a child process, with our patches.

`start()` gives a `Cloud`. It listens on 127.0.0.1 only, on one free port and with TLS on another, keeps
everything it writes in one private folder, and ends with its parent: the child
watches a pipe from the parent, so even SIGKILL of the parent ends the child, its
Lambda environments and the folder.

    with start() as cloud:
        cloud.client("s3").create_bucket(Bucket="example")

IAM is enforced (AUTH=true). The account's root signs with a secret that is new on
every start, so another user of this machine cannot act as root.
"""

import argparse
import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from local import certificates

REGION = "us-east-1"
ACCOUNT = "111122223333"  # AWS's own example account

START_SECONDS = 30
STOP_SECONDS = 5
TLS = "tls"
# Those of APIs: the cloud's own, and domains as the demo and the tests have them.
TLS_NAMES = ("localhost", "127.0.0.1", "*.execute-api.localhost", "*.sluice.localhost", "*.example.org")
KEEP = b"keep"  # in the parent's pipe: go on when it closes
SCRIPTS = Path(__file__).resolve().parents[1]


class CloudError(RuntimeError):
    """The local cloud did not start; the message ends with the tail of its log."""


class Cloud:
    """A running local cloud. Made by `start()`; also a context manager that stops it.

    `endpoint` is http://127.0.0.1:<port>, `region` and `account` are those of every
    resource, `root` are the account's own keys as `assume` returns those of a role,
    `folder` holds `cloud.log`, `iam.jsonl` (see `decisions`), `pipelines/` (the resolved
    properties of each pipeline, as JSON), `tls/` (what it shows and what to trust where it
    speaks TLS, and on which `port`) and, where there is one, `database.json` (see `start`).
    With `process` None it is a cloud that another process started, and does not stop it.
    """

    def __init__(self, process: subprocess.Popen | None, folder: Path, port: int, secret: str,
                 account: str = ACCOUNT):
        self.endpoint = f"http://127.0.0.1:{port}"
        self.region = REGION
        self.account = account
        self.folder = folder
        self._process = process
        self.root = {"AccessKeyId": account, "SecretAccessKey": secret}
        no_file = (None, None, os.devnull, None)
        self._session = boto3.Session(botocore_session=botocore.session.Session(session_vars={
            "profile": (None, None, None, None), "config_file": no_file, "credentials_file": no_file}))

    def of(self, account: str) -> "Cloud":
        """The same cloud as another account sees it; to stop it is the first one's."""
        port, secret = int(self.endpoint.rpartition(":")[2]), self.root["SecretAccessKey"]
        return Cloud(None, self.folder, port, secret, account)

    def __enter__(self) -> "Cloud":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The cloud's process: SIGTERM ends it and removes all it wrote."""
        return self._process.pid

    def client(self, service: str, credentials: dict | None = None) -> Any:
        """A boto3 client for `service`: as the account's root, or with `credentials` as
        `assume` returns them. The user's own AWS configuration has no part in it.
        """
        keys = credentials or self.root
        return self._session.client(
            service, region_name=self.region, endpoint_url=self.endpoint,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(proxies={}),
        )

    def assume(self, role_arn: str, session_name: str, *,
               service: str | None = None, source_arn: str | None = None) -> dict:
        """STS credentials of the role: AccessKeyId, SecretAccessKey, SessionToken, Expiration.

        With `service` ("codepipeline.amazonaws.com") the service asks, on behalf of the
        resource `source_arn` of this account: the trust policy has to name the service, and
        its conditions on aws:SourceArn and aws:SourceAccount have to hold.
        Raises botocore's ClientError (AccessDenied) when the trust policy refuses.
        """
        sts = self.client("sts")
        caller = {"x-calling-service": service, "x-source-arn": source_arn}
        sts.meta.events.register("before-call.sts.AssumeRole", lambda params, **_: params["headers"].update(
            {name: value for name, value in caller.items() if value}))
        return sts.assume_role(RoleArn=role_arn, RoleSessionName=session_name)["Credentials"]

    def environment(self, credentials: dict | None = None) -> dict[str, str]:
        """The variables that point a child process's SDK or AWS CLI at this cloud.

        Lay them over an environment without AWS_* variables of the user's own.
        """
        keys = credentials or self.root
        exempt = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1", "localhost"]
        variables = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": ",".join(filter(None, exempt)),
        }
        if keys.get("SessionToken"):
            variables["AWS_SESSION_TOKEN"] = keys["SessionToken"]
        return variables

    def decisions(self) -> Iterator[dict]:
        """Every IAM decision so far for a role or a user (never for the root), in order:
        {"principal": arn, "role": name or None, "action": "s3:GetObjectVersion",
        "resource": arn, "decision": "Allow" | "Deny" | "ImplicitDeny"}.
        """
        path = self.folder / "iam.jsonl"
        if path.exists():
            with path.open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)

    def keep(self) -> None:
        """Let the cloud outlive this process, until its own process gets SIGTERM."""
        self._process.stdin.write(KEEP)
        self._process.stdin.close()

    def stop(self) -> None:
        """End the cloud and its functions, and remove its folder; nothing when it is kept.
        Safe to call twice."""
        if self._process is None or self._process.stdin.closed:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left in the group
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def start(folder: Path | None = None, *, database: bool = False,
          _without: frozenset[str] | set[str] = frozenset()) -> Cloud:
    """Start a local cloud and wait until it answers.

    `folder` (a new one by default) is private to the cloud and removed with it. With
    `database` a MariaDB of its own stands behind every RDS cluster; `database.json` tells its
    `host` and `port`, the master `user`'s `password`, and the `authority` to trust. `_without`
    names patches to leave out: for the tests that show each patch is needed.
    Raises CloudError when the child ends or does not answer in time, or MariaDB is missing.
    """
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="sluice-cloud-"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "tmp").mkdir()
    (folder / TLS).mkdir()
    certificates.write(folder / TLS, TLS_NAMES)
    secret = secrets.token_hex(20)
    # Bound here and handed over, so that no other process can take the port in between.
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, \
            socket.create_server(("127.0.0.1", 0)) as encrypted, (folder / "cloud.log").open("wb") as log:
        port = listener.getsockname()[1]
        (folder / TLS / "port").write_text(str(encrypted.getsockname()[1]))
        process = subprocess.Popen(
            [sys.executable, "-m", "local.cloud", "serve", "--folder", str(folder),
             "--listener", str(listener.fileno()), "--encrypted", str(encrypted.fileno()),
             *(["--database"] if database else []),
             *(f"--without={name}" for name in sorted(_without))],
            stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            env=_child_environment(folder, port, secret), cwd=folder,
            pass_fds=[listener.fileno(), encrypted.fileno()], start_new_session=True,
        )
    cloud = Cloud(process, folder, port, secret)
    try:
        _wait(process, port)
    except BaseException as error:
        tail = (folder / "cloud.log").read_text(errors="replace")[-2000:]
        cloud.stop()
        if isinstance(error, TimeoutError):
            raise CloudError(f"{error}. The end of its log:\n{tail}") from None
        raise
    return cloud


def _child_environment(folder: Path, port: int, secret: str) -> dict[str, str]:
    """Nothing of the user's AWS settings, no Docker, no port but one, no file elsewhere."""
    inherited = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
                 if key in os.environ}
    return inherited | {
        "PYTHONPATH": str(SCRIPTS),
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "AWS_SECRET_ACCESS_KEY": secret,  # ministack's name for the root's secret
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "LAMBDA_EXECUTOR": "local",
        # ministack removes the containers it thinks are its own: it shall find no daemon.
        "DOCKER_HOST": f"unix://{folder}/no-docker",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }


def _wait(process: subprocess.Popen, port: int) -> None:
    """Return when the child answers; TimeoutError says that it ended or stayed silent."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The local cloud did not answer within {START_SECONDS} s")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        try:
            connection.request("GET", "/_ministack/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    raise TimeoutError(f"The local cloud ended with exit code {process.returncode} while starting")


def _serve(folder: Path, listener: int, encrypted: int, database: bool, without: set[str]) -> None:
    """The child: ministack on `listener`, and with TLS on `encrypted`, until SIGTERM, or until the
    parent's pipe closes."""
    import asyncio

    from hypercorn.asyncio import serve
    from hypercorn.config import Config as ServerConfig

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us through the parent
    end_database = _serve_database(folder) if database else lambda: None
    signal.signal(signal.SIGTERM, lambda *_: _end(folder, end_database))
    threading.Thread(target=_watch_parent, daemon=True).start()

    from local import patches
    patches.apply(folder, without)
    from ministack.app import app

    config = ServerConfig()
    config.bind, config.insecure_bind = [f"fd://{encrypted}"], [f"fd://{listener}"]
    config.certfile = str(folder / TLS / certificates.CERTIFICATE)
    config.keyfile = str(folder / TLS / certificates.KEY)
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    asyncio.run(serve(app, config, shutdown_trigger=asyncio.Event().wait))


def _serve_database(folder: Path) -> Callable[[], None]:
    """Start MariaDB, which ends with this process, and say where it is; what stops it."""
    from local import mariadb

    server = mariadb.start()
    known = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    (folder / "database.json").write_text(json.dumps({**known, "authority": str(server.authority)}))
    return server.stop


def _watch_parent() -> None:
    """End this process when the parent's end of the pipe closes, however the parent ended."""
    if os.read(sys.stdin.fileno(), len(KEEP)) == KEEP:
        return
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _end(folder: Path, end_database: Callable[[], None]) -> None:
    """End this process and its Lambda environments (one process group), the database, and their files."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(os.getpgrp(), signal.SIGTERM)
    end_database()
    time.sleep(0.05)  # a function that still writes would keep the folder from being removed
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="local.cloud")
    serve = parser.add_subparsers(required=True).add_parser("serve")
    serve.add_argument("--folder", type=Path, required=True)
    serve.add_argument("--listener", type=int, required=True)
    serve.add_argument("--encrypted", type=int, required=True)
    serve.add_argument("--database", action="store_true")
    serve.add_argument("--without", action="append", default=[])
    arguments = parser.parse_args()
    _serve(arguments.folder, arguments.listener, arguments.encrypted, arguments.database, set(arguments.without))


if __name__ == "__main__":
    _main()
