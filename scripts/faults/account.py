"""What the functions work with, in a local cloud, and Lambda's part between the queue and them, under control.

Time passes when it is told to: what waits in the queue becomes visible, and the functions' clock goes on.
"""

import contextlib
import json
import time
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote_plus

from delivery import subscriber
from faults.environment import End, Function, Limits
from faults.injection import Chance, Fault
from local import surroundings
from local.cloud import Cloud
from sluice.events import parse_message
from sluice.upload import Upload

BATCH = 10
# Longer than any lease lasts, which is an invocation and half a minute, and than the sweep leaves an upload alone.
A_LEASE = 1000.0
_VISIBILITY = 5400
_UPLOADS, _RESULTS = "uploads", "results"
_PATIENCE, _LOOK_AGAIN = 10, 0.01


class Account:
    """Buckets, ledger, queues and a topic with a subscriber, made anew in a cloud.

    `settings` are the environment of the functions. `uploads` are all versions that were put into the uploads bucket
    since `begin`, with their bytes, `told` the notifications since then. `letters` is how many messages were sent
    that name no upload, `tables` the datasets that are loaded into a database, both for the invariant.
    """

    def __init__(self, cloud: Cloud, *, max_attempts: int = 2, max_receives: int = 5) -> None:
        self.cloud = cloud
        self.s3, self.sqs, self.dynamodb = cloud.client("s3"), cloud.client("sqs"), cloud.client("dynamodb")
        sns = cloud.client("sns")
        for bucket in (_UPLOADS, _RESULTS):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.settings = {
            **surroundings.create(cloud),
            "UPLOADS_BUCKET": _UPLOADS,
            "MAX_ATTEMPTS": str(max_attempts),
            "MAX_RECEIVES": str(max_receives),
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }
        self.queue = self.settings["QUEUE_URL"]
        self._subscriber, arn = subscriber.create(self.sqs, self.settings["TOPIC_ARN"], "subscriber")
        sns.subscribe(TopicArn=self.settings["TOPIC_ARN"], Protocol="sqs", Endpoint=arn)
        self.dead_letters = self.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
        self._queue_arn, dead_arn = arn.replace("subscriber", "intake"), arn.replace("subscriber", "dead-letters")
        redrive = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": max_receives}
        attributes = {"RedrivePolicy": json.dumps(redrive), "Policy": _from_s3(self._queue_arn)}
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes=attributes)
        self.events(True)
        self._receipts: dict[str, str] = {}
        self.begin()

    def begin(self) -> None:
        """Forgets what was, but for the ledger and the buckets; the queues are emptied, the clock is this machine's."""
        for queue in (self.queue, self.dead_letters, self._subscriber):
            while messages := self._receive(queue):
                self._delete(queue, messages)
        self._receipts.clear()
        self.uploads: dict[Upload, bytes] = {}
        self.told: list[dict] = []
        # When the clock was moved, and by how much.
        self._moved: list[tuple[float, float]] = []
        self.letters = 0
        self.tables: tuple[str, ...] = ()

    @property
    def clock(self) -> float:
        """How far the functions' clock is ahead of this machine's, in seconds."""
        return sum(seconds for _, seconds in self._moved)

    def events(self, enabled: bool) -> None:
        """Whether S3 tells the queue of new objects."""
        queue = {"QueueArn": self._queue_arn, "Events": ["s3:ObjectCreated:*"]}
        configuration = {"QueueConfigurations": [queue]} if enabled else {}
        self.s3.put_bucket_notification_configuration(Bucket=_UPLOADS, NotificationConfiguration=configuration)

    def upload(self, key: str, body: bytes) -> Upload:
        """Puts an object into the uploads bucket, whose event S3 sends; without its sequencer, which it does not tell."""
        version = self.s3.put_object(Bucket=_UPLOADS, Key=key, Body=body)["VersionId"]
        upload = Upload(_UPLOADS, key, version, len(body))
        self.uploads[upload] = body
        return upload

    def message(self, upload: Upload, sequencer: str = "00") -> str:
        """The message that S3 sends of a version."""
        item = {"key": quote_plus(upload.key, safe="/"), "versionId": upload.version_id, "size": upload.size}
        record = {"bucket": {"name": upload.bucket}, "object": {**item, "sequencer": sequencer}}
        return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": record}]})

    def spend(self, upload: Upload) -> None:
        """Writes what a function that was killed in its last attempt leaves in the ledger."""
        numbers = {"attempt": self.settings["MAX_ATTEMPTS"], "tries": self.settings["MAX_ATTEMPTS"], "lease_until": "1"}
        numbers |= {"first_seen": "1", "size_bytes": str(upload.size)}
        texts = {"upload_key": f"{upload.bucket}/{upload.key}", "version_id": upload.version_id, "sequencer": ""}
        texts |= {"state": "PROCESSING", "upload_id": upload.id}
        item = {name: {"N": value} for name, value in numbers.items()}
        item |= {name: {"S": value} for name, value in texts.items()}
        self.dynamodb.put_item(TableName=self.settings["LEDGER_TABLE"], Item=item)

    def send(self, *bodies: str) -> None:
        """Puts messages on the intake queue."""
        for start in range(0, len(bodies), BATCH):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + BATCH])]
            self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)

    def receive(self, count: int = BATCH) -> list[dict]:
        """A batch from the queue, as the records of Lambda's event."""
        records = []
        for message in self._receive(self.queue, count):
            self._receipts[message["MessageId"]] = message["ReceiptHandle"]
            attributes = dict(message["Attributes"])
            attributes["SentTimestamp"] = str(int(self._at(int(attributes["SentTimestamp"]) / 1000) * 1000))
            record = {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"]}
            records.append({**record, "body": message["Body"], "attributes": attributes, "eventSource": "aws:sqs"})
        return records

    def invoke(
        self,
        function: Function,
        records: list[dict],
        faults: Iterable[Fault] = (),
        *,
        chance: Chance | None = None,
        skew: float = 0,
        limits: Limits = Limits(),
    ) -> End:
        """Hands a batch to the function, and then does what Lambda does with the queue."""
        clock = self.clock + skew
        end = function.invoke("process", {"Records": records}, faults, chance=chance, clock=clock, limits=limits)
        if end.answer is not None:
            failed = {item["itemIdentifier"] for item in end.answer["batchItemFailures"]}
            done = [record for record in records if record["messageId"] not in failed]
            for record in done:
                self._receipts.pop(record["messageId"], None)
            self._delete(self.queue, [{"ReceiptHandle": record["receiptHandle"]} for record in done])
        return end

    def deliver(self, function: Function, faults: Iterable[Fault] = (), *, count: int = BATCH, **how: object) -> End:
        """The next batch of the queue to the function; waits for it where S3 has not sent its event yet."""
        deadline = time.monotonic() + _PATIENCE
        while not (records := self.receive(count)):
            assert time.monotonic() < deadline, "nothing is in the queue"
            time.sleep(_LOOK_AGAIN)
        return self.invoke(function, records, faults, **how)

    def pass_time(self, seconds: float = A_LEASE) -> None:
        """Time passes: long enough for every message that was received to become visible again."""
        self._moved.append((time.time(), seconds))
        for receipt in self._receipts.values():
            # Of a message that is a dead letter by now, the receipt is void.
            with contextlib.suppress(self.sqs.exceptions.ReceiptHandleIsInvalid):
                self.sqs.change_message_visibility(QueueUrl=self.queue, ReceiptHandle=receipt, VisibilityTimeout=0)
        self._receipts.clear()

    def settle(self, function: Function, faults: Iterable[Fault] = (), **how: object) -> None:
        """Delivers, and lets time pass, until the queue is empty."""
        while True:
            self.drain(function, faults, **how)
            if not self._receipts:
                return
            self.pass_time()

    def drain(self, function: Function, faults: Iterable[Fault] = (), **how: object) -> None:
        """Delivers what is visible, batch by batch."""
        while records := self.receive():
            self.invoke(function, records, faults, **how)

    def sweep(self, function: Function, faults: Iterable[Fault] = (), **event: object) -> End:
        """A run of the sweep with this event; what it invokes is not run."""
        return function.invoke("sweep", event, faults, clock=self.clock, answered={"Invoke": 202})

    def redrive(self) -> int:
        """"Start DLQ redrive" in the console: everything goes back to where it came from. How many these were."""
        count = 0
        while messages := self._receive(self.dead_letters):
            self.send(*(message["Body"] for message in messages))
            self._delete(self.dead_letters, messages)
            count += len(messages)
        return count

    def heal(self, function: Function) -> None:
        """What an operator and the schedule do once the fault is gone: time passes, the sweep runs, all is redriven."""
        self.settle(function)
        self.pass_time()
        end = self.sweep(function)
        assert end.answer and end.answer["is_complete"], f"the sweep has failed: {end}"
        self.settle(function)
        self.redrive()
        self.settle(function)

    def dead(self) -> list[str]:
        """The bodies of what is in the dead-letter queue, which stays there."""
        messages: list[dict] = []
        while found := self._receive(self.dead_letters):
            messages += found
        for message in messages:
            receipt = message["ReceiptHandle"]
            self.sqs.change_message_visibility(QueueUrl=self.dead_letters, ReceiptHandle=receipt, VisibilityTimeout=0)
        return [message["Body"] for message in messages]

    def listen(self) -> list[dict]:
        """All notifications since `begin`."""
        while messages := self._receive(self._subscriber):
            self.told += [json.loads(json.loads(message["Body"])["Message"]) for message in messages]
            self._delete(self._subscriber, messages)
        return self.told

    def items(self) -> dict[Upload, dict]:
        """The ledger's items of the uploads, as plain values."""
        known = {(f"{upload.bucket}/{upload.key}", upload.version_id): upload for upload in self.uploads}
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.settings["LEDGER_TABLE"])
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
        answer = self.s3.get_object(Bucket=_RESULTS, Key=key, **which)
        return answer["Body"].read(), answer["Metadata"]

    def results(self) -> list[str]:
        """The keys in the results bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=_RESULTS)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def parts(self) -> list[str]:
        """The keys of multipart uploads to the results bucket that have neither been completed nor aborted."""
        return [item["Key"] for item in self.s3.list_multipart_uploads(Bucket=_RESULTS).get("Uploads", [])]

    def expire_parts(self) -> None:
        """What the lifecycle of the results bucket does after seven days (templates/buckets.yaml)."""
        for item in self.s3.list_multipart_uploads(Bucket=_RESULTS).get("Uploads", []):
            self.s3.abort_multipart_upload(Bucket=_RESULTS, Key=item["Key"], UploadId=item["UploadId"])

    def queued(self) -> int:
        """How many messages the intake queue holds, visible or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def await_events(self, count: int) -> None:
        """Waits until S3 has sent its events: the queue holds so many messages."""
        deadline = time.monotonic() + _PATIENCE
        while self.queued() < count:
            assert time.monotonic() < deadline, f"the queue holds {self.queued()} of {count} messages"
            time.sleep(_LOOK_AGAIN)

    def _at(self, moment: float) -> float:
        """A moment of this machine's clock by that of the functions."""
        return moment + sum(seconds for moved, seconds in self._moved if moved <= moment)

    def _receive(self, queue: str, count: int = BATCH) -> list[dict]:
        answer = self.sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=count, VisibilityTimeout=_VISIBILITY, AttributeNames=["All"]
        )
        return answer.get("Messages", [])

    def _delete(self, queue: str, messages: list[dict]) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
        if entries:
            self.sqs.delete_message_batch(QueueUrl=queue, Entries=entries)


def uploads_of(bodies: Iterable[str]) -> set[Upload]:
    """The uploads that messages tell of, as `Account.upload` gives them."""
    return {replace(upload, sequencer="", size=0) for body in bodies for upload in parse_message(body)}


def _from_s3(queue_arn: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": queue_arn}]})


def _plain(value: dict) -> object:
    [(kind, plain)] = value.items()
    if kind == "M":
        return {name: _plain(inner) for name, inner in plain.items()}
    return None if kind == "NULL" else plain
