"""Looks once a week whether the deployment is still as its templates say, and tells the alert topic where it is not.

Event: `{"stack": "sluice-staging"}`, the root stack; its nested stacks are looked at as well.
Answer: `{"stacks": 11, "drifted": ["Queue/Intake"], "unchecked": []}`.
"""

import os
import time

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice import drift
from sluice.clients import make_client
from sluice.stacks import Stacks

# A stack takes from seconds to a minute.
_PAUSE_SECONDS = 3
# Enough to tell what was found.
_SPARE_MILLISECONDS = 30_000

logger = Logger(log_uncaught_exceptions=True)
cloudformation = make_client("cloudformation")
sns = make_client("sns")


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext) -> dict:
    """One check of all stacks."""
    stacks = Stacks(cloudformation, event["stack"])
    detections, findings = stacks.start(), []
    for path, detection in detections.items():
        while (finding := stacks.finding(path, detection)) is None:
            if context.get_remaining_time_in_millis() < _SPARE_MILLISECONDS:
                raise RuntimeError(f"CloudFormation has not come to the end of {path or event['stack']} in time")
            time.sleep(_PAUSE_SECONDS)
        findings.append(finding)
    told = [finding for finding in findings if finding.drifted or finding.problem]
    if told:
        environment = os.environ["ENVIRONMENT"]
        sns.publish(
            TopicArn=os.environ["TOPIC_ARN"],
            Subject=drift.subject(environment, told),
            Message=drift.text(environment, told),
        )
    summary = {
        "stacks": len(findings),
        "drifted": [one.path for finding in findings for one in finding.drifted],
        "unchecked": [finding.path for finding in findings if finding.problem],
    }
    logger.info("drift checked", **summary)
    return summary
