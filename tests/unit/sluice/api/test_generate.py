"""The generate function: new objects in the sample bucket, and a reason for whatever cannot be one."""

import json
import re
from base64 import b64encode

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.invocation import Context
from sluice.samples import files
from support.api import Answer, answered
from support.datasets import checked, dataset
from support.description import check
from support.functions import imported
from support.http import request

PATH = "/api/v1/samples"
KEY = "arn:aws:kms:us-east-1:444455556666:key/00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def generate():
    """The function, with a bucket that has versions."""
    with imported("generate", SAMPLE_BUCKET="partner", SAMPLE_PREFIX="samples") as module:
        s3 = module.bucket._s3
        s3.create_bucket(Bucket="partner")
        s3.put_bucket_versioning(Bucket="partner", VersioningConfiguration={"Status": "Enabled"})
        yield module


@pytest.fixture
def s3(generate):
    return generate.bucket._s3


@pytest.fixture
def ask(generate):
    """Asks it; a body that is no text is sent as JSON."""

    def post(body: object = None, *, url: str = PATH, seconds: float = 25, is_base64: bool = False) -> Answer:
        event = request("POST", url, body=body if isinstance(body, str) or body is None else json.dumps(body))
        event["isBase64Encoded"] = is_base64
        answer = answered(generate.handler(event, Context("generate", seconds=seconds)))
        check("POST", url, answer.status, answer.headers["Content-Type"], answer.text)
        return answer

    return post


def refusing(monkeypatch, generate, *errors: Exception) -> list[str]:
    """Makes S3 raise errors, one a write, and gives the keys that were tried."""
    tried, left = [], list(errors)

    def put_object(**arguments: object) -> dict:
        tried.append(arguments["Key"])
        raise left.pop(0)

    monkeypatch.setattr(generate.bucket._s3, "put_object", put_object)
    return tried


def count(s3) -> int:
    """How many versions there are in the bucket."""
    return len(s3.list_object_versions(Bucket="partner").get("Versions", []))


def s3_error(status: int, code: str) -> ClientError:
    response = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutObject")


def test_a_sample_of_a_dataset_is_a_new_object(ask, s3):
    answer = ask({"dataset": "people", "rows": 12, "seed": 5})

    made = answer.document
    assert (answer.status, answer.headers["Location"]) == (201, f"s3://partner/{made['key']}")
    assert re.fullmatch(r"samples/people/[0-9]{8}T[0-9]{6}Z-[0-9a-f]{16}\.csv", made["key"])
    stored = s3.get_object(Bucket="partner", Key=made["key"], VersionId=made["version_id"])
    data = stored["Body"].read()
    assert (made["bucket"], made["rows"], made["bytes"], made["seed"]) == ("partner", 12, len(data), 5)
    assert stored["ContentType"] == "text/csv; charset=utf-8"
    assert checked(dataset("people"), data)[0].good == 12


def test_the_same_seed_makes_another_object_of_the_same_bytes(ask, s3):
    first, second, other = (ask({"dataset": "prices", "seed": seed}).document for seed in (3, 3, 4))

    bodies = [s3.get_object(Bucket="partner", Key=made["key"])["Body"].read() for made in (first, second, other)]
    assert first["key"] != second["key"]
    assert bodies[0] == bodies[1] != bodies[2]
    assert first["rows"] == len(bodies[0].splitlines()) == 100


def test_the_seed_that_chance_has_chosen_makes_the_same_bytes_again(ask, s3):
    first = ask({"dataset": "smoke"}).document
    second = ask({"dataset": "smoke", "seed": first["seed"]}).document

    one, other = (s3.get_object(Bucket="partner", Key=made["key"])["Body"].read() for made in (first, second))
    assert one == other
    assert ask({"dataset": "smoke"}).document["seed"] != first["seed"]


def test_without_a_dataset_it_is_a_text_of_20_letters_and_digits(ask, s3):
    made = ask({}).document

    stored = s3.get_object(Bucket="partner", Key=made["key"])
    assert re.fullmatch(rb"[A-Za-z0-9]{20}", stored["Body"].read())
    assert stored["ContentType"] == "text/plain; charset=utf-8"
    assert made["key"].startswith("samples/_text/") and made["key"].endswith(".txt")


def test_the_object_is_encrypted_by_the_key_that_was_given(s3):
    s3.create_bucket(Bucket="encrypted")
    with imported("generate", SAMPLE_BUCKET="encrypted", SAMPLE_PREFIX="samples", SAMPLE_KEY=KEY) as module:
        made = answered(module.handler(request("POST", PATH, body="{}"), Context("generate"))).document

    stored = s3.head_object(Bucket="encrypted", Key=made["key"])
    assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", KEY)
    # In a bucket without versions, S3 calls the only one so.
    assert made["version_id"] == "null"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"dataset": "people", "rows": 0}, {"rows": "must be a whole number from 1 to 100,000"}),
        ({"dataset": "people", "rows": 100_001}, {"rows": "must be a whole number from 1 to 100,000"}),
        ({"dataset": "people", "rows": 1.5}, {"rows": "must be a whole number from 1 to 100,000"}),
        ({"dataset": "people", "rows": True}, {"rows": "must be a whole number from 1 to 100,000"}),
        ({"dataset": "people", "rows": "5"}, {"rows": "must be a whole number from 1 to 100,000"}),
        ({"dataset": "people", "seed": -1}, {"seed": "must be a whole number from 0 to 9,007,199,254,740,991"}),
        ({"dataset": "people", "seed": None}, {"seed": "must be a whole number from 0 to 9,007,199,254,740,991"}),
        ({"dataset": 5}, {"dataset": "must be the name of a dataset"}),
        ({"dataset": ""}, {"dataset": "must be the name of a dataset"}),
        ({"dataset": "\ud800"}, {"dataset": "must be the name of a dataset"}),
        ({"rows": 5}, {"rows": "are those of a dataset: name one in dataset"}),
        ({"size": 5}, {"size": "is unknown: dataset, rows, seed may be given here"}),
        (
            {"dataset": None, "rows": [], "<b>": 1},
            {
                "dataset": "must be the name of a dataset",
                "rows": "must be a whole number from 1 to 100,000",
                "<b>": "is unknown: dataset, rows, seed may be given here",
            },
        ),
    ],
)
def test_what_is_wrong_is_named_member_by_member(ask, body, errors):
    answer = ask(body)

    assert (answer.status, answer.errors) == (400, errors)


