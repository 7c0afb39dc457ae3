"""Gives the user that rows are loaded by a new password, in four calls.

Event: `{"Step": "createSecret", "SecretId": "arn:...", "ClientRequestToken": "..."}` from Secrets Manager.
"""

import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.clients import make_client
from sluice.database import patiently
from sluice.rotation import Rotation

logger = Logger(log_uncaught_exceptions=True)
secrets = make_client("secretsmanager")


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext) -> None:
    """One step of a rotation; where it fails, Secrets Manager calls again."""
    step = event["Step"]
    rotation = Rotation(secrets, event["SecretId"], os.environ["MASTER_SECRET"], event["ClientRequestToken"])
    patiently(lambda: rotation.step(step))
    logger.info("step done", step=step, secret=event["SecretId"])
