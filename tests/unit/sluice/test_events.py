"""S3 event notifications, as S3 sends them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluice.events import UnreadableMessageError, compose_message, parse_message
from sluice.upload import Upload

EVENTS = Path(__file__).parents[2] / "events"


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("put", ["prices/LSE/ABC.csv"]),
        ("put-space-and-plus", ["prices/LSE/space and+plus.csv"]),
        ("put-unicode", ["prices/東京/été 📈.csv"]),
        ("put-quotes", ['people/O\'Neil "all" %20.csv'.replace("%20", "%25")]),
        ("put-two-records", ["prices/LSE/ABC.csv", "people/staff.csv"]),
        ("multipart-completed", ["prices/LSE/large.csv"]),
        ("folder-marker", ["prices/LSE/"]),
    ],
)
def test_keys_are_decoded(name, keys):
    uploads = parse_message((EVENTS / f"{name}.json").read_text(encoding="utf-8"))

    assert [upload.key for upload in uploads] == keys
    assert all(upload.bucket == "uploads-example" and upload.version_id and upload.sequencer for upload in uploads)


def test_identity_is_bucket_key_and_version(event):
    [upload] = parse_message(json.dumps(event("put")))
    [other] = parse_message(json.dumps(event("unversioned")))

    assert (upload.version_id, upload.size, upload.sequencer) == (
        "096fKKXTRTtl3on89fVO.nfljtsv6qko",
        301,
        "0055AED6DCD90281E5",
    )
    assert other.version_id == "null"
    assert upload.id != other.id


def test_the_test_event_names_no_object(event):
    [upload] = parse_message(json.dumps(event("test-event")))

    assert (upload.bucket, upload.key, upload.version_id) == ("uploads-example", "", "s3:TestEvent")


@pytest.mark.parametrize("name", ["removed", "eventbridge", "queue-message"])
def test_events_of_another_kind_are_unreadable(event, name):
    with pytest.raises(UnreadableMessageError, match="no S3 event notification"):
        parse_message(json.dumps(event(name)))


# Half a pair of surrogates is text in JSON, and so is a number that is none.
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800")
JSON = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["Records", "s3", "object", "key", "Event"]), inner)
    ),
)


@given(st.text() | JSON.map(json.dumps))
def test_whatever_is_no_notification_is_unreadable_and_nothing_else(body):
    try:
        assert parse_message(body) == []
    except UnreadableMessageError:
        pass


MEMBERS = ["bucket", "key", "versionId", "size", "sequencer", "lastModified", "reopens"]


@given(st.dictionaries(st.sampled_from(MEMBERS), VALUES, min_size=1, max_size=2))
@example({"size": float("inf")})
@example({"reopens": float("inf")})
@example({"key": "\ud800"})
@example({"versionId": None})
@example({"bucket": 5})
def test_whatever_a_record_says_it_names_an_upload_or_is_unreadable(members):
    known = {"bucket": "uploads", "key": "a.csv", **members}
    ours = {name: known.pop(name) for name in ("lastModified", "reopens") if name in known}
    s3 = {"bucket": {"name": known.pop("bucket")}, "object": known}
    record = {"eventName": "ObjectCreated:Put", "s3": s3, "sluice": ours}
    try:
        [upload] = parse_message(json.dumps({"Records": [record]}))
    except UnreadableMessageError:
        return
    assert parse_message(compose_message(upload)) == [upload]


def test_a_test_event_of_no_bucket_is_unreadable():
    with pytest.raises(UnreadableMessageError):
        parse_message('{"Event": "s3:TestEvent", "Bucket": 5}')


@given(
    st.text(min_size=1),
    st.text("0123456789ABCDEF"),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none() | st.integers(min_value=1),
)
def test_what_is_put_back_on_the_queue_is_read_as_it_was(key, sequencer, last_modified, reopens):
    upload = Upload("uploads", key, "3sL4", 301, sequencer, last_modified, reopens)

    [read] = parse_message(compose_message(upload))

    assert (read, read.last_modified, read.reopens) == (upload, last_modified, reopens)


def test_an_event_of_s3_reopens_nothing(event):
    [upload] = parse_message(json.dumps(event("put")))

    assert (upload.reopens, upload.last_modified) == (None, None)


def test_a_swept_upload_carries_its_order():
    upload = Upload("uploads", "a b", "1", 2, last_modified=datetime(2026, 11, 20, tzinfo=UTC))

    body = json.loads(compose_message(upload))

    assert body["Records"][0]["s3"]["object"] == {"key": "a+b", "versionId": "1", "size": 2}
    assert body["Records"][0]["sluice"] == {"lastModified": "2026-11-20T00:00:00+00:00"}
