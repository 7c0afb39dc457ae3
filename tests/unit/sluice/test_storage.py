"""Results: visible at once or not at all, never over a newer one; large ones in parts."""

from datetime import UTC, datetime

import pytest

from sluice.errors import PermanentError, TransientError
from sluice.storage import PART_SIZE, Storage
from sluice.upload import Position, Upload

WHEN = datetime(2026, 11, 20, tzinfo=UTC)


def upload(version: str) -> Upload:
    return Upload("uploads", "people/staff.csv", version, 1)


def put(storage: Storage, version: str, sequencer: str, *pieces: bytes, when: datetime = WHEN, attempt: int = 1):
    writer = storage.create("staff.csv", upload(version), attempt, Position(sequencer, when), "text/csv")
    for piece in pieces:
        writer.write(piece)
    return writer.commit()


def test_a_broken_connection_is_no_end_of_file():
    class Body:
        def iter_chunks(self, _):
            return iter([b"abc"])

    class S3:
        def get_object(self, **_):
            return {"Body": Body(), "ContentLength": 4, "LastModified": WHEN}

    with pytest.raises(TransientError, match="announced 4 bytes and sent 3"):
        list(Storage(S3(), "results").open(upload("1")).chunks)


@pytest.mark.parametrize("pieces", [[b"small"], [b"x" * PART_SIZE] * 2 + [b"end"]], ids=["put", "multipart"])
def test_what_is_stored_and_what_a_repeat_finds(aws, pieces):
    stored = put(aws.storage, "1", "0A", *pieces)

    assert stored.bytes == sum(map(len, pieces))
    assert aws.result("staff.csv") == b"".join(pieces)
    again = put(aws.storage, "1", "0A", *pieces)
    assert again.sha256 == stored.sha256
    assert put(aws.storage, "2", "0B", *pieces, b"!").bytes == stored.bytes + 1
    with pytest.raises(PermanentError, match="superseded"):
        put(aws.storage, "1", "0A", *pieces)
    assert aws.result("staff.csv") == b"".join(pieces) + b"!"


def test_sequencers_are_padded_on_the_right_and_time_decides_without(aws):
    put(aws.storage, "1", "0A", b"first")
    with pytest.raises(PermanentError, match="superseded"):
        put(aws.storage, "0", "09FF", b"older though longer")
    put(aws.storage, "2", "", b"found by listing", when=WHEN.replace(hour=1))
    with pytest.raises(PermanentError, match="superseded"):
        put(aws.storage, "3", "", b"older", when=WHEN.replace(minute=1))


@pytest.mark.parametrize("pieces", [[b"small"], [b"x" * PART_SIZE] * 2], ids=["put", "multipart"])
def test_nothing_is_visible_before_commit_or_after_abort(aws, pieces):
    writer = aws.storage.create("staff.csv", upload("1"), 1, Position("0A", WHEN), "text/csv")
    for piece in pieces:
        writer.write(piece)
    assert aws.results() == []

    writer.abort()

    assert aws.results() == []
    assert "Uploads" not in aws.s3.list_multipart_uploads(Bucket="results")


@pytest.mark.parametrize("pieces", [[b"small"], [b"x" * PART_SIZE] * 2], ids=["put", "multipart"])
def test_an_attempt_that_was_overtaken_by_another_release_replaces_nothing(aws, pieces):
    put(aws.storage, "1", "0A", b"of the new release", attempt=2)

    with pytest.raises(TransientError, match="a later attempt"):
        put(aws.storage, "1", "0A", *pieces, attempt=1)

    assert aws.result("staff.csv") == b"of the new release"
    assert put(aws.storage, "1", "0A", b"of the new release", attempt=1).bytes == 18, "which says the same as it does"
    assert put(aws.storage, "1", "0A", *pieces, attempt=3).bytes == sum(map(len, pieces))


def test_another_write_at_the_same_moment_is_tried_again_later(aws):
    put(aws.storage, "1", "0A", b"first")

    class Racing:
        """An S3 on which somebody else overwrites the object right after every look at it."""

        def __getattr__(self, name):
            return getattr(aws.s3, name)

        def head_object(self, **target):
            answer = aws.s3.head_object(**target)
            aws.s3.put_object(**target, Body=b"other", Metadata=answer["Metadata"])
            return answer

    with pytest.raises(TransientError, match="at the same moment"):
        put(Storage(Racing(), "results"), "2", "0B", b"second")