@pytest.mark.parametrize(
    "body",
    [None, "", "{", "[]", "5", '"x"', "null", '{"rows": NaN}', '{"a": 1, "a": 1}', "[" * 100_000, '{"\\ud800":1}'],
)
def test_a_body_that_is_no_json_object_is_refused(ask, body):
    assert ask(body).status == 400


def test_a_body_may_arrive_encoded(ask):
    assert ask(b64encode(b"{}").decode(), is_base64=True).status == 201
    assert ask(b64encode(b"\xff").decode(), is_base64=True).status == 400
    assert ask("{}", is_base64=True).status == 400


def test_a_query_string_is_refused(ask):
    assert ask({}, url=f"{PATH}?rows=5").errors == {"rows": "is unknown: no parameter may be given here"}


def test_a_whole_number_may_be_written_with_a_point(ask):
    assert ask('{"dataset": "smoke", "rows": 2.0, "seed": 1e3}').document["rows"] == 2


def test_a_dataset_that_is_not_there_is_not_found_and_those_are_named_that_are(ask):
    answer = ask({"dataset": "<script>"})

    assert (answer.status, list(answer.errors)) == (404, ["dataset"])
    # And others, where a deployment has more.
    assert {"people", "prices", "smoke"} <= set(answer.errors["dataset"].removeprefix("must be one of ").split(", "))
    assert "script" not in answer.text


def test_a_sample_that_is_too_large_is_refused_with_its_reason(ask, s3, monkeypatch):
    monkeypatch.setattr(files, "BYTES_LIMIT", 2**20)
    before = count(s3)

    answer = ask({"dataset": "people", "rows": 100_000})

    assert (answer.status, list(answer.errors)) == (400, ["rows"])
    assert "more than 1 MiB: ask for fewer" in answer.errors["rows"]
    assert count(s3) == before


def test_a_sample_that_takes_too_long_is_given_up_before_the_function_is_ended(ask):
    answer = ask({"dataset": "people", "rows": 100_000}, seconds=8)

    assert (answer.status, list(answer.errors)) == (400, ["rows"])
    assert "cannot be made in time" in answer.errors["rows"]


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (404, "NoSuchBucket"), (301, "PermanentRedirect"), (400, "KMS.Disabled")],
)
def test_a_bucket_that_refuses_is_told_of_with_what_to_check(ask, generate, monkeypatch, status, code):
    refusing(monkeypatch, generate, s3_error(status, code))

    answer = ask({})

    assert answer.status == 502
    for word in (code, "GenerateRoleArn", "templates/partner-bucket.yaml", "SampleKeyArn", "kms:GenerateDataKey"):
        assert word in answer.document["detail"]
    # A partner's bucket may be anywhere (templates/samples.yaml): botocore follows it to its region.
    assert "region" not in answer.document["detail"]


@pytest.mark.parametrize(
    "error",
    [s3_error(503, "SlowDown"), EndpointConnectionError(endpoint_url="x"), ConnectTimeoutError(endpoint_url="x")],
)
def test_an_s3_that_does_not_answer_is_worth_another_try(ask, generate, monkeypatch, error):
    refusing(monkeypatch, generate, error)

    answer = ask({})

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


def test_a_key_that_is_taken_is_not_overwritten(ask, generate, s3, monkeypatch):
    taken, before = iter([7, 7, 8]), count(s3)
    monkeypatch.setattr(generate.secrets, "randbits", lambda bits: next(taken))
    first, second = ask({"seed": 1}).document, ask({"seed": 2}).document

    assert first["key"].endswith("-0000000000000007.txt") and second["key"].endswith("-0000000000000008.txt")
    assert count(s3) == before + 2


def test_keys_that_are_all_taken_are_given_up(ask, generate, monkeypatch):
    errors = [s3_error(412, "PreconditionFailed"), s3_error(409, "ConditionalRequestConflict")] * 2
    tried = refusing(monkeypatch, generate, *errors)

    assert ask({}).status == 503
    assert len(set(tried)) == len(tried) == 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["people", "smoke"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
BODIES = st.one_of(
    st.text(),
    JSON.map(json.dumps),
    st.dictionaries(st.sampled_from(["dataset", "rows", "seed", "other"]), JSON, max_size=4).map(json.dumps),
)


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(BODIES)
def test_no_body_is_our_fault(ask, body):
    assert ask(body).status in (201, 400, 404)
