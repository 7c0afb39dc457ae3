"""Calling an API of a local cloud as a client on the internet would."""

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local import certificates
from local.cloud import TLS, Cloud


@dataclass(frozen=True)
class Answer:
    """An answer to a request; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Api:
    """An API by its address, of which only the cloud itself has to know where it leads; called with TLS.

    `credentials` sign each request for IAM, as `Cloud.assume` returns them; `token` is sent as one of JWT.
    """

    def __init__(
        self, cloud: Cloud, url: str, *, credentials: Mapping[str, str] | None = None, token: str = ""
    ) -> None:
        self._cloud = cloud
        self._host = urlsplit(url).netloc
        self._server = _server(cloud, urlsplit(url).hostname)
        self._credentials = credentials
        self._token = token

    def get(self, path: str, **query: object) -> Answer:
        """The answer to GET, with those parameters of the query that are not None."""
        given = {name: value for name, value in query.items() if value is not None}
        return self.call("GET", f"{path}?{urlencode(given)}" if given else path)

    def post(self, path: str, document: object) -> Answer:
        """The answer to POST, with a document as JSON."""
        return self.call("POST", path, json.dumps(document).encode(), {"content-type": "application/json"})

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """The answer to any request, whatever its status."""
        headers = {"host": self._host, **headers}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        if self._credentials:
            request = AWSRequest(method, f"https://{self._host}{path}", data=body, headers=headers)
            keys = (self._credentials.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
            SigV4Auth(Credentials(*keys), "execute-api", self._cloud.region).add_auth(request)
            headers = dict(request.headers)
        request = urllib.request.Request(f"https://{self._host}{path}", body, dict(headers), method=method)
        return _open(request, self._server)


def _server(cloud: Cloud, name: str) -> urllib.request.HTTPSHandler:
    """Leads to the cloud whatever the address, and wants a certificate for that name of it."""
    folder = cloud.folder / TLS
    context = ssl.create_default_context(cafile=folder / certificates.AUTHORITY)
    port = int((folder / "port").read_text())

    class Connection(http.client.HTTPSConnection):
        def connect(self) -> None:
            plain = socket.create_connection(("127.0.0.1", port), self.timeout)
            self.sock = context.wrap_socket(plain, server_hostname=name)

    class Handler(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(Connection, request)

    return Handler()


def fetch(
    url: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    """The answer to a request to an address as it stands, such as a presigned one."""
    return _open(urllib.request.Request(url, body, dict(headers), method=method))


def _open(request: urllib.request.Request, *handlers: urllib.request.BaseHandler) -> Answer:
    # No proxy: the cloud is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    try:
        with opener.open(request) as answer:
            return _answer(answer.status, answer)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error)


def _answer(status: int, answer: Any) -> Answer:
    return Answer(status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
