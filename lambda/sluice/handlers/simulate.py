"""Puts readings of simulated sensors onto the stream.

Event: `{"time": "2026-11-28T10:06:00Z"}`, the schedule's own time, so that a retry puts the same
(https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html). By hand `{}`: now.
Answer: how many readings, `{"records": 60}`.
"""

import os
from datetime import UTC, datetime

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.clients import make_client
from sluice.producer import Producer
from sluice.stream.simulation import simulate

logger = Logger(log_uncaught_exceptions=True)
producer = Producer(make_client("kinesis"), os.environ["STREAM_NAME"])


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext) -> dict:
    """One batch of readings."""
    until = datetime.fromisoformat(event["time"]) if "time" in event else datetime.now(UTC)
    records = simulate(int(os.environ["SENSORS"]), until)
    producer.put(records)
    logger.info("simulated", records=len(records), until=until.isoformat())
    return {"records": len(records)}
