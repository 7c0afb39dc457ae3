"""`scripts/sluice upload`: under which key, as which version, followed to which end."""

import itertools
import threading
from collections.abc import Callable

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from operations import deployment
from operations import upload as module
from sluice.upload import Upload
from support.deployment import PRICES, invocation

GOOD = b"id,email\n1,a@b.example\n"
BAD = b"id,email\n1,a@b.example\n2,nobody\nx,c@d.example\n"


@pytest.fixture(autouse=True)
def processed(aws, monkeypatch) -> Callable[[bool], None]:
    """The function takes in what is in the bucket whenever the command waits; `False` stops it."""
    is_on, done, intake = threading.Event(), set(), aws.intake()
    is_on.set()
    waits = itertools.count()

    def sleep(seconds: float) -> None:
        assert next(waits) < 20, "it waits for what never comes"
        aws.clock.now += seconds
        for version in aws.s3.list_object_versions(Bucket="uploads").get("Versions", []):
            one = Upload("uploads", version["Key"], version["VersionId"], version["Size"], "0A")
            if is_on.is_set() and one.id not in done:
                done.add(one.id)
                intake.accept(one, receives=1, sent=0, invocation=invocation(900.0))

    monkeypatch.setattr(module.time, "sleep", sleep)
    return lambda on: is_on.set() if on else is_on.clear()


@pytest.fixture
def file(tmp_path):
    def write(name: str, body: bytes):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path

    return write


def test_a_file_is_followed_to_its_end(aws, sluice, file):
    answer = sluice("upload", file("people/a.csv", GOOD))

    assert answer.out == "SUCCEEDED  people/a.csv: all 1 rows are valid (1 good, 0 rejected)\n"
    assert aws.s3.get_object(Bucket="uploads", Key="people/a.csv")["Body"].read() == GOOD


def test_the_errors_of_a_file_are_printed_and_the_worst_state_is_the_exit_code(sluice, file):
    files = [file("people/a.csv", GOOD), file("people/bad.csv", BAD), file("people/none.csv", b"x\n")]

    answer = sluice("upload", *files, code=5)

    assert '  row 3: email' in answer.out and '(type-error): "nobody"' in answer.out
    assert "  correct the rows, then upload it again: `scripts/sluice errors people/bad.csv`" in answer.out
    assert [line.split()[0] for line in answer.out.splitlines() if line[0] != " "] == [
        "SUCCEEDED",
        "PARTIAL",
        "REJECTED",
    ]
    assert sluice("upload", files[1], code=3)


def test_json_has_each_file_with_its_end_and_first_errors(sluice, file):
    path = file("people/bad.csv", BAD)

    [told] = sluice("upload", path, "--json", code=3).document["uploads"]

    assert (told["file"], told["key"], told["state"]) == (str(path), "people/bad.csv", "PARTIAL")
    assert [error["row"] for error in told["first_errors"]] == [3, 4]


def test_the_dataset_names_the_key(aws, sluice, file):
    sluice("upload", file("LSE/ABC.csv", PRICES), "--dataset", "prices")
    sluice("upload", file("x", GOOD), "--key", "people/other.csv")

    keys = {one["Key"] for one in aws.s3.list_object_versions(Bucket="uploads")["Versions"]}
    assert keys == {"prices/LSE/ABC.csv", "people/other.csv"}


def test_it_is_this_version_that_is_followed(aws, sluice, file):
    """And not whatever somebody else has put there meanwhile."""
    aws.upload("people/a.csv", b"x\n")
    original = aws.s3.get_object
    path = file("people/a.csv", GOOD)

    [told] = sluice("upload", path, "--json").document["uploads"]

    assert original(Bucket="uploads", Key="people/a.csv", VersionId=told["version_id"])["Body"].read() == GOOD
    assert told["state"] == "SUCCEEDED"


def test_a_large_file_goes_in_parts(aws, sluice, file):
    path = file("people/large.csv", b"id,email\n" + b"".join(b"%d,a@b.example\n" % number for number in range(600_000)))

    [told] = sluice("upload", path, "--json").document["uploads"]

    assert (told["state"], told["rows_good"]) == ("SUCCEEDED", 600_000)
    [version] = aws.s3.list_object_versions(Bucket="uploads")["Versions"]
    assert version["ETag"].endswith('-2"') and version["VersionId"] == told["version_id"]


def test_what_takes_too_long_goes_on_by_itself(sluice, file, processed):
    processed(False)

    answer = sluice("upload", file("people/a.csv", GOOD), "--timeout", "0", code=6)

    assert "people/a.csv is not done after 0 s" in answer.err


def test_what_s3_does_not_take_is_told_and_the_rest_is_uploaded(aws, sluice, file, monkeypatch):
    s3 = deployment.clients()("s3")
    original = s3.upload_file

    def upload_file(path, bucket, key, **more):
        if key == "people/a.csv":
            try:
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "PutObject")
            except ClientError as error:
                # As boto3's transfers do.
                raise S3UploadFailedError(f"Failed to upload {path}: {error}") from error
        return original(path, bucket, key, **more)

    monkeypatch.setattr(s3, "upload_file", upload_file)

    answer = sluice("upload", file("people/a.csv", GOOD), file("people/b.csv", GOOD), "--json", code=1)

    told = {one["key"]: (one["state"], one.get("problem")) for one in answer.document["uploads"]}
    assert told["people/b.csv"] == ("SUCCEEDED", None)
    assert told["people/a.csv"][0] is None and "not you" in told["people/a.csv"][1]
    assert "a.csv was not uploaded" in answer.err and "Use credentials that may put objects" in answer.err


@pytest.mark.parametrize(
    ("names", "options", "reason"),
    [
        (["missing.csv"], [], "does not exist"),
        (["people/a.csv", "other/people/a.csv"], [], "would both be people/a.csv"),
        (["a.csv"], [], "which dataset is it of"),
        (["a.csv"], ["--dataset", "nonsense"], "there is no dataset nonsense"),
        (["a.csv", "people/a.csv"], ["--key", "people/b.csv"], "--key is for one file"),
    ],
)
def test_a_command_line_that_cannot_be_done_uploads_nothing(aws, sluice, file, names, options, reason):
    paths = [file(name, GOOD) if name != "missing.csv" else name for name in names]

    assert reason in sluice("upload", *paths, *options, code=2).err.replace("\n", " ")
    assert "Contents" not in aws.s3.list_objects_v2(Bucket="uploads")
