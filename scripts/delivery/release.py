"""The build phase: stores the Lambda artifact and the packaged templates, and says what to deploy.

In the artifact bucket:
- artifacts/<sha256>.zip, templates/<sha256>.yaml: named by content, so never overwritten;
- releases/<root template digest>-<artifact digest>.json (16 hex digits each): the first commit that built exactly these
  bytes. A later commit that builds the same is released under that commit: what has not changed is not deployed again.

In the output folder: root.yaml, the template to deploy, and release.env, which sets its parameters ARTIFACT_DIGEST and
COMMIT_ID for a shell to read.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from delivery import artifact, templates

# What root.yaml allows as its parameter CommitId.
_COMMIT_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")

# Seconds to wait when someone else is writing the same key (409), for which S3 asks to try again.
_CONFLICT_DELAYS = (0.2, 0.4, 0.8, 1.6)


class ReleaseError(Exception):
    """The release cannot be made; the message says what to do."""


def release(
    s3: Any, bucket: str, commit: str, built: artifact.Artifact, packaged: templates.Packaged, out_dir: Path
) -> str:
    """Store a release and describe it in `out_dir`; return the commit that it is released under.

    `s3` is a boto3 client. Raises ReleaseError when `commit` is no full commit id or the bucket refuses.
    """
    if not _COMMIT_ID.fullmatch(commit):
        raise ReleaseError(f"{commit!r} is not a full commit id: set COMMIT_ID to what git rev-parse HEAD prints")
    store = _Store(s3, bucket)
    for digest, text in packaged.children.items():
        store.add(templates.child_key(digest), text.encode(), "application/yaml")
    store.add(artifact.key(built.digest), built.path.read_bytes(), "application/zip")
    # Last: where there is a record, there is everything that it stands for.
    released = _record(store, commit, built.digest, packaged.root_digest)
    (out_dir / templates.ROOT_TEMPLATE).write_bytes(packaged.root.encode())
    (out_dir / "release.env").write_text(f"export ARTIFACT_DIGEST={built.digest}\nexport COMMIT_ID={released}\n")
    return released


def _record(store: "_Store", commit: str, artifact_digest: str, root_digest: str) -> str:
    """The commit that first built these digests: `commit`, unless there is a record of an earlier one."""
    key = f"releases/{root_digest[:16]}-{artifact_digest[:16]}.json"
    record = {"commit": commit, "artifact": artifact_digest, "root_template": root_digest}
    if not store.add(key, json.dumps(record, indent=1).encode(), "application/json"):
        record = json.loads(store.read(key))
        if (record["artifact"], record["root_template"]) != (artifact_digest, root_digest):
            raise ReleaseError(f"s3://{store.bucket}/{key} is the record of another release: delete it and build again")
    return record["commit"]


class _Store:
    """A bucket in which nothing is ever overwritten."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self.bucket = bucket

    def add(self, key: str, body: bytes, content_type: str) -> bool:
        """Store an object; False if there is one already, which then stays as it is."""
        # Asked first, to spare sending what is there: most releases change one object of many.
        added = not self._exists(key) and self._put(key, body, content_type)
        _say(f"{'stored' if added else 'already there:'} s3://{self.bucket}/{key} ({len(body):,} bytes)")
        return added

    def read(self, key: str) -> bytes:
        try:
            return self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise self._refused(f"read {key}", error) from error

    def _exists(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if _status(error) == 404:
                return False
            raise self._refused(f"look for {key}", error) from error
        return True

    def _put(self, key: str, body: bytes, content_type: str) -> bool:
        """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        for seconds in _CONFLICT_DELAYS:
            try:
                self._s3.put_object(
                    Bucket=self.bucket, Key=key, Body=body, ContentType=content_type, ChecksumSHA256=checksum,
                    IfNoneMatch="*",
                )  # fmt: skip
                return True
            except ClientError as error:
                if _status(error) == 412:
                    return False
                refused = error
                if _status(error) != 409:
                    break
            time.sleep(seconds)
        raise self._refused(f"write {key}", refused) from refused

    def _refused(self, action: str, error: ClientError) -> ReleaseError:
        return ReleaseError(
            f"cannot {action} in the bucket {self.bucket}: {error}. Check the bucket's name and region, and that the "
            "build's role may s3:ListBucket there and s3:GetObject and s3:PutObject on its objects"
        )


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _say(text: str) -> None:
    print(f"release: {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/release",
        description="Builds the Lambda artifact and the packaged templates and stores both in the artifact bucket. "
        "Reads COMMIT_ID, the full id of the commit that is built, from the environment.",
    )
    parser.add_argument("--bucket", required=True, help="the artifact bucket")
    parser.add_argument(
        "--target", required=True, choices=("lambda", "local"),
        help="what the artifact runs on: Lambda, as templates/lambda.yaml says, or this machine",
    )  # fmt: skip
    options = parser.parse_args()
    out_dir = artifact.ROOT / "build"
    try:
        started = time.monotonic()
        packaged = templates.package(artifact.ROOT / "templates")
        built = artifact.build(artifact.named_target(options.target), out_dir)
        size = built.path.stat().st_size / 1e6
        _say(f"built the artifact, {size:.1f} MB, in {time.monotonic() - started:.1f} s")
        commit = os.environ.get("COMMIT_ID", "")
        released = release(boto3.client("s3"), options.bucket, commit, built, packaged, out_dir)
    except (artifact.ArtifactError, templates.TemplateError, ReleaseError, BotoCoreError) as error:
        sys.exit(f"release: {error}")
    _say(f"artifact {built.digest}, commit {released}: deploy {out_dir.name}/{templates.ROOT_TEMPLATE}")


if __name__ == "__main__":
    main()
