"""`scripts/sluice taskcat`: what taskcat is given, on AWS and on the local cloud. tests/e2e/test_taskcat.py runs it."""

import contextlib
import functools
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
import yaml
from botocore.stub import Stubber
from moto import mock_aws

from delivery import templates
from delivery.artifact import Artifact
from operations import taskcat

ROOT = Path(__file__).parents[3]
COMMIT = "c0ffee00" * 5
MINE = f"tCaT-sluice-staging-{'0a' * 16}"
OTHERS = f"tCaT-sluice-staging-{'1b' * 16}"
STORE = taskcat._store
# Once for all tests.
PACKAGED = functools.cache(templates.package)


@pytest.fixture
def root(tmp_path) -> Path:
    """A tree, whose templates are the real ones."""
    (tmp_path / ".taskcat.yml").symlink_to(ROOT / ".taskcat.yml")
    return tmp_path


@pytest.fixture
def built(tmp_path) -> Artifact:
    path = tmp_path / "artifact.zip"
    path.write_bytes(b"zip")
    return Artifact(path, "ab" * 32)


@pytest.fixture
def buckets(ran, monkeypatch):
    """moto's buckets, in which the release is really stored."""
    monkeypatch.setattr(taskcat, "_store", STORE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.fixture
def ran(monkeypatch):
    """In the place of taskcat, what makes a stack in us-east-1: its commands, what it was given, what was removed."""
    ran = SimpleNamespace(commands=[], given={}, removed=[], code=0)
    stacks = {"eu-central-1": set(), "us-east-1": {OTHERS}}

    def run(command, cwd, stdout, check):
        ran.commands.append(command)
        ran.given = {path.relative_to(cwd).as_posix(): path.read_text() for path in cwd.rglob("*") if path.is_file()}
        stacks["us-east-1"].add(MINE)
        return subprocess.CompletedProcess(command, ran.code)

    monkeypatch.setattr(taskcat, "subprocess", SimpleNamespace(run=run))
    monkeypatch.setattr(taskcat.templates, "package", lambda folder: PACKAGED(ROOT / "templates"))
    monkeypatch.setattr(taskcat, "_store", lambda packaged, built, commit, regions, out: out.mkdir(parents=True))
    monkeypatch.setattr(taskcat, "_stacks", lambda region, project: set(stacks[region]))
    monkeypatch.setattr(taskcat, "destroy", lambda client, stack, is_meant, say: ran.removed.append(stack))
    return ran


@pytest.mark.filterwarnings("ignore")  # of taskcat's own
def test_the_bucket_is_the_one_that_taskcat_takes():
    # Takes seconds, which no other test should wait for.
    from taskcat._dataclasses import generate_regional_bucket_name

    region = SimpleNamespace(account_id="111122223333", name="eu-central-1")

    assert taskcat.bucket_name("111122223333", "eu-central-1") == generate_regional_bucket_name(region)


def test_taskcat_gets_its_file_unchanged_and_what_a_build_would_have_stored(buckets, root, built, ran):
    taskcat.run(root, built, COMMIT)

    assert ran.given[".taskcat.yml"] == (ROOT / ".taskcat.yml").read_text()
    assert yaml.safe_load(ran.given[".taskcat_overrides.yml"]) == {"ArtifactDigest": built.digest, "CommitId": COMMIT}
    for region in ("eu-central-1", "us-east-1"):
        bucket = taskcat.bucket_name("123456789012", region)
        s3 = boto3.client("s3", region_name=region)
        assert (s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] or "us-east-1") == region
        keys = {item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]}
        assert f"artifacts/{built.digest}.zip" in keys
        # Every template that the root template names is there.
        named = re.findall(r"\$\{ArtifactBucket\}/(\S+)", ran.given["templates/root.yaml"])
        assert {key for key in keys if key.startswith("templates/")} == set(named)


def test_a_bucket_that_is_there_is_used_again(buckets, root, built, ran):
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket=taskcat.bucket_name("123456789012", "us-east-1"))

    taskcat.run(root, built, COMMIT)

    assert len(ran.commands) == 1


