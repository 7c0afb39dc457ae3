"""The bucket that samples are put into, which may be another account's."""

from typing import Any

from botocore.exceptions import ClientError, HTTPClientError

from sluice.errors import TransientError
from sluice.samples.files import Sample


class OccupiedError(Exception):
    """There is an object of that key already, or one is being written."""


class RefusedError(Exception):
    """The bucket does not take the object; `code` is S3's error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SampleBucket:
    """A bucket for new objects, encrypted with a KMS key where there is one."""

    def __init__(self, s3: Any, bucket: str, key_arn: str | None) -> None:
        self._s3 = s3
        self.name = bucket
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn} if key_arn else {}

    def put(self, key: str, sample: Sample) -> str:
        """Writes a sample to a key that nothing has yet, and gives the version; `null` in a bucket without versions.

        Raises OccupiedError where the key is taken, RefusedError where the bucket does not take the object, and
        TransientError where S3 does not answer.
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)
        """
        try:
            answer = self._s3.put_object(
                Bucket=self.name,
                Key=key,
                Body=sample.data,
                ContentType=sample.content_type,
                IfNoneMatch="*",
                **self._encryption,
            )
        except HTTPClientError as error:
            raise TransientError("S3 does not answer") from error
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # 409: another write with a condition is under way. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
            if status in (409, 412):
                raise OccupiedError(key) from error
            if status >= 500:
                raise TransientError(f"S3 answers {status}") from error
            raise RefusedError(error.response["Error"]["Code"]) from error
        return answer.get("VersionId", "null")
