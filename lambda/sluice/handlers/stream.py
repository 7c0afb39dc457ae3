"""Takes batches of readings in, from the stream and from what Lambda has let go of.

Event: records of one shard of the stream (tests/events/kinesis.json), or SQS messages, each with an S3 event
notification of a batch that Lambda has discarded (tests/events/discarded.json is such an object).
Answer: `{"batchItemFailures": [...]}`: the record that Lambda goes on from
(https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html), or the messages that must
come back.
"""

import os
from pathlib import Path

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from sluice.clients import make_client
from sluice.datasets import Catalogue
from sluice.errors import cause
from sluice.events import TEST_EVENT, UnreadableMessageError, parse_message
from sluice.lake import Lake
from sluice.ledger import Ledger
from sluice.metrics import STREAM, Meter
from sluice.notify import Notifier
from sluice.processors import NEEDS
from sluice.stream.intake import StreamIntake
from sluice.stream.readings import DATASET
from sluice.stream.records import Record, UnreadableBatchError, parse_discarded, parse_records
from sluice.tracing import subsegment
from sluice.upload import Upload
from sluice.windows import Windows

logger = Logger(log_uncaught_exceptions=True)
dynamodb = make_client("dynamodb")
lake = Lake(make_client("s3"), os.environ["LAKE_BUCKET"])
meter = Meter(os.environ["ENVIRONMENT"], STREAM)
intake = StreamIntake(
    dataset=Catalogue(Path(__file__).parents[2] / "datasets", NEEDS)[DATASET],
    lake=lake,
    windows=Windows(dynamodb, os.environ["WINDOWS_TABLE"]),
    ledger=Ledger(dynamodb, os.environ["LEDGER_TABLE"]),
    notifier=Notifier(make_client("sns"), os.environ["TOPIC_ARN"]),
    environment=os.environ["ENVIRONMENT"],
    count=meter.conclude,
)


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext) -> dict:
    """One batch of the stream, or one of messages."""
    meter.receive(int(context.memory_limit_in_mb), len(event["Records"]))
    if event["Records"][0]["eventSource"] == "aws:sqs":
        failed = [record["messageId"] for record in event["Records"] if not _accept_message(record)]
    else:
        failed = _accept_batch(parse_records(event))
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def _accept_batch(records: list[Record]) -> list[str]:
    """Whatever is raised here makes Lambda try the batch again, in halves."""
    # The same in each attempt that begins with this record.
    logger.set_correlation_id(records[0].source + "/" + records[0].sequence)
    meter.begin()
    with subsegment("batch", annotations={"shard": records[0].shard, "first": records[0].sequence}):
        unchecked = intake.accept(records)
    if unchecked is None:
        logger.info("batch completed", shard=records[0].shard, first=records[0].sequence, records=len(records))
        return []
    meter.fail()
    logger.error(
        "a record could not be checked",
        reason=cause(unchecked.failure),
        source=unchecked.record.source,
        sequence=unchecked.record.sequence,
    )
    return [unchecked.record.sequence]


def _accept_message(message: dict) -> bool:
    """Completes the discarded batches that a message tells of; False where it must come back.

    What ends `FAILED` comes back as well, until the queue has moved its message to the dead-letter queue.
    """
    # The same each time that the message is delivered, and in the dead-letter queue.
    logger.set_correlation_id(message["messageId"])
    try:
        uploads = parse_message(message["body"])
    except UnreadableMessageError as error:
        logger.error("unreadable message", reason=str(error))
        return False
    is_last = int(message["attributes"]["ApproximateReceiveCount"]) >= int(os.environ["MAX_RECEIVES"])
    accepted = [_accept_discarded(upload, is_last) for upload in uploads if upload.version_id != TEST_EVENT]
    return all(accepted)


def _accept_discarded(upload: Upload, is_last: bool) -> bool:
    try:
        records = parse_discarded(lake.get(upload.key))
    except UnreadableBatchError as error:
        logger.error("unreadable batch", reason=str(error), key=upload.key)
        return False
    except (ClientError, BotoCoreError):
        logger.exception("the discarded batch could not be read", key=upload.key)
        return False
    meter.begin()
    try:
        with subsegment("batch", annotations={"shard": records[0].shard, "first": records[0].sequence}):
            intake.accept_discarded(records)
    except Exception as error:  # noqa: BLE001 - its text may be that of a record; the message comes back
        logger.error("the discarded batch could not be completed", reason=cause(error), key=upload.key)
        if is_last:
            _give_up(records, error)
        else:
            meter.fail()
        return False
    logger.info("discarded batch completed", key=upload.key, records=len(records))
    return True


def _give_up(records: list[Record], error: Exception) -> None:
    try:
        intake.give_up(records, error)
    except Exception:
        logger.exception("the batch has failed, and that could not be said: its message is dead-lettered all the same")
