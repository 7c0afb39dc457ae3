"""Uploads and results in S3: read once by version, written under the condition that nothing newer is there."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from sluice.errors import PermanentError, TransientError
from sluice.upload import IGNORED, REJECTED, Position, Stored, Upload

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_KEY_LIMIT = 1024
_CHUNK = 1024 * 1024
# A part of a multipart upload is 5 MiB at least and there are 10,000 at most: results up to 78 GiB.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART_SIZE = 8 * 1024 * 1024


@dataclass(frozen=True)
class Source:
    """An upload opened for reading: its bytes in chunks, how many, and where it stands among its key's versions."""

    chunks: Iterator[bytes]
    size: int
    position: Position


class Storage:
    """The uploads bucket, to read from, and the results bucket, to write to."""

    def __init__(self, s3: Any, results_bucket: str) -> None:
        self._s3 = s3
        self._results_bucket = results_bucket

    def open(self, upload: Upload) -> Source:
        """Opens exactly the version that was uploaded.

        Raises PermanentError (`IGNORED`) where that version is gone. The chunks raise TransientError where fewer
        bytes arrive than S3 announced: a broken connection must not look like the end of the file.
        """
        try:
            answer = self._s3.get_object(Bucket=upload.bucket, Key=upload.key, VersionId=upload.version_id)
        except ClientError as error:
            # Without s3:ListBucket S3 would answer 403 here, which is our fault and not the uploader's.
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchVersion"):
                raise PermanentError(IGNORED, "this version was deleted before it could be read") from error
            raise
        position = Position(upload.sequencer, upload.last_modified or answer["LastModified"])
        return Source(_chunks(answer), answer["ContentLength"], position)

    def create(
        self, key: str, upload: Upload, attempt: int, position: Position, content_type: str
    ) -> "ResultWriter":
        """A new object in the results bucket, of that attempt at the upload; visible only once it is committed.

        Raises PermanentError (`REJECTED`) where S3 would refuse the key for its length.
        """
        if len(key.encode()) > _KEY_LIMIT:
            raise PermanentError(REJECTED, f"the key is too long: its result's has more than {_KEY_LIMIT} bytes")
        target = {"Bucket": self._results_bucket, "Key": key}
        return ResultWriter(self._s3, target, upload, attempt, position, content_type)


def _chunks(answer: dict) -> Iterator[bytes]:
    received = 0
    chunks = answer["Body"].iter_chunks(_CHUNK)
    for chunk in _ahead(chunks) if answer["ContentLength"] > _CHUNK else chunks:
        received += len(chunk)
        yield chunk
    if received != answer["ContentLength"]:
        raise TransientError(f"S3 announced {answer['ContentLength']} bytes and sent {received}")


def _ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks; while one is worked on, the next one arrives."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = pool.submit(next, chunks, None)
            yield chunk


