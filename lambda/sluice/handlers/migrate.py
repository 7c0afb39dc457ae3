"""Makes schema, user and tables of the database what the release's datasets ask for, before the release gets uploads.

Event: a request of CloudFormation for a custom resource
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html). Whatever happens, one response
goes to its `ResponseURL`: SUCCESS, or FAILED with the reason, which the stack's events then show.
"""

import json
import os
import time
import urllib.request
from pathlib import Path

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.clients import make_client
from sluice.database import patiently, read_secret
from sluice.datasets import Catalogue
from sluice.errors import TransientError
from sluice.load.migration import MigrationError
from sluice.processors import NEEDS
from sluice.schema import migrate

# The same for ever, or CloudFormation would take an update for a replacement and delete what is replaced.
_RESOURCE = "migration"
# CloudFormation takes 4,096 bytes in all.
_REASON_LIMIT = 2000
_ATTEMPTS = 4

logger = Logger(log_uncaught_exceptions=True)
secrets = make_client("secretsmanager")


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext) -> None:
    """Answers one request; to delete is to do nothing, since rows outlive a release."""
    status, reason = "SUCCESS", ""
    try:
        if event["RequestType"] != "Delete":
            logger.info("migrated", changes=_migrate())
    except (MigrationError, TransientError) as error:
        status, reason = "FAILED", str(error)
        logger.exception("not migrated")
    except Exception as error:
        # Its text may be anything, a secret's included.
        status, reason = "FAILED", f"{type(error).__name__}: see the log of the migrate function"
        logger.exception("not migrated")
    _respond(event, status, reason)


def _migrate() -> list[str]:
    account = read_secret(secrets, os.environ["DATABASE_SECRET"])
    master = read_secret(secrets, os.environ["MASTER_SECRET"])
    datasets = list(Catalogue(Path(__file__).parents[2] / "datasets", NEEDS))
    return patiently(lambda: migrate(master, account, datasets))


def _respond(event: dict, status: str, reason: str) -> None:
    known = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body = known | {"Status": status, "Reason": reason[:_REASON_LIMIT], "PhysicalResourceId": _RESOURCE}
    # Without a content type, as the URL is signed.
    headers = {"Content-Type": ""}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(body).encode(), headers, method="PUT")
    for left in reversed(range(_ATTEMPTS)):
        try:
            # The URL is CloudFormation's own, over HTTPS.
            with urllib.request.urlopen(request, timeout=10):  # nosec B310
                return
        except OSError:
            if not left:
                raise
            time.sleep(1)
