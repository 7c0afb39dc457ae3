"""The submit function: forms for one key of a dataset, of a size, for a while."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.invocation import Context
from sluice.api import forms
from sluice.api.forms import limit
from sluice.clients import make_signer
from sluice.contract.parquet import SIZE_LIMIT
from sluice.datasets import Catalogue
from sluice.invocation import Invocation, size_limit
from sluice.processors import NEEDS
from support.api import Answer, answered
from support.checkout import ROOT
from support.datasets import dataset, described
from support.description import check
from support.functions import imported
from support.http import request

PATH = "/api/v1/uploads"


@pytest.fixture(scope="module")
def submit():
    with imported("submit", UPLOADS_BUCKET="uploads") as module:
        yield module


@pytest.fixture
def ask(submit):
    """Asks the function for a form."""

    def post(body: object, url: str = PATH) -> Answer:
        event = request("POST", url, body=body if isinstance(body, str) else json.dumps(body))
        answer = answered(submit.handler(event, Context("submit", seconds=25)))
        check("POST", url, answer.status, answer.headers["Content-Type"], answer.text)
        return answer

    return post


def policy(form: dict) -> dict:
    return json.loads(base64.b64decode(form["fields"]["policy"]))


def test_a_form_is_for_one_key_a_size_and_fifteen_minutes(ask):
    before = datetime.now(UTC)
    form = ask({"dataset": "prices", "key": "prices/LSE/TSCO.csv"}).document

    said = policy(form)
    assert form["key"] == form["fields"]["key"] == "prices/LSE/TSCO.csv"
    assert {"key": "prices/LSE/TSCO.csv"} in said["conditions"] and {"bucket": "uploads"} in said["conditions"]
    assert ["content-length-range", 1, limit(dataset("prices"))] in said["conditions"]
    assert form["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert not any("starts-with" in condition for condition in said["conditions"])
    ends = [datetime.fromisoformat(text) for text in (form["expires"], said["expiration"])]
    for end in ends:
        assert abs(end - before - timedelta(minutes=15)) < timedelta(seconds=5)


def test_a_form_is_signed_for_every_region(submit, ask, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(submit, "signer", make_signer())

    form = ask({"dataset": "smoke", "key": "smoke/a.csv"}).document

    assert form["url"] == "https://uploads.s3.eu-central-1.amazonaws.com/"
    assert form["fields"]["x-amz-algorithm"] == "AWS4-HMAC-SHA256"


KEY = "people/{}.csv"
KEYS = {
    "prices/LSE/A.csv": "must be like people/{name}.csv",
    "people/a.csv.gz": "must be like people/{name}.csv",
    "people/a/b.csv": "must be like people/{name}.csv",
    "/people/a.csv": "must have a name before, between and after its slashes",
    "people/../people/a.csv": "must have a name before, between and after its slashes",
    "people/./a.csv": "must have a name before, between and after its slashes",
    "people//a.csv": "must have a name before, between and after its slashes",
    "people/..\\a.csv": "no $ and no backslash",
    KEY.format("${filename}"): "no $ and no backslash",
    KEY.format("a\n"): "no control characters",
    KEY.format("a\0"): "no control characters",
    KEY.format("a\x85"): "no control characters",
    KEY.format("a\u2028"): "no control characters",
    KEY.format("a\ufffe"): "no control characters",
    KEY.format("a" * 968): "978 bytes at most",
    KEY.format("ä" * 484): "978 bytes at most",
    KEY.format("\ud800"): "must be a key: text",
    "": "must be a key: text",
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_none_of_the_dataset_or_of_nobody_is_refused_with_its_reason(ask, key):
    answer = ask({"dataset": "people", "key": key})

    assert (answer.status, list(answer.errors)) == (400, ["key"])
    assert KEYS[key] in answer.errors["key"]


@pytest.mark.parametrize("name", ["a", "a" * 967, "ä" * 483, "a b+c%20d", "год 2026", "..a..", "a&<b>", "👩‍🔬"])
def test_a_key_of_the_dataset_has_a_form_and_is_its_uploads(ask, name):
    key = KEY.format(name)

    form = ask({"dataset": "people", "key": key}).document

    assert form["fields"]["key"] == form["key"] == key


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"dataset": "is missing", "key": "is missing"}),
        ({"dataset": "people"}, {"key": "is missing"}),
        ({"dataset": None, "key": 5}, {"dataset": "must be the name of a dataset", "key": "must be a key: text"}),
        (
            {"dataset": "people", "key": "people/a.csv", "size": 5},
            {"size": "is unknown: dataset, key may be given here"},
        ),
    ],
)
def test_what_is_wrong_is_named_member_by_member(ask, body, errors):
    answer = ask(body)

    assert (answer.status, answer.errors) == (400, errors)


def test_a_dataset_that_is_not_there_is_not_found(ask):
    assert ask({"dataset": "peoples", "key": "people/a.csv"}).status == 404


def test_a_key_that_another_dataset_has_as_well_is_refused(tmp_path, submit, ask, monkeypatch):
    for name, key in (("one", "x/{a}/b.csv"), ("two", "x/a/{b}.csv")):
        descriptor = {
            "name": name,
            "sluice:key": key,
            "sluice:processor": "clean",
            "schema": {"fields": [{"name": "f"}]},
        }
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(descriptor))
    monkeypatch.setattr(submit, "catalogue", Catalogue(tmp_path, NEEDS))

    assert ask({"dataset": "one", "key": "x/c/b.csv"}).status == 201
    answer = ask({"dataset": "one", "key": "x/a/b.csv"})
    assert (answer.status, answer.errors) == (
        400,
        {"key": "datasets one and two both match this key: make their key patterns exclusive"},
    )


def test_a_key_whose_result_would_have_one_too_long_is_refused(tmp_path, submit, ask, monkeypatch):
    descriptor = {
        "name": "one",
        "sluice:key": "{a}.csv",
        "sluice:result": f"{'r' * 100}/{{a}}",
        "sluice:processor": "clean",
        "schema": {"fields": [{"name": "f"}]},
    }
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(descriptor))
    monkeypatch.setattr(submit, "catalogue", Catalogue(tmp_path, NEEDS))

    assert ask({"dataset": "one", "key": "a" * 923 + ".csv"}).status == 201
    assert "as its result's may have 1024 bytes" in ask({"dataset": "one", "key": "a" * 924 + ".csv"}).errors["key"]


FIELDS = "schema: {fields: [{name: f, constraints: {required: true}}]}\nsluice:format: "


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        (f"{FIELDS}csv", size_limit(is_fast=True, is_compressed=False)),
        (f"{FIELDS}jsonl", size_limit(is_fast=False, is_compressed=False)),
        (f"format: json\n{FIELDS}jsonl", size_limit(is_fast=False, is_compressed=False)),
        (f"format: parquet\n{FIELDS}parquet", SIZE_LIMIT),
    ],
)
def test_a_form_is_for_as_many_bytes_as_can_be_processed_in_time(text, bytes_):
    assert limit(described(text)) == bytes_


def test_a_form_is_for_no_more_bytes_than_one_request_may_send(monkeypatch):
    monkeypatch.setattr(forms, "size_limit", lambda **_: 10**12)

    assert limit(dataset("prices")) == 5 * 2**30
    assert limit(described(f"format: parquet\n{FIELDS}parquet")) == SIZE_LIMIT


def test_the_time_and_the_memory_are_those_that_the_process_function_is_given():
    text = (ROOT / "templates" / "lambda.yaml").read_text(encoding="utf-8")
    process = re.search(r"\n  Process:\n(.*?)\n  [A-Z]", text, re.DOTALL)[1]
    memory, seconds = (int(re.search(rf"{name}: (\d+)", process)[1]) for name in ("MemorySize", "Timeout"))

    own = Invocation(lambda: float(seconds), memory)

    assert size_limit(is_fast=True, is_compressed=False) == int(own.limit(is_fast=True))
    assert size_limit(is_fast=False, is_compressed=True) == int(own.limit(is_fast=False, is_compressed=True))


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.text(max_size=30), st.sampled_from(["people", "prices", "smoke"]))
def test_whatever_the_key_a_form_is_for_an_upload_of_the_dataset(ask, submit, name, wanted):
    key = f"{wanted}/{name}.csv"

    answer = ask({"dataset": wanted, "key": key})

    assert answer.status in (201, 400)
    if answer.status == 201:
        assert submit.catalogue.match(key).name == wanted
        assert {"key": key} in policy(answer.document)["conditions"]
        assert ".." not in key.split("/") and "\0" not in key and "\n" not in key
