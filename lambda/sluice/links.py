"""Links to objects in S3 that need no right of their own for a short time."""

from typing import Any

from sluice.upload import Stored

SECONDS = 300


class Links:
    """Presigned links to the objects of one bucket. Making one asks nobody.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def to(self, stored: Stored) -> str | None:
        """A link to exactly the version that was stored, for `SECONDS`; None for an object of another bucket."""
        if stored.bucket != self._bucket:
            return None
        target = {"Bucket": stored.bucket, "Key": stored.key, "VersionId": stored.version_id}
        return self._s3.generate_presigned_url("get_object", Params=target, ExpiresIn=SECONDS)