def test_a_bucket_of_somebody_else_is_not_used():
    """Its name is no secret: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html"""
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    with Stubber(s3) as stub:
        asked = {"Bucket": "tcat-x", "ExpectedBucketOwner": "123456789012"}
        stub.add_client_error("head_bucket", "403", http_status_code=403, expected_params=asked)

        with pytest.raises(taskcat.TaskcatError, match="tcat-x is another account's"):
            taskcat._ensure(s3, "tcat-x", "us-east-1", "123456789012")


@pytest.mark.parametrize(("endpoint", "expected"), [(None, False), ("http://127.0.0.1:1", True)])
def test_taskcat_is_the_released_one_on_aws(root, built, ran, monkeypatch, endpoint, expected):
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)

    taskcat.run(root, built, COMMIT)

    [command] = ran.commands
    assert ("local.taskcat" in command, "-c" in command) == (expected, not expected)


def test_what_others_have_made_stays(root, built, ran):
    taskcat.run(root, built, COMMIT)

    assert ran.removed == [MINE]


def test_a_failure_says_where_to_look_and_leaves_nothing(root, built, ran):
    ran.code = 1

    with pytest.raises(taskcat.TaskcatError, match="exit code 1: look into .*taskcat_outputs"):
        taskcat.run(root, built, COMMIT)

    assert ran.removed == [MINE]


def test_a_stack_that_stays_is_told(root, built, ran, monkeypatch):
    def refuse(*_):
        raise taskcat.DestroyError("objects keep coming")

    monkeypatch.setattr(taskcat, "destroy", refuse)

    with pytest.raises(taskcat.TaskcatError, match=f"{MINE} stays in us-east-1: objects keep coming"):
        taskcat.run(root, built, COMMIT)


@pytest.fixture
def built_here(monkeypatch, root, built):
    """The command's own tree is `root`, and its artifact is `built`."""
    monkeypatch.setattr(taskcat.artifact, "ROOT", root)
    monkeypatch.setattr(taskcat.artifact, "named_target", lambda name: None)
    monkeypatch.setattr(taskcat.artifact, "build", lambda *_: built)
    monkeypatch.setattr(taskcat, "_head", lambda root: COMMIT)


def test_the_command_names_the_report_and_what_there_was_and_nothing_else(built_here, root, ran, sluice, monkeypatch):
    monkeypatch.setattr(taskcat, "_store", STORE)
    report = str(root / "taskcat_outputs" / "index.html")

    answer = sluice("taskcat", "--json")

    assert answer.document == {"report": report, "stacks": [{"region": "us-east-1", "stack": MINE}]}
    assert "release: stored s3://tcat-" in answer.err and f"removed {MINE} from us-east-1\n" in answer.err
    assert sluice("taskcat").out == f"0 stacks were created, and removed: {report}\n"


def test_an_artifact_that_cannot_be_built_ends_the_command(built_here, monkeypatch, sluice):
    def fail(*_):
        raise taskcat.artifact.ArtifactError("no python3.13 works on the PATH")

    monkeypatch.setattr(taskcat.artifact, "build", fail)

    assert sluice("taskcat", code=1).err == "scripts/sluice taskcat: no python3.13 works on the PATH\n"


@pytest.mark.parametrize("code", [0, 1])
def test_locally_the_command_is_run_on_a_cloud_of_its_own(ran, monkeypatch, sluice, code):
    cloud = SimpleNamespace(environment=lambda: {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    monkeypatch.setattr(taskcat.local_cloud, "start", lambda: contextlib.nullcontext(cloud))
    monkeypatch.setenv("AWS_PROFILE", "production")
    environments = []

    def run(command, env, check):
        environments.append(env)
        assert command[1:] == ["-m", "operations.cli", "taskcat", "--json"]
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(taskcat, "subprocess", SimpleNamespace(run=run))

    sluice("taskcat", "--local", "--json", code=code)

    [environment] = environments
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1" and "AWS_PROFILE" not in environment
