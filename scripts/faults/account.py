"""What the functions work with, in a local cloud, and Lambda's part between the queue and them, under control.

Time passes when it is told to: what waits in the queue becomes visible, and the functions' clock goes on.
"""

import contextlib
import json
import time
from collections.abc import Iterable
from urllib.parse import quote_plus

from delivery import subscriber
from faults.books import BATCH, LOOK_AGAIN, PATIENCE, Books, Names
from faults.environment import WHOLE, End, Function, Limits
from faults.injection import Chance, Fault
from local import surroundings
from local.cloud import Cloud
from sluice.upload import FINAL_STATES, Upload

# Longer than any lease lasts, which is an invocation and half a minute, and than the sweep leaves an upload alone.
A_LEASE = 1000.0


class Account(Books):
    """Buckets, ledger, queues and a topic with a subscriber, made anew in a cloud; `settings` are the environment of
    the functions that work with them.

    The `outage` is faults of every invocation, until it is over: one that strikes so many `times` is over then. Since
    `begin`, `armed` are the faults that invocations were given, `struck` those that have happened, and `ways` the
    places in the code that requests came from (End.places), each way once.
    """

    def __init__(self, cloud: Cloud, *, max_attempts: int = 2, max_receives: int = 5) -> None:
        s3, sqs, sns = cloud.client("s3"), cloud.client("sqs"), cloud.client("sns")
        for bucket in ("uploads", "results"):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        made = surroundings.create(cloud)
        topic, queue = made["TOPIC_ARN"], made["QUEUE_URL"]
        hears, arn = subscriber.create(sqs, topic, "subscriber")
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        dead_letters = sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
        self._queue_arn, dead_arn = arn.replace("subscriber", "intake"), arn.replace("subscriber", "dead-letters")
        redrive = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": max_receives}
        attributes = {"RedrivePolicy": json.dumps(redrive), "Policy": _from_s3(self._queue_arn)}
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)
        self.settings = {
            **made,
            "UPLOADS_BUCKET": "uploads",
            "MAX_ATTEMPTS": str(max_attempts),
            "MAX_RECEIVES": str(max_receives),
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }
        self._receipts: dict[str, str] = {}
        self._killed: set[str] = set()
        super().__init__(cloud, Names("uploads", "results", made["LEDGER_TABLE"], queue, dead_letters, hears))
        self.events(True)

    def begin(self) -> None:
        """Forgets what was, but for the ledger and the buckets; the queues are emptied, the clock is this machine's."""
        super().begin()
        for queue in (self.names.queue, self.names.dead_letters, self.names.subscriber):
            while messages := self.take(queue):
                self.drop(queue, messages)
        self._receipts.clear()
        self._killed.clear()
        self.outage: tuple[Fault, ...] = ()
        self.armed: set[Fault] = set()
        self.struck: set[Fault] = set()
        self.ways: dict[tuple[str, ...], None] = {}
        # When the clock was moved, and by how much.
        self._moved: list[tuple[float, float]] = []

    @property
    def clock(self) -> float:
        """How far the functions' clock is ahead of this machine's, in seconds."""
        return sum(seconds for _, seconds in self._moved)

    def events(self, enabled: bool) -> None:
        """Whether S3 tells the queue of new objects."""
        queue = {"QueueArn": self._queue_arn, "Events": ["s3:ObjectCreated:*"]}
        wanted = {"QueueConfigurations": [queue]} if enabled else {}
        self.s3.put_bucket_notification_configuration(Bucket=self.names.uploads, NotificationConfiguration=wanted)

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
        self.dynamodb.put_item(TableName=self.names.ledger, Item=item)

    def send(self, *bodies: str) -> None:
        """Puts messages on the intake queue."""
        for start in range(0, len(bodies), BATCH):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + BATCH])]
            self.sqs.send_message_batch(QueueUrl=self.names.queue, Entries=entries)

    def receive(self, count: int = BATCH) -> list[dict]:
        """A batch from the queue, as the records of Lambda's event."""
        records = []
        for message in self.take(self.names.queue, count):
            self._receipts[message["MessageId"]] = message["ReceiptHandle"]
            self._killed.discard(message["MessageId"])
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
        limits: Limits = WHOLE,
    ) -> End:
        """Hands a batch to the function, and then does what Lambda does with the queue."""
        clock = self.clock + skew
        end = self._run(function, "process", {"Records": records}, faults, chance=chance, clock=clock, limits=limits)
        if end.answer is None:
            self._killed.update(record["messageId"] for record in records)
        else:
            failed = {item["itemIdentifier"] for item in end.answer["batchItemFailures"]}
            done = [record for record in records if record["messageId"] not in failed]
            for record in done:
                self._receipts.pop(record["messageId"], None)
            self.drop(self.names.queue, [{"ReceiptHandle": record["receiptHandle"]} for record in done])
        return end

    def deliver(self, function: Function, faults: Iterable[Fault] = (), *, count: int = BATCH, **how: object) -> End:
        """The next batch of the queue to the function; waits for it where S3 has not sent its event yet."""
        deadline = time.monotonic() + PATIENCE
        while not (records := self.receive(count)):
            assert time.monotonic() < deadline, "nothing is in the queue"
            time.sleep(LOOK_AGAIN)
        return self.invoke(function, records, faults, **how)

    @property
    def waiting(self) -> int:
        """How many messages were received and neither deleted nor shown again."""
        return len(self._receipts)

    @property
    def killed(self) -> int:
        """Of those, how many were in the hands of a function that ended without an answer."""
        return len(self._killed)

    def pass_time(self, seconds: float = A_LEASE, *, killed: bool = True) -> None:
        """Time passes: long enough for messages that were received to become visible again, those of functions that
        were killed among them or not."""
        self._moved.append((time.time(), seconds))
        for message in [message for message in self._receipts if killed or message not in self._killed]:
            # Of a message that is a dead letter by now, the receipt is void.
            with contextlib.suppress(self.sqs.exceptions.ReceiptHandleIsInvalid):
                self.show(self.names.queue, self._receipts[message])
            del self._receipts[message]
            self._killed.discard(message)

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
        return self._run(function, "sweep", event, faults, clock=self.clock, answered={"Invoke": 202})

    def redrive(self) -> int:
        """"Start DLQ redrive" in the console: everything goes back to where it came from. How many these were."""
        count = 0
        while messages := self.take(self.names.dead_letters):
            self.send(*(message["Body"] for message in messages))
            self.drop(self.names.dead_letters, messages)
            count += len(messages)
        return count

    def heal(self, function: Function) -> None:
        """What an operator and the schedule do once the fault is gone: time passes, the sweep looks for what has not
        ended, and all is redriven."""
        self.settle(function)
        items = self.items()
        if any(items.get(upload, {}).get("state") not in FINAL_STATES for upload in self.uploads):
            self.pass_time()
            end = self.sweep(function)
            assert end.answer and end.answer["is_complete"], f"the sweep has failed: {end}"
            self.settle(function)
        self.redrive()
        self.settle(function)

    def _run(self, function: Function, handler: str, event: dict, faults: Iterable[Fault], **how: object) -> End:
        given = tuple(faults)
        self.armed.update(self.outage, given)
        end = function.invoke(handler, event, (*self.outage, *given), **how)
        self.struck.update(end.struck)
        self.ways.update(dict.fromkeys(map(tuple, end.places)))
        self.outage = tuple(fault for fault in self.outage if fault.times is None or fault not in end.struck)
        # What lasts may strike another invocation.
        missed = [fault for fault in given if fault.times is not None and fault not in end.struck]
        assert not missed, f"it was to strike this invocation, and did not: {missed}, {end}"
        return end

    def _at(self, moment: float) -> float:
        """A moment of this machine's clock by that of the functions."""
        return moment + sum(seconds for moved, seconds in self._moved if moved <= moment)


def _from_s3(queue_arn: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": queue_arn}]})
