"""What can be seen of uploads: the ledger, the results, the notifications, the queues."""

import json
import time
from dataclasses import dataclass

from local.cloud import Cloud
from sluice.upload import Upload

BATCH = 10
LOOK_AGAIN, PATIENCE = 0.01, 10
_VISIBILITY = 5400


@dataclass(frozen=True)
class Names:
    """Of a deployment's buckets and ledger, and the URLs of its queues; `subscriber` hears what the topic tells."""

    uploads: str
    results: str
    ledger: str
    queue: str
    dead_letters: str
    subscriber: str


class Books:
    """The uploads to a deployment since `begin`, and what became of them.

    `uploads` are all versions that were put into the uploads bucket, with their bytes, `told` the notifications.
    `letters` is how many messages were sent that name no upload, `tables` the datasets that are loaded into a
    database, `is_shared` whether others upload there too, all for the invariant.
    """

    def __init__(self, cloud: Cloud, names: Names) -> None:
        self.cloud, self.names = cloud, names
        self.s3, self.sqs, self.dynamodb = cloud.client("s3"), cloud.client("sqs"), cloud.client("dynamodb")
        self.begin()

    def begin(self) -> None:
        """Forgets what was, but for the ledger and the buckets."""
        self.uploads: dict[Upload, bytes] = {}
        self.told: list[dict] = []
        self.letters = 0
        self.is_shared = False
        self.tables: tuple[str, ...] = ()

    def upload(self, key: str, body: bytes) -> Upload:
        """Puts an object into the uploads bucket, whose event S3 sends: it alone has the sequencer."""
        version = self.s3.put_object(Bucket=self.names.uploads, Key=key, Body=body)["VersionId"]
        upload = Upload(self.names.uploads, key, version, len(body))
        self.uploads[upload] = body
        return upload

    def dead(self) -> list[str]:
        """The bodies of what is in the dead-letter queue, which stays there."""
        messages: list[dict] = []
        while found := self.take(self.names.dead_letters):
            messages += found
        for message in messages:
            self.show(self.names.dead_letters, message["ReceiptHandle"])
        return [message["Body"] for message in messages]

    def listen(self) -> list[dict]:
        """All notifications since `begin`."""
        while messages := self.take(self.names.subscriber):
            self.told += [json.loads(json.loads(message["Body"])["Message"]) for message in messages]
            self.drop(self.names.subscriber, messages)
        return self.told

    def items(self) -> dict[Upload, dict]:
        """The ledger's items of the uploads, as plain values."""
        known = {(f"{upload.bucket}/{upload.key}", upload.version_id): upload for upload in self.uploads}
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.names.ledger)
        found = {}
        for item in (item for page in pages for item in page["Items"]):
            if upload := known.get((item["upload_key"]["S"], item["version_id"]["S"])):
                found[upload] = {name: _plain(value) for name, value in item.items()}
        return found

    def state(self, upload: Upload) -> str:
        """What the ledger says of an upload; empty where it does not know it."""
        return self.items().get(upload, {}).get("state", "")

    def stored(self, key: str, version: str | None = None) -> tuple[bytes, dict]:
        """An object of the results bucket, and its metadata; raises ClientError where there is none."""
        which = {"VersionId": version} if version else {}
        answer = self.s3.get_object(Bucket=self.names.results, Key=key, **which)
        return answer["Body"].read(), answer["Metadata"]

    def results(self) -> list[str]:
        """The keys in the results bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.names.results)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def parts(self) -> list[str]:
        """The keys of multipart uploads to the results bucket that have neither been completed nor aborted."""
        return [item["Key"] for item in self.s3.list_multipart_uploads(Bucket=self.names.results).get("Uploads", [])]

    def expire_parts(self) -> None:
        """What the lifecycle of the results bucket does after seven days (templates/buckets.yaml)."""
        for item in self.s3.list_multipart_uploads(Bucket=self.names.results).get("Uploads", []):
            self.s3.abort_multipart_upload(Bucket=self.names.results, Key=item["Key"], UploadId=item["UploadId"])

    def queued(self) -> int:
        """How many messages the intake queue holds, visible or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.names.queue, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def await_events(self, count: int) -> None:
        """Waits until S3 has sent its events: the queue holds so many messages."""
        deadline = time.monotonic() + PATIENCE
        while self.queued() < count:
            assert time.monotonic() < deadline, f"the queue holds {self.queued()} of {count} messages"
            time.sleep(LOOK_AGAIN)

    def take(self, queue: str, count: int = BATCH) -> list[dict]:
        """Messages of a queue, hidden from now on."""
        answer = self.sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=count, VisibilityTimeout=_VISIBILITY, AttributeNames=["All"]
        )
        return answer.get("Messages", [])

    def show(self, queue: str, receipt: str) -> None:
        """Makes a message that was taken visible again."""
        self.sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)

    def drop(self, queue: str, messages: list[dict]) -> None:
        """Deletes messages that were taken."""
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
        if entries:
            self.sqs.delete_message_batch(QueueUrl=queue, Entries=entries)


def _plain(value: dict) -> object:
    [(kind, plain)] = value.items()
    if kind == "M":
        return {name: _plain(inner) for name, inner in plain.items()}
    return None if kind == "NULL" else plain
