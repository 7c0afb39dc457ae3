"""The whole handler: `python -m benchmark.ours BUCKET KEY VERSION...` prints one JSON object a version.

Everything is real but the cloud: it reads from the local S3, checks, processes, writes, keeps the ledger and
publishes. `own_seconds` leaves out the time spent sending requests to the cloud and waiting for its answers.
"""

import json
import resource
import sys
import time
from urllib.parse import quote_plus

from botocore.httpsession import URLLib3Session


class Context:
    """What Lambda hands to a handler, as far as ours looks at it."""

    function_name = "process"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:process"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


def main(bucket: str, key: str, versions: list[str]) -> None:
    """Processes the versions one after another, as one warm function would."""
    from sluice.handlers import process

    waited = 0.0
    send = URLLib3Session.send

    def timed(session: URLLib3Session, request: object) -> object:
        nonlocal waited
        started = time.perf_counter()
        try:
            return send(session, request)
        finally:
            waited += time.perf_counter() - started

    URLLib3Session.send = timed
    for number, version in enumerate(versions):
        item = {"key": quote_plus(key), "versionId": version, "sequencer": f"{number:020X}"}
        record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": item}}
        message = {"messageId": "1", "receiptHandle": "1", "body": json.dumps({"Records": [record]})}
        message |= {"attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"}, "eventSource": "aws:sqs"}
        waited = 0.0
        started = time.perf_counter()
        answer = process.handler({"Records": [message]}, Context())
        seconds = time.perf_counter() - started
        if answer["batchItemFailures"]:
            raise SystemExit(f"the handler could not process {key}: see its log")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "own_seconds": seconds - waited, "peak_rss_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
