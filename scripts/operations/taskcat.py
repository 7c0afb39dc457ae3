"""`scripts/sluice taskcat`: deploys what .taskcat.yml says, in each of its regions, and removes it; the report stays.

taskcat sends the root template to a bucket of its own in each region. What that names, the nested templates and the
artifact, goes there before, as a build stores it: what is deployed is what a pipeline deploys, and .taskcat.yml is the
same for AWS and for the local cloud. Artifact and commit are told by taskcat's overrides.
"""

import contextlib
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid5

import boto3
import typer
import yaml
from botocore.exceptions import ClientError

from delivery import artifact, release, templates
from local import cloud as local_cloud
from operations.destroy import DestroyError, destroy
from operations.exits import CommandError
from operations.options import JsonOption
from operations.output import print_json, say

REPORT = "taskcat_outputs"
_CONFIGURATION = ".taskcat.yml"
# On AWS as it is; the local cloud needs addresses, and pauses, of another kind.
_ON_AWS = ("-c", "from taskcat._cli import main; main()")
_LOCALLY = ("-m", "local.taskcat")


class TaskcatError(Exception):
    """Not everything was deployed, or removed; the message says what to look at."""


def taskcat_command(
    local: Annotated[bool, typer.Option("--local", help="On a cloud of this machine, started for it alone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Deploy this tree as .taskcat.yml says, in each of its regions, and remove it again; the report stays."""
    if local:
        with local_cloud.start() as cloud:
            others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
            again = [sys.executable, "-m", "operations.cli", "taskcat", *(["--json"] if as_json else [])]
            raise typer.Exit(subprocess.run(again, env=others | cloud.environment(), check=False).returncode)
    try:
        # What a build prints is progress here.
        with contextlib.redirect_stdout(sys.stderr):
            # What runs on Lambda would not on this machine's processor.
            target = artifact.named_target("local" if _is_local() else "lambda")
            built = artifact.build(target, artifact.ROOT / "build")
            stacks = run(artifact.ROOT, built, _head(artifact.ROOT))
    except (TaskcatError, artifact.ArtifactError, release.ReleaseError, templates.TemplateError) as error:
        raise CommandError(str(error)) from error
    report = artifact.ROOT / REPORT / "index.html"
    if as_json:
        print_json({"report": str(report), "stacks": [{"region": region, "stack": name} for region, name in stacks]})
    else:
        print(f"{len(stacks)} stacks were created, and removed: {report}")


def run(root: Path, built: artifact.Artifact, commit: str) -> list[tuple[str, str]]:
    """Deploys the templates at `root` with an artifact, as .taskcat.yml says; the (region, stack) that there were.

    With the usual AWS configuration. The report is left in the folder REPORT of `root`. Raises TaskcatError where a
    stack is not created or not removed, and ReleaseError and TemplateError where there is nothing to deploy.
    """
    configuration = yaml.safe_load((root / _CONFIGURATION).read_text(encoding="utf-8"))["project"]
    project, regions = configuration["name"], configuration["regions"]
    report = root / REPORT
    shutil.rmtree(report, ignore_errors=True)
    before = {region: _stacks(region, project) for region in regions}
    with tempfile.TemporaryDirectory(prefix="sluice-taskcat-") as scratch:
        folder = Path(scratch, "project")
        _store(templates.package(root / "templates"), built, commit, regions, folder / "templates")
        shutil.copy(root / _CONFIGURATION, folder)
        told = {"ArtifactDigest": built.digest, "CommitId": commit}
        (folder / ".taskcat_overrides.yml").write_text(yaml.safe_dump(told), encoding="utf-8")
        try:
            # Stacks are removed below, as taskcat leaves what they retain; scripts/lint has linted what they are of.
            done = subprocess.run(
                [sys.executable, "-W", "ignore", *(_LOCALLY if _is_local() else _ON_AWS), "test", "run"]
                + ["--minimal-output", "--lint-disable", "--no-delete", "--output-directory", str(report)],
                cwd=folder,
                # Progress, as all that is said here until the end.
                stdout=2,
                check=False,
            )
        finally:
            made = [(region, stack) for region in regions for stack in _stacks(region, project) - before[region]]
            _remove(made)
    if done.returncode:
        raise TaskcatError(f"taskcat ended with exit code {done.returncode}: look into {report}")
    return made


def bucket_name(account: str, region: str) -> str:
    """taskcat's bucket of a region, which it takes as it is if it is there."""
    return f"tcat-{uuid5(UUID(int=0), account).hex}-{region}"


def _head(root: Path) -> str:
    """The commit that the tree at `root` is at."""
    found = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise TaskcatError(f"{root} is at no commit: {found.stderr.strip()}. Commit it first")
    return found.stdout.strip()


def _is_local() -> bool:
    return "AWS_ENDPOINT_URL" in os.environ


def _client(region: str, service: str) -> Any:
    # A session a client, as sessions are not for several threads:
    # https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions
    return boto3.Session(region_name=region).client(service)


def _store(packaged: templates.Packaged, built: artifact.Artifact, commit: str, regions: list[str], out: Path) -> None:
    """Stores a release in the bucket of each region, and the packaged root template in `out`."""
    out.mkdir(parents=True)
    account = _client(regions[0], "sts").get_caller_identity()["Account"]
    for region in regions:
        s3, name = _client(region, "s3"), bucket_name(account, region)
        _ensure(s3, name, region, account)
        release.release(s3, name, commit, built, packaged, out)


def _ensure(s3: Any, bucket: str, region: str, account: str) -> None:
    """Makes a bucket that is not there. Raises TaskcatError where it is somebody else's: anybody can work out its name,
    and who has it would have templates deployed.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: us-east-1 is not named.
    """
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError as error:
        match error.response["ResponseMetadata"]["HTTPStatusCode"]:
            case 404:
                s3.create_bucket(Bucket=bucket, **where)
            case 403:
                reason = f"{bucket} is another account's, or closed to you. Deploy nothing by taskcat in {region}"
                raise TaskcatError(f"{reason} before you know whose it is") from error
            case _:
                raise


def _stacks(region: str, project: str) -> set[str]:
    """Names of the stacks that taskcat has made for a project: those that are nested in them end otherwise."""
    name = re.compile(f"tCaT-{project}-.+-[0-9a-f]{{32}}")
    pages = _client(region, "cloudformation").get_paginator("describe_stacks").paginate()
    return {stack["StackName"] for page in pages for stack in page["Stacks"] if name.fullmatch(stack["StackName"])}


def _remove(made: list[tuple[str, str]]) -> None:
    """Removes stacks with what they hold, all at once. Raises TaskcatError where one stays."""

    def remove(one: tuple[str, str]) -> str:
        region, stack = one
        try:
            client = functools.cache(functools.partial(_client, region))
            destroy(client, stack, lambda data: True, lambda text: None)
        except (DestroyError, ClientError) as error:
            delete = f"`aws cloudformation delete-stack --stack-name {stack} --region {region}`"
            return f"{stack} stays in {region}: {error}. Remove its data by hand, and then run {delete}"
        say(f"removed {stack} from {region}")
        return ""

    with ThreadPoolExecutor() as pool:
        if failed := [text for text in pool.map(remove, made) if text]:
            raise TaskcatError("; ".join(failed))
