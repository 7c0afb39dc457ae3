"""Takes uploads in from the intake queue.

Event: a batch of SQS messages, each with an S3 event notification in its body (tests/events/*.json).
Answer: `{"batchItemFailures": [...]}`, the messages that must come back
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html).
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from sluice.clients import make_client
from sluice.datasets import Catalogue
from sluice.errors import FailedAttempt, Retry
from sluice.events import TEST_EVENT, UnreadableMessageError, parse_message
from sluice.intake import Intake, retry_delay
from sluice.invocation import Invocation
from sluice.ledger import Ledger
from sluice.metrics import PROCESS, Meter
from sluice.notify import Notifier
from sluice.processors import NEEDS
from sluice.queue import IntakeQueue
from sluice.storage import Storage
from sluice.tracing import subsegment
from sluice.upload import Outcome, Upload

if TYPE_CHECKING:
    from sluice.table import Tables


def _tables() -> "Tables | None":
    """The database, where the deployment has one: every other cold start would pay for its driver."""
    secret = os.environ.get("DATABASE_SECRET")
    if not secret:
        return None
    from sluice.database import Database
    from sluice.table import Tables

    return Tables(Database(make_client("secretsmanager"), secret))


logger = Logger(log_uncaught_exceptions=True)
sqs = make_client("sqs")
ledger = Ledger(make_client("dynamodb"), os.environ["LEDGER_TABLE"])
meter = Meter(os.environ["ENVIRONMENT"], PROCESS)
intake = Intake(
    catalogue=Catalogue(Path(__file__).parents[2] / "datasets", NEEDS),
    storage=Storage(make_client("s3"), os.environ["RESULTS_BUCKET"]),
    ledger=ledger,
    queue=IntakeQueue(sqs, os.environ["QUEUE_URL"]),
    notifier=Notifier(make_client("sns"), os.environ["TOPIC_ARN"]),
    environment=os.environ["ENVIRONMENT"],
    max_tries=int(os.environ["MAX_ATTEMPTS"]),
    max_receives=int(os.environ["MAX_RECEIVES"]),
    count=meter.conclude,
    tables=_tables(),
)


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext) -> dict:
    """Processes a batch; a message that fails comes back alone."""
    # A release is judged by the errors of its version (templates/lambda.yaml).
    logger.append_keys(function_version=context.function_version)
    # Lambda's runtime gives the memory as text, whatever the type says.
    memory_mb = int(context.memory_limit_in_mb)
    invocation = Invocation(lambda: context.get_remaining_time_in_millis() / 1000, memory_mb)
    meter.receive(memory_mb, len(event["Records"]))
    # What had to come back for lack of time goes first, or it would lack it again.
    records = sorted(event["Records"], key=_receives, reverse=True)
    failed = [record["messageId"] for record in records if not _accept_message(record, invocation)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _accept_message(record: dict, invocation: Invocation) -> bool:
    """Accepts every upload that a message tells of; False where any of them must come back, and so the message."""
    # The same each time that the message is delivered, and in the dead-letter queue.
    logger.set_correlation_id(record["messageId"])
    try:
        uploads = parse_message(record["body"])
    except UnreadableMessageError as error:
        logger.error("unreadable message", reason=str(error))
        _come_back(record, delay=0)
        return False
    retries = [retry for upload in uploads if (retry := _accept(upload, record, invocation))]
    if retries:
        _come_back(record, min(retry.delay for retry in retries))
    return not retries


def _accept(upload: Upload, record: dict, invocation: Invocation) -> Retry | None:
    receives = _receives(record)
    sent = int(record["attributes"]["SentTimestamp"]) / 1000
    logger.append_keys(upload_id=upload.id, bucket=upload.bucket, key=upload.key)
    meter.begin()
    try:
        if upload.version_id == TEST_EVENT:
            ledger.note(upload, "S3's own test of the notification; it names no object")
        else:
            with subsegment("upload", annotations={"upload_id": upload.id}):
                outcome = intake.accept(upload, receives=receives, sent=sent, invocation=invocation)
            _log(outcome)
    except Retry as retry:
        if isinstance(retry, FailedAttempt):
            meter.fail()
        log = logger.error if isinstance(retry, FailedAttempt) else logger.warning
        log("message comes back", reason=str(retry), delay=retry.delay)
        return retry
    except Exception as error:
        meter.fail()
        logger.exception("the upload could not be accounted for")
        return Retry(f"could not be accounted for: {type(error).__name__}", retry_delay(receives))
    finally:
        logger.remove_keys(["upload_id", "bucket", "key"])
    return None


def _receives(record: dict) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])


def _log(outcome: Outcome | None) -> None:
    if outcome is None:
        logger.info("nothing to do: this upload has its final state, or another attempt or message has it")
    else:
        logger.info(
            "upload concluded",
            state=outcome.state,
            reason=outcome.reason,
            dataset=outcome.dataset,
            rows_good=outcome.rows_good,
            rows_rejected=outcome.rows_rejected,
        )


def _come_back(record: dict, delay: int) -> None:
    """Shortens the wait for the next delivery; the queue's own visibility timeout covers a killed function."""
    try:
        sqs.change_message_visibility(
            QueueUrl=os.environ["QUEUE_URL"], ReceiptHandle=record["receiptHandle"], VisibilityTimeout=delay
        )
    except (ClientError, BotoCoreError):
        logger.exception("the message comes back, but not before the queue's visibility timeout")
