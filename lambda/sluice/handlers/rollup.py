"""Rolls windows up: minutes to hours to days, of each sensor and of all together.

Event: records of the windows table's stream (tests/events/windows.json), with the keys of what has changed. Whatever is
raised makes Lambda try the batch again, in halves; to roll up twice is to roll up once.
"""

import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.clients import make_client
from sluice.stream.rollups import RollUp
from sluice.stream.windows import Window
from sluice.windows import Windows

logger = Logger(log_uncaught_exceptions=True)
rollup = RollUp(Windows(make_client("dynamodb"), os.environ["WINDOWS_TABLE"]))


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext) -> dict:
    """One batch of changes."""
    # What has expired is gone, and no change of what it was rolled up into.
    keys = [record["dynamodb"]["Keys"] for record in event["Records"] if record["eventName"] != "REMOVE"]
    changed = {Window.from_key(key["period"]["S"], key["sensor"]["S"]) for key in keys}
    logger.info("rolled up", changed=len(changed), windows=rollup.run(changed))
    return {"batchItemFailures": []}
