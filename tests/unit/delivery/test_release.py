"""What the build phase stores, and what it tells the pipeline."""

import functools
import json
import subprocess
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from delivery import release as release_module
from delivery.artifact import Artifact
from delivery.release import ReleaseError, release
from delivery.templates import Packaged

FIRST, SECOND = "1" * 40, "2" * 40
BUCKET = "artifacts"
PACKAGED = Packaged("Resources: {Root: ü}\r\n", "ab" * 32, {"cd" * 32: "Resources: {Queue: ü}\n"})
RECORD = "releases/abababababababab-efefefefefefefef.json"


@functools.cache
def make_client():
    """A client, made once: making one takes longer than most tests."""
    return boto3.client("s3", "us-east-1")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setattr(release_module, "_CONFLICT_DELAYS", (0, 0, 0))
    with mock_aws():
        client = make_client()
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def built(tmp_path: Path) -> Artifact:
    path = tmp_path / "artifact.zip"
    path.write_bytes(b"zip")
    return Artifact(path, "ef" * 32)


def versions(s3) -> dict[str, int]:
    keys = [version["Key"] for version in s3.list_object_versions(Bucket=BUCKET).get("Versions", [])]
    return {key: keys.count(key) for key in keys}


def read(s3, key: str) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def failing(s3, monkeypatch: pytest.MonkeyPatch, operation: str, *statuses: int) -> list[dict]:
    """Make the next calls of an operation fail with these HTTP statuses; the list fills with the calls' arguments."""
    calls, real, left = [], getattr(s3, operation), list(statuses)

    def call(**arguments):
        calls.append(arguments)
        if left:
            status = left.pop(0)
            answer = {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, operation)
        return real(**arguments)

    monkeypatch.setattr(s3, operation, call)
    return calls


def test_everything_is_stored_under_its_content(s3, built: Artifact, tmp_path: Path):
    assert release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path) == FIRST
    assert versions(s3) == {
        f"artifacts/{'ef' * 32}.zip": 1,
        f"templates/{'cd' * 32}.yaml": 1,
        RECORD: 1,
    }
    assert read(s3, f"artifacts/{'ef' * 32}.zip") == b"zip"
    assert read(s3, f"templates/{'cd' * 32}.yaml").decode() == "Resources: {Queue: ü}\n"
    assert json.loads(read(s3, RECORD)) == {"commit": FIRST, "artifact": "ef" * 32, "root_template": "ab" * 32}


def test_what_is_to_be_deployed_is_written_for_the_pipeline(s3, built: Artifact, tmp_path: Path):
    release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path)
    assert (tmp_path / "root.yaml").read_bytes().decode() == PACKAGED.root
    shell = subprocess.run(
        ["sh", "-euc", ". ./release.env; env"], cwd=tmp_path, env={"COMMIT_ID": SECOND}, capture_output=True, text=True
    )
    assert {f"ARTIFACT_DIGEST={'ef' * 32}", f"COMMIT_ID={FIRST}"} <= set(shell.stdout.splitlines())


def test_the_same_bytes_are_the_release_of_the_first_commit(s3, built: Artifact, tmp_path: Path):
    release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path)
    assert release(s3, BUCKET, SECOND, built, PACKAGED, tmp_path) == FIRST
    assert f"COMMIT_ID={FIRST}\n" in (tmp_path / "release.env").read_text()
    assert set(versions(s3).values()) == {1}


@pytest.mark.parametrize(
    ("artifact_digest", "root_digest"), [("12" * 32, PACKAGED.root_digest), ("ef" * 32, "12" * 32)]
)
def test_other_bytes_are_the_release_of_their_own_commit(
    s3, built: Artifact, tmp_path: Path, artifact_digest: str, root_digest: str
):
    release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path)
    other = Packaged(PACKAGED.root, root_digest, PACKAGED.children)
    assert release(s3, BUCKET, SECOND, Artifact(built.path, artifact_digest), other, tmp_path) == SECOND


def test_what_is_stored_is_not_sent_again(s3, built: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path)
    puts = failing(s3, monkeypatch, "put_object")
    release(s3, BUCKET, SECOND, built, PACKAGED, tmp_path)
    assert puts == []


def test_two_builds_at_once_agree_on_the_commit(s3, built: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Both find nothing stored; the one that writes second keeps to the first one's record, and overwrites nothing."""
    release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path)
    failing(s3, monkeypatch, "head_object", 404, 404, 404)
    assert release(s3, BUCKET, SECOND, built, PACKAGED, tmp_path) == FIRST
    assert set(versions(s3).values()) == {1}


def test_a_conflicting_write_is_tried_again(s3, built: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    failing(s3, monkeypatch, "put_object", 409, 409)
    assert release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path) == FIRST


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [("head_object", [403]), ("put_object", [403]), ("put_object", [409, 409, 409]), ("get_object", [403])],
)
def test_a_refusal_says_what_the_build_must_be_allowed(
    s3, built: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, statuses: list[int]
):
    if operation == "get_object":
        release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path)
    failing(s3, monkeypatch, operation, *statuses)
    with pytest.raises(ReleaseError, match=rf"in the bucket {BUCKET}: .*{operation}.* build's role may s3:ListBucket"):
        release(s3, BUCKET, SECOND, built, PACKAGED, tmp_path)


def test_the_record_is_written_last(s3, built: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A release that failed half-way leaves no record that claims its objects."""
    puts = failing(s3, monkeypatch, "put_object")
    release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path)
    assert [put["Key"] for put in puts].index(RECORD) == len(puts) - 1
    assert all(put["IfNoneMatch"] == "*" and put["ChecksumSHA256"] for put in puts)


def test_a_record_of_other_digests_is_refused(s3, built: Artifact, tmp_path: Path):
    s3.put_object(Bucket=BUCKET, Key=RECORD, Body=json.dumps({"commit": FIRST, "artifact": "", "root_template": ""}))
    with pytest.raises(ReleaseError, match="is the record of another release"):
        release(s3, BUCKET, FIRST, built, PACKAGED, tmp_path)


@pytest.mark.parametrize("commit", ["", "main", "1" * 39, "1" * 41, "A" * 40, "1" * 40 + "\n"])
def test_only_a_full_commit_id_will_do(s3, built: Artifact, tmp_path: Path, commit: str):
    with pytest.raises(ReleaseError, match="set COMMIT_ID to what git rev-parse HEAD prints"):
        release(s3, BUCKET, commit, built, PACKAGED, tmp_path)
    assert versions(s3) == {}
