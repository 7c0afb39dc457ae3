"""Puts uploads that were lost on the way back on the intake queue, and ends those that nobody else can.

Event: `{}` from the schedule. By hand also `{"min_age_seconds": 0, "max_versions": 1000}`. A run that does not come to
the end of the bucket invokes its own alias with the same event and where to go on, `"cursor"` and `"run"`, and with the
`"pass"` that it is of, as the log's correlation id.
Once in a pass it tells CloudWatch how many datasets are without the uploads that they expect.
Answer: what was found, `{"listed": 1200, "requeued": 3, "ended": 0, "is_complete": true}`.
"""

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.clients import make_client
from sluice.conclusion import Conclusion
from sluice.datasets import Catalogue
from sluice.ledger import Ledger
from sluice.ledger_reader import LedgerReader
from sluice.listing import Cursor, Listing
from sluice.metrics import PROCESS, Meter
from sluice.notify import Notifier
from sluice.overdue import overdue
from sluice.processors import NEEDS
from sluice.queue import IntakeQueue
from sluice.sweep import Sweep

# An event arrives within a minute, and who works on it, 15 minutes at most, holds a lease: what has none is late.
_MIN_AGE = 900
_MAX_VERSIONS = 100_000
# A page takes a second, one that is all spent leases a minute: enough for another page and the next run's start.
_SPARE_MILLISECONDS = 90_000
# What the schedule calls, and all that the role may invoke (templates/sweep.yaml).
_ALIAS = "live"
# A hundred million versions. The listing only goes forward, so a pass ends by itself; this is for the day it does not.
_MAX_RUNS = 1000

logger = Logger(log_uncaught_exceptions=True)
functions = make_client("lambda")
dynamodb = make_client("dynamodb")
ledger = Ledger(dynamodb, os.environ["LEDGER_TABLE"])
reader = LedgerReader(dynamodb, os.environ["LEDGER_TABLE"])
catalogue = Catalogue(Path(__file__).parents[2] / "datasets", NEEDS)
# What it ends is uploads of the process function's.
meter = Meter(os.environ["ENVIRONMENT"], PROCESS)
sweep = Sweep(
    listing=Listing(make_client("s3"), os.environ["UPLOADS_BUCKET"]),
    ledger=ledger,
    queue=IntakeQueue(make_client("sqs"), os.environ["QUEUE_URL"]),
    conclusion=Conclusion(
        catalogue=catalogue,
        ledger=ledger,
        notifier=Notifier(make_client("sns"), os.environ["TOPIC_ARN"]),
        environment=os.environ["ENVIRONMENT"],
        count=meter.conclude,
    ),
    max_tries=int(os.environ["MAX_ATTEMPTS"]),
)


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext) -> dict:
    """One run of a pass through the bucket."""
    run, first = int(event.get("run", 1)), event.get("pass", context.aws_request_id)
    logger.set_correlation_id(first)
    findings = sweep.run(
        Cursor(**event["cursor"]) if "cursor" in event else Cursor.start(),
        min_age=float(event.get("min_age_seconds", _MIN_AGE)),
        max_versions=max(1, int(event.get("max_versions", _MAX_VERSIONS))),
        has_time=lambda: context.get_remaining_time_in_millis() > _SPARE_MILLISECONDS,
    )
    if findings.cursor:
        _continue({**event, "cursor": asdict(findings.cursor), "run": run + 1, "pass": first}, context)
    summary = {
        "listed": findings.listed,
        "requeued": findings.requeued,
        "ended": findings.ended,
        "is_complete": findings.cursor is None,
    }
    logger.info("swept", run=run, **summary)
    if run == 1:
        # Last: where the ledger's index does not answer, uploads are found all the same.
        _tell_overdue()
    return summary


def _tell_overdue() -> None:
    names = overdue(catalogue, reader, datetime.now(UTC))
    if names:
        logger.warning("datasets are overdue", datasets=names)
    meter.overdue(len(names))


def _continue(event: dict, context: LambdaContext) -> None:
    if event["run"] > _MAX_RUNS:
        raise RuntimeError(f"the pass is not complete after {_MAX_RUNS} runs")
    function = context.invoked_function_arn.split(":")[:7]
    functions.invoke(
        FunctionName=":".join([*function, _ALIAS]), InvocationType="Event", Payload=json.dumps(event).encode()
    )
