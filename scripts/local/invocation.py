"""What Lambda hands to a handler, where one is called without it; imports nothing that would count in a measurement."""

import json
import time
from urllib.parse import quote_plus


class Context:
    """As far as our handlers look at it.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    function_version = "7"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, function: str = "process", *, seconds: float = 900, memory_mb: int = 1024) -> None:
        """The invocation of a function of that name and memory (MB) begins now and may take so many seconds."""
        self.function_name = function
        self.memory_limit_in_mb = str(memory_mb)
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:111122223333:function:{function}:live"
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._deadline - time.monotonic()) * 1000)


def event(bucket: str, key: str, version: str, *, sequencer: int = 1, size: int = 0) -> dict:
    """One queue message that tells of one upload, of so many bytes."""
    item = {"key": quote_plus(key), "versionId": version, "sequencer": f"{sequencer:020X}", "size": size}
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": item}}
    message = {"messageId": "1", "receiptHandle": "1", "body": json.dumps({"Records": [record]})}
    message |= {"attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"}, "eventSource": "aws:sqs"}
    return {"Records": [message]}
