"""What processing costs on AWS: requests counted, durations measured, at a table of prices.

Left out: what is stored in S3, DynamoDB and CloudWatch (it grows with how long it is kept), deliveries from the topic
(by who subscribes), the queue's empty receives, KMS (the topic's data keys are reused for minutes), the network between
services, which nothing here can measure, and free tiers.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import yaml

from sluice.cost import PRICES, PRICES_DATE, spent

TEMPLATE = Path(__file__).parents[2] / "templates" / "lambda.yaml"

# A function has one core for each 1,769 MB: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_CORE_MB = 1769
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
_WRITE_UNIT = 1024
# START, END and REPORT of an invocation with their ids, and what CloudWatch adds to each event.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
_INVOCATION_LOG, _EVENT_OVERHEAD = 330, 26


@dataclass(frozen=True)
class Measured:
    """One clean file: seconds of computing on a whole core and of waiting, bytes of its log line and ledger item."""

    cpu_seconds: float
    wait_seconds: float
    log_bytes: float
    item_bytes: int


def small_files(measured: Measured) -> dict:
    """Dollars for a million files that arrive in batches of the mapping's size, by what they are spent on."""
    memory, batch = _function()
    writes = math.ceil(measured.item_bytes / _WRITE_UNIT)
    log_bytes = measured.log_bytes + _EVENT_OVERHEAD + (_INVOCATION_LOG + 3 * _EVENT_OVERHEAD) / batch
    gb_seconds = _gb_seconds(measured.cpu_seconds, measured.wait_seconds, memory)
    one = spent(gb_seconds, objects=1, batch=batch, write_units=writes, log_bytes=log_bytes)
    by = {name: round(dollars * 1e6, 2) for name, dollars in one.items()}
    return {"usd": round(sum(by.values()), 2), "by": by, "memory_mb": memory, "prices": PRICES_DATE}


def large_files(cpu_seconds: float, wait_seconds: float) -> float:
    """Dollars to compute a terabyte in files of a gigabyte, each of so many seconds; its requests cost a cent."""
    memory, _ = _function()
    return round(1000 * _gb_seconds(cpu_seconds, wait_seconds, memory) * PRICES["lambda_arm_gb_second"][0], 2)


def _gb_seconds(cpu_seconds: float, wait_seconds: float, memory: int) -> float:
    """What is billed: computing takes longer where the function has less than a core, waiting does not."""
    return (cpu_seconds / min(1.0, memory / _CORE_MB) + wait_seconds) * memory / 1024


def _function() -> tuple[int, int]:
    """Memory in MB of the function that processes uploads, and how many messages it takes at once."""
    resources = yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader)["Resources"]  # a SafeLoader  # nosec B506
    return resources["Process"]["Properties"]["MemorySize"], resources["ProcessMapping"]["Properties"]["BatchSize"]


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref`, `!Sub`, ...) as nothing."""


_Loader.add_multi_constructor("!", lambda loader, tag, node: None)