class ResultWriter:
    """One object of the results bucket: `write` its bytes, then `commit` or `abort`.

    Up to `PART_SIZE` bytes it is one PUT; beyond, a multipart upload, in constant memory. The write is conditional
    on there being no object of a newer version of the same upload key, so uploads that are processed out of order
    leave what they would have left in order; nor one of a later attempt at the same upload, so that an attempt which
    was overtaken, maybe by another release, writes nothing any more.
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)
    """

    def __init__(
        self, s3: Any, target: dict[str, str], upload: Upload, attempt: int, position: Position, content_type: str
    ) -> None:
        self._s3 = s3
        self._target = target
        self._upload = upload
        self._attempt = attempt
        self._position = position
        self._content_type = content_type
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0
        self._multipart: str | None = None
        self._parts: list[dict] = []
        # One part is on its way while the next one is filled.
        self._pool: ThreadPoolExecutor | None = None
        self._sending: Future | None = None

    def write(self, data: bytes) -> None:
        """Adds bytes to the object."""
        self._buffer += data
        self._digest.update(data)
        self._size += len(data)
        while len(self._buffer) > PART_SIZE:
            rest = self._buffer[PART_SIZE:]
            del self._buffer[PART_SIZE:]
            self._send_part(self._buffer)
            self._buffer = rest

    def commit(self) -> Stored:
        """Makes the object visible and says what was stored.

        Raises PermanentError (`IGNORED`) where a newer version of the upload has its object there already, and
        TransientError where a later attempt has, or another write of the same key came between.
        """
        if self._multipart:
            # A completion whose condition fails may cost the parts: look first.
            self._send_part(self._buffer)
            self._finish_part()
            existing = self._existing()
            return self._put_or_fail({"IfMatch": existing["etag"]} if existing else {"IfNoneMatch": "*"})
        try:
            return self._put({"IfNoneMatch": "*"})
        except _Occupied:
            existing = self._existing()
        if existing is None:
            raise TransientError("the result's key was occupied and is free again")
        if existing["same"]:
            return self._stored(existing["version_id"])
        return self._put_or_fail({"IfMatch": existing["etag"]})

    def precedes_none(self) -> None:
        """Raises PermanentError (`IGNORED`) where a newer version of the upload has its object there already."""
        self._existing()

    def abort(self) -> None:
        """Drops what was written; nothing becomes visible."""
        if self._multipart:
            if self._pool:
                # A part that arrived after the end would be kept, and paid for.
                self._pool.shutdown()
            self._s3.abort_multipart_upload(**self._target, UploadId=self._multipart)
            self._multipart = None

    @property
    def _metadata(self) -> dict[str, str]:
        """What a later write needs to know of this one: whose it is, where that stands, and what it holds."""
        return {
            "upload-id": self._upload.id,
            "attempt": str(self._attempt),
            # Not the key itself: it may be longer than metadata may be.
            "upload-key": hashlib.sha256(self._upload.key.encode()).hexdigest(),
            "sequencer": self._position.sequencer,
            "last-modified": self._position.last_modified.isoformat(),
            "sha256": self._digest.hexdigest(),
        }

    def _send_part(self, data: bytes | bytearray) -> None:
        if not self._multipart:
            # The digest is not known yet: a retry in parts writes the same bytes again.
            metadata = {name: value for name, value in self._metadata.items() if name != "sha256"}
            answer = self._s3.create_multipart_upload(**self._target, ContentType=self._content_type, Metadata=metadata)
            self._multipart = answer["UploadId"]
            self._pool = ThreadPoolExecutor(1)
        self._finish_part()
        self._sending = self._pool.submit(self._upload_part, len(self._parts) + 1, data)

    def _upload_part(self, number: int, data: bytes) -> dict:
        answer = self._s3.upload_part(**self._target, UploadId=self._multipart, PartNumber=number, Body=data)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _finish_part(self) -> None:
        if self._sending:
            self._parts.append(self._sending.result())
            self._sending = None

    def _put(self, condition: dict) -> Stored:
        try:
            if self._multipart:
                answer = self._s3.complete_multipart_upload(
                    **self._target,
                    UploadId=self._multipart,
                    MultipartUpload={"Parts": self._parts},
                    **condition,
                )
                self._multipart = None
            else:
                answer = self._s3.put_object(
                    **self._target,
                    Body=bytes(self._buffer),
                    ContentType=self._content_type,
                    Metadata=self._metadata,
                    **condition,
                )
        except ClientError as error:
            # 412: the condition does not hold. 409: another conditional write was under way. 404: what was to be
            # matched is gone.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 409, 412):
                raise _Occupied(error.response["Error"]["Code"]) from error
            raise
        return self._stored(answer.get("VersionId", ""))

    def _put_or_fail(self, condition: dict) -> Stored:
        try:
            return self._put(condition)
        except _Occupied as error:
            raise TransientError("another version of this upload wrote its result at the same moment") from error

    def _existing(self) -> dict | None:
        """The object at the key: its ETag and version, and whether an earlier attempt wrote these very bytes.

        Raises PermanentError: `IGNORED` where it belongs to a newer version of the upload, `REJECTED` where it belongs
        to an upload under another key; and TransientError where a later attempt at this upload wrote it.
        """
        try:
            answer = self._s3.head_object(**self._target)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        metadata = answer["Metadata"]
        if metadata.get("upload-key", self._metadata["upload-key"]) != self._metadata["upload-key"]:
            raise PermanentError(REJECTED, "its result would replace that of another upload: use another key")
        ours = metadata.get("upload-id") == self._upload.id
        # The same upload through the same code gives the same bytes; another release may not.
        same = ours and metadata.get("sha256") == self._digest.hexdigest()
        if ours and not same and int(metadata.get("attempt", 0)) > self._attempt:
            raise TransientError("a later attempt at this upload has written its result")
        if not ours and "last-modified" in metadata:
            theirs = Position(metadata.get("sequencer", ""), datetime.fromisoformat(metadata["last-modified"]))
            if theirs.is_after(self._position):
                raise PermanentError(IGNORED, "superseded: a newer version of this file has been processed")
        return {
            "etag": answer["ETag"],
            "version_id": answer.get("VersionId", ""),
            "same": same,
        }

    def _stored(self, version_id: str) -> Stored:
        target = self._target
        return Stored(target["Bucket"], target["Key"], version_id, self._digest.hexdigest(), self._size)


class _Occupied(Exception):
    """The condition of a write did not hold."""
