"""What an upload is, what became of it, and in which order two uploads of one key stand."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

PROCESSING = "PROCESSING"
SUCCEEDED = "SUCCEEDED"
PARTIAL = "PARTIAL"
REJECTED = "REJECTED"
FAILED = "FAILED"
IGNORED = "IGNORED"
FINAL_STATES = frozenset({SUCCEEDED, PARTIAL, REJECTED, FAILED, IGNORED})
# In the place of a version id where an upload is a batch of a stream: its raw object may be written again, the same.
STREAM_VERSION = "stream"


@dataclass(frozen=True)
class Upload:
    """One object version in the uploads bucket.

    `sequencer` is S3's order of events of one key: hexadecimal, comparable only within that key, absent where
    the upload was found by listing; then `last_modified` says where it stands. `reopens` is the attempt whose final
    state an operator wants followed by another one; no event of S3 has it.
    """

    bucket: str
    key: str
    version_id: str
    size: int
    sequencer: str = ""
    last_modified: datetime | None = field(default=None, compare=False)
    reopens: int | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """A short identity that fits into logs, metadata and message attributes: 32 hexadecimal digits."""
        identity = "\0".join((self.bucket, self.key, self.version_id))
        return hashlib.sha256(identity.encode()).hexdigest()[:32]

    @property
    def uri(self) -> str:
        """Where the upload is, as `s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def is_of_stream(self) -> bool:
        """Whether it is a batch of a stream, and no file that somebody has uploaded."""
        return self.version_id == STREAM_VERSION


@dataclass(frozen=True)
class RowError:
    """One violated rule at one row.

    `row` is the physical line on which the record starts, counted from 1, header included; None in the last line of a
    report that is cut. `field` is None where
    the rule concerns the whole record. `error` is a Frictionless error code. `message` states the rule and never
    holds the offending `text`, which is cut to `TEXT_LIMIT` characters.
    """

    row: int | None
    field: str | None
    error: str
    message: str
    text: str

    TEXT_LIMIT = 200

    def as_dict(self) -> dict:
        """The line of an error report."""
        return {
            "row": self.row,
            "field": self.field,
            "error": self.error,
            "message": self.message,
            "text": self.text[: self.TEXT_LIMIT],
        }


@dataclass(frozen=True)
class Stored:
    """An object written to the results bucket."""

    bucket: str
    key: str
    version_id: str
    sha256: str
    bytes: int

    @property
    def uri(self) -> str:
        """Where the object is, as `s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Loaded:
    """What became of an upload's valid rows in its table.

    `inserted` have a new key, `updated` have replaced a row that was there, `duplicates` repeat a key whose row stays.
    """

    inserted: int
    updated: int
    duplicates: int


@dataclass
class Outcome:
    """What became of one attempt at an upload: its state, its reason and what was counted and written."""

    state: str
    reason: str
    dataset: str | None = None
    rows_good: int = 0
    rows_rejected: int = 0
    rows_blank: int = 0
    result: Stored | None = None
    loaded: Loaded | None = None
    error_report: Stored | None = None
    first_errors: list[RowError] = field(default_factory=list)


@dataclass(frozen=True)
class Position:
    """Where a version stands among the versions of its key."""

    sequencer: str
    last_modified: datetime

    def is_after(self, other: "Position") -> bool:
        """Whether this version was uploaded after the other one of the same key.

        Sequencers are hexadecimal strings of differing length, compared after padding the shorter one with zeros
        on the right (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
        A version that was found by listing has none: then the time of the upload decides.
        """
        if self.sequencer and other.sequencer:
            width = max(len(self.sequencer), len(other.sequencer))
            return self.sequencer.ljust(width, "0") > other.sequencer.ljust(width, "0")
        return self.last_modified > other.last_modified
