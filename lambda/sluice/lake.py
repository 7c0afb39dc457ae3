"""The lake in S3: what arrived on the stream, what it adds up to, and what Lambda has let go of."""

import hashlib
from typing import Any

from sluice.upload import Stored


class Lake:
    """The lake bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self.bucket = bucket

    def put(self, key: str, body: bytes, content_type: str) -> Stored:
        """Writes an object, or the same one again."""
        answer = self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)
        digest = hashlib.sha256(body).hexdigest()
        return Stored(self.bucket, key, answer.get("VersionId", ""), digest, len(body))

    def get(self, key: str) -> bytes:
        """The bytes of an object."""
        return self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
