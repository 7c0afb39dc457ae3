"""An S3 that makes up what is read from it and counts what is written, so that size costs neither memory nor disk.

It knows what the process function asks of S3, and nothing else. For any size of file it stays as small as it is.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

_DATE = "Mon, 02 Nov 2026 08:00:00 GMT"
_TAIL = 4096


@dataclass(frozen=True)
class Generated:
    """A file of `size` bytes: a head, then the same piece so many times."""

    head: bytes
    piece: bytes
    times: int

    @property
    def size(self) -> int:
        return len(self.head) + len(self.piece) * self.times

    def __iter__(self) -> Iterator[bytes]:
        yield self.head
        for _ in range(self.times):
            yield self.piece


class Written:
    """An object that was written: its bytes and lines counted, its last bytes kept."""

    def __init__(self) -> None:
        self.size = 0
        self.lines = 0
        self.tail = b""

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.lines += data.count(b"\n")
        self.tail = (self.tail + data)[-_TAIL:]


class GeneratedS3:
    """`files` are what can be read, by path (`/bucket/key`); `written` is what was written, complete or not."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.files: dict[str, Generated] = {}
        self.written: dict[str, Written] = {}


@contextmanager
def serve() -> Iterator[GeneratedS3]:
    """Serves on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.s3 = GeneratedS3(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.s3
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        file = self._s3.files[self._path]
        self._answer(200, length=file.size, ETag='"made-up"', Last_Modified=_DATE)
        for piece in file:
            self.wfile.write(piece)

    def do_HEAD(self) -> None:
        self._answer(404)

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self._query.get("partNumber", ["1"]) == ["1"]:
            self._s3.written[self._path] = Written()
        self._s3.written[self._path].add(data)
        self._answer(200, ETag=f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in self._query:
            body = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        else:
            body = b"<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"
        self._answer(200, length=len(body))
        self.wfile.write(body)

    def do_DELETE(self) -> None:
        del self._s3.written[self._path]
        self._answer(204)

    @property
    def _s3(self) -> GeneratedS3:
        return self.server.s3

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    @property
    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _answer(self, status: int, length: int = 0, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what it saw."""
