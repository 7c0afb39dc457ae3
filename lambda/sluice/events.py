"""Queue messages to uploads and back: S3 event notifications as S3 sends them to SQS.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

import json
from datetime import datetime
from urllib.parse import quote_plus, unquote_plus

from sluice.upload import Upload


class UnreadableMessageError(ValueError):
    """A message that names no upload: it belongs into the dead-letter queue, where somebody can look at it."""


TEST_EVENT = "s3:TestEvent"


def parse_message(body: str) -> list[Upload]:
    """The uploads a message tells of, keys decoded (`+` is a space, `%xx` UTF-8).

    S3's own test event, sent when notifications are configured, gives one upload with an empty key and the version
    `s3:TestEvent`. Raises UnreadableMessageError for anything that is no S3 event notification.
    """
    try:
        event = json.loads(body)
        if event.get("Event") == TEST_EVENT:
            return [Upload(_text(event["Bucket"]), "", TEST_EVENT, 0)]
        return [_upload(record) for record in event["Records"]]
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableMessageError(f"no S3 event notification: {type(error).__name__}: {error}") from error


def compose_message(upload: Upload) -> str:
    """The message that brings an upload back onto the queue: S3's own form, with what only we know under `sluice`."""
    item = {"key": quote_plus(upload.key), "versionId": upload.version_id, "size": upload.size}
    if upload.sequencer:
        item["sequencer"] = upload.sequencer
    ours = {}
    if upload.last_modified is not None:
        ours["lastModified"] = upload.last_modified.isoformat()
    if upload.reopens is not None:
        ours["reopens"] = upload.reopens
    record = {
        "eventSource": "sluice",
        "eventName": "ObjectCreated:Requeued",
        "s3": {"bucket": {"name": upload.bucket}, "object": item},
        "sluice": ours,
    }
    return json.dumps({"Records": [record]}, separators=(",", ":"))


def _upload(record: dict) -> Upload:
    if not record["eventName"].startswith("ObjectCreated:"):
        raise ValueError(f"{record['eventName']} tells of no new object")
    bucket, item = record["s3"]["bucket"]["name"], record["s3"]["object"]
    ours = record.get("sluice", {})
    last_modified, reopens = ours.get("lastModified"), ours.get("reopens")
    return Upload(
        _text(bucket),
        _text(unquote_plus(item["key"], errors="strict")),
        # "null" is S3's own name of the version of an object in a bucket without versioning.
        _text(item.get("versionId", "null")),
        int(item.get("size", 0)),
        _text(item.get("sequencer", "")),
        last_modified=None if last_modified is None else datetime.fromisoformat(last_modified),
        reopens=None if reopens is None else int(reopens),
    )


def _text(value: str) -> str:
    """The value, which identifies an upload: raises AttributeError for what is no text, ValueError for half of one."""
    # JSON may have one half of a pair of surrogates, which cannot be written down again.
    value.encode()
    return value
