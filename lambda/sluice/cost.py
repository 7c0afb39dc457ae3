"""What an upload costs on AWS, as far as its own processing goes: the time computed and the requests made.

Left out is what nobody knows at that moment, or what is not the upload's: storing, deliveries from the topic, the
queue's empty receives, KMS, the database, what starts and what waits between uploads, and free tiers.
"""

# US East (N. Virginia), on demand, first tier, in USD; looked up in November 2026.
PRICES_DATE = "2026-11"
PRICES = {
    "s3_put": (5.00e-6, "https://aws.amazon.com/s3/pricing/"),
    "s3_get": (0.40e-6, "https://aws.amazon.com/s3/pricing/"),
    "dynamodb_write_unit": (0.625e-6, "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "sqs_request": (0.40e-6, "https://aws.amazon.com/sqs/pricing/"),
    "sns_publish": (0.50e-6, "https://aws.amazon.com/sns/pricing/"),
    "lambda_request": (0.20e-6, "https://aws.amazon.com/lambda/pricing/"),
    "lambda_arm_gb_second": (0.0000133334, "https://aws.amazon.com/lambda/pricing/"),
    "logs_gb": (0.50, "https://aws.amazon.com/cloudwatch/pricing/"),
}
# Of the ledger: the claim, its id in the index of ids, the final state, and that state in the index of what has ended.
_CLAIMS, _ENDINGS = 2, 2
# Of one upload: its line, its metrics, and its share of Lambda's own lines.
_LOG_BYTES = 2000


def upload_cost(gb_seconds: float, *, objects: int, batch: int) -> float:
    """Dollars for one upload that took so many gigabytes of memory times seconds.

    It wrote `objects`, and its message was one of `batch` that were received and deleted together.
    """
    return sum(spent(gb_seconds, objects=objects, batch=batch, write_units=1, log_bytes=_LOG_BYTES).values())


def spent(
    gb_seconds: float, *, objects: int, batch: float, write_units: int, log_bytes: float
) -> dict[str, float]:
    """Dollars for one upload by what they are spent on. Its ledger item takes so many `write_units` to write."""
    counts = {
        "s3_put": objects,
        "s3_get": 1,
        "dynamodb_write_unit": _CLAIMS + _ENDINGS * write_units,
        # S3 sends; a batch is received and deleted at once.
        "sqs_request": 1 + 2 / batch,
        "sns_publish": 1,
        "lambda_request": 1 / batch,
        "lambda_arm_gb_second": gb_seconds,
        "logs_gb": log_bytes / 1e9,
    }
    return {name: count * PRICES[name][0] for name, count in counts.items()}
