"""Takes uploads in from the intake queue.

Event: a batch of SQS messages, each with an S3 event notification in its body (tests/events/*.json).
Answer: `{"batchItemFailures": [...]}`, the messages that must come back
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html).
"""

import os
from pathlib import Path

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from sluice.datasets import Catalogue
from sluice.errors import Retry
from sluice.events import TEST_EVENT, UnreadableMessageError, parse_message
from sluice.intake import Intake, retry_delay
from sluice.ledger import Ledger
from sluice.notify import Notifier
from sluice.processors import FIELD_TYPES
from sluice.storage import Storage
from sluice.upload import Outcome, Upload

# Short, so that a hanging call is retried while the invocation lasts: the function's timeout is 300 s.
_CONFIG = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4})

logger = Logger(log_uncaught_exceptions=True)
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
sqs = boto3.client("sqs", config=_CONFIG)
ledger = Ledger(boto3.client("dynamodb", config=_CONFIG), os.environ["LEDGER_TABLE"])
intake = Intake(
    catalogue=Catalogue(Path(__file__).parents[2] / "datasets", FIELD_TYPES),
    storage=Storage(boto3.client("s3", config=_CONFIG), os.environ["RESULTS_BUCKET"]),
    ledger=ledger,
    notifier=Notifier(boto3.client("sns", config=_CONFIG), os.environ["TOPIC_ARN"]),
    environment=os.environ["ENVIRONMENT"],
    max_tries=int(os.environ["MAX_ATTEMPTS"]),
    max_receives=int(os.environ["MAX_RECEIVES"]),
)


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext) -> dict:
    """Processes a batch; a message that fails comes back alone."""

    def record_handler(record: SQSRecord) -> None:
        _accept_message(record, context)

    return process_partial_response(event, record_handler, processor, context)


def _accept_message(record: SQSRecord, context: LambdaContext) -> None:
    """Accepts every upload that a message tells of; the message comes back where any of them must."""
    try:
        uploads = parse_message(record.body)
    except UnreadableMessageError as error:
        logger.error("unreadable message", reason=str(error), message_id=record.message_id)
        _come_back(record, delay=0)
        raise
    retries = [retry for upload in uploads if (retry := _accept(upload, record, context))]
    if retries:
        _come_back(record, min(retry.delay for retry in retries))
        raise retries[0]


def _accept(upload: Upload, record: SQSRecord, context: LambdaContext) -> Retry | None:
    receives = int(record.attributes.approximate_receive_count)
    sent = int(record.attributes.sent_timestamp) / 1000
    logger.append_keys(upload_id=upload.id, bucket=upload.bucket, key=upload.key)
    try:
        if upload.version_id == TEST_EVENT:
            ledger.note(upload, "S3's own test of the notification; it names no object")
        else:
            remaining = context.get_remaining_time_in_millis() / 1000
            _log(intake.accept(upload, receives=receives, sent=sent, remaining=remaining))
    except Retry as retry:
        logger.warning("message comes back", reason=str(retry), delay=retry.delay)
        return retry
    except Exception as error:
        logger.exception("the upload could not be accounted for")
        return Retry(f"could not be accounted for: {type(error).__name__}", retry_delay(receives))
    finally:
        logger.remove_keys(["upload_id", "bucket", "key"])
    return None


def _log(outcome: Outcome | None) -> None:
    if outcome is None:
        logger.info("nothing to do: this upload has its final state, or another attempt has it")
    else:
        logger.info(
            "upload concluded",
            state=outcome.state,
            reason=outcome.reason,
            dataset=outcome.dataset,
            rows_good=outcome.rows_good,
            rows_rejected=outcome.rows_rejected,
        )


def _come_back(record: SQSRecord, delay: int) -> None:
    """Shortens the wait for the next delivery; the queue's own visibility timeout covers a killed function."""
    sqs.change_message_visibility(
        QueueUrl=os.environ["QUEUE_URL"], ReceiptHandle=record.receipt_handle, VisibilityTimeout=delay
    )
