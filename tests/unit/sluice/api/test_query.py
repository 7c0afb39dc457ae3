"""The query function: methods and paths, headers, logs, and an answer to whatever may be asked."""

import io
import logging
import re
from base64 import b64encode
from hashlib import sha256
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sluice.ledger_reader
import sluice.windows
from local.invocation import Context
from sluice.api import uploads
from sluice.api.page import content
from support.api import TABLES, answered
from support.description import check, description
from support.http import NOW, request
from support.temperatures import FakeWindows
from support.uploads import FakeReader

PATHS = sorted(path.format(id="0" * 32) for path in description()["paths"])
READ = [path for path in PATHS if path != "/api/v1/samples"]
NAMES = "sensor from to resolution day state dataset since until limit page".split()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/v1/temperature", "GET"),
        ("HEAD", "/", "GET"),
        ("OPTIONS", "/openapi.json", "GET"),
        ("DELETE", "/api/v1/uploads", "GET, POST"),
        ("PUT", f"/api/v1/uploads/{'0' * 32}", "GET"),
        ("GET", "/api/v1/samples", "POST"),
    ],
)
def test_a_method_that_a_path_has_not_is_refused_with_those_it_has(ask, method, path, allowed):
    answer = ask(path, method=method)

    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/api", "/api/v1/temperature/", "/api/v2/temperature", "//", "/api/v1/uploads/a/b"])
def test_an_unknown_path_is_not_found(ask, path):
    assert ask(path).status == 404


@pytest.mark.parametrize("path", READ)
def test_an_unknown_parameter_is_refused_everywhere(ask, path):
    answer = ask(f"{path}?<script>=1")

    assert (answer.status, list(answer.errors)) == (400, ["<script>"])
    assert "<" not in answer.text


@pytest.mark.parametrize("path", READ)
def test_every_answer_has_security_headers(ask, path):
    headers = ask(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == ("no-cache" if path == "/" else "no-store")


def test_the_page_runs_its_own_script_and_style_alone(ask):
    answer = ask("/", has=("LEDGER_TABLE", "RESULTS_BUCKET"), authorization="IAM")
    policy = dict(one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; "))

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        [text] = re.findall(f"<{element}>(.*?)</{element}>", answer.text, re.DOTALL)
        assert policy[directive] == f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
    assert policy["connect-src"] == "'self'" and policy["frame-ancestors"] == "'none'"


def test_the_page_asks_no_other_host_and_writes_no_html():
    assert set(re.findall(r"https?://[^\"'\s]+", content())) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval|\bon\w+=|\bstyle=", content())


def test_large_answers_are_compressed_for_who_takes_that(ask):
    answer = ask("/openapi.json", headers={"accept-encoding": "gzip, br"})

    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.document == ask("/openapi.json").document


def test_logs_have_no_token_and_no_parameter(ask, windows, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such table")

    monkeypatch.setattr(windows, "statistics", fail)
    assert ask("/api/v1/temperature/sensors").status == 200
    log = io.StringIO()
    monkeypatch.setattr(logging.getLogger("query").handlers[0], "stream", log)

    answer = ask("/api/v1/temperature?sensor=secret-sensor", headers={"authorization": "Bearer secret-token"})

    assert answer.status == 500 and "no such table" not in answer.text
    assert "no such table" in log.getvalue() and "secret" not in log.getvalue()


@pytest.fixture(scope="module")
def handler():
    """The function with an empty table and an empty ledger, which answer at once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        for name, value in {**TABLES, "AUTHORIZATION": "NONE", "AWS_DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        patch.setattr(sluice.windows, "Windows", lambda *_: FakeWindows())
        patch.setattr(sluice.ledger_reader, "LedgerReader", lambda *_: FakeReader())
        yield load_query(patch).handler


def load_query(patch: pytest.MonkeyPatch):
    """The module, imported anew."""
    import importlib
    import sys

    sys.modules.pop("sluice.handlers.query", None)
    return importlib.import_module("sluice.handlers.query")


def token(text: str) -> str:
    asked = uploads.Question.read(uploads.Parameters(""), [], NOW).asked
    return uploads._encode(f"{text}.{uploads._checksum(text, asked)}".encode("utf-8", "replace"))


numbers = st.integers(0, 10**18)
years = st.integers(-1, 10_001).map(lambda year: f"{year:04}")
values = st.one_of(
    st.text(),
    st.sampled_from(["minute", "hour", "day", "FAILED", "PROCESSING", "prices", "none", "2026-11-28", "1", "100", "a"]),
    st.datetimes().map(lambda time: f"{time.isoformat()}Z"),
    st.builds("{}-{}T00:00:00{}".format, years, st.sampled_from(["01-01", "12-31"]), st.sampled_from(["Z", "+23:59"])),
    st.integers(-(10**20), 10**20).map(str),
    st.builds("{}.{}.{}".format, numbers, numbers, st.sampled_from(["", "0" * 32])).map(token),
)
queries = st.one_of(
    st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), st.text()), values), max_size=6).map(
        lambda pairs: urlencode(pairs, errors="replace")
    ),
    st.text(alphabet=st.characters(exclude_categories=())),
)
paths = st.one_of(
    st.sampled_from(PATHS),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])).map(lambda text: "/" + quote(text)),
    st.text().map(lambda text: "/api/v1/uploads/" + text.replace("?", "").replace("#", "")),
)


@settings(max_examples=400)
@given(st.sampled_from(["GET", "GET", "GET", "POST", "PATCH"]), paths, queries)
def test_whatever_is_asked_is_answered(handler, method, path, query):
    event = request(method, path) | {"rawQueryString": query}
    # Routes of other functions do not come here.
    if (method, path) in {("POST", "/api/v1/uploads"), ("POST", "/api/v1/samples")}:
        return

    answer = answered(handler(event, Context("query")))

    assert answer.status < 500
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    check(method, path, answer.status, answer.headers["Content-Type"], answer.text)
