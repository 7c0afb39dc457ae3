"""The listing of the uploads bucket: every version there is, in pages, in an order that can be taken up again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.upload import Upload

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
PAGE_SIZE = 1000
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Cursor:
    """Where a listing goes on: S3's own markers, and the last version listed, which the next one may tie with."""

    key_marker: str
    version_marker: str
    last_key: str
    last_modified: str

    @classmethod
    def start(cls) -> "Cursor":
        """Before the first version."""
        return cls("", "", "", "")


@dataclass(frozen=True)
class Page:
    """Versions with their `last_modified`, and where the next page starts; None after the last one."""

    uploads: list[Upload]
    next: Cursor | None


class Listing:
    """The versions in the uploads bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def page(self, cursor: Cursor, size: int) -> Page:
        """The next versions, at most `size` of them. Delete markers are none.

        S3 dates versions to the second and lists those of one key from the newest to the oldest. Versions of the same
        second are told apart by that: each is dated a microsecond before its successor, and the newest as S3 says.
        """
        markers = {"KeyMarker": cursor.key_marker, "VersionIdMarker": cursor.version_marker}
        answer = self._s3.list_object_versions(
            Bucket=self._bucket, MaxKeys=size, **{name: marker for name, marker in markers.items() if marker}
        )
        uploads = []
        last_key, last_modified = cursor.last_key, cursor.last_modified and datetime.fromisoformat(cursor.last_modified)
        for version in answer.get("Versions", []):
            key, modified = version["Key"], version["LastModified"].replace(microsecond=0)
            if key == last_key and modified >= last_modified:
                modified = last_modified - _TICK
            last_key, last_modified = key, modified
            uploads.append(Upload(self._bucket, key, version["VersionId"], version["Size"], last_modified=modified))
        if not answer["IsTruncated"]:
            return Page(uploads, None)
        latest = last_modified.isoformat() if last_modified else ""
        following = Cursor(answer["NextKeyMarker"], answer.get("NextVersionIdMarker", ""), last_key, latest)
        return Page(uploads, following)
