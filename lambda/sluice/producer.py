"""Records onto the stream in Kinesis."""

import time
from collections.abc import Sequence
from typing import Any

from sluice.errors import TransientError

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
_BATCH = 500
_TRIES = 6


class Producer:
    """The stream, for whoever writes onto it."""

    def __init__(self, kinesis: Any, stream: str) -> None:
        self._kinesis = kinesis
        self._stream = stream

    def put(self, records: Sequence[tuple[str, str]]) -> None:
        """Puts (partition key, text) onto the stream, those that Kinesis has refused again.

        Raises TransientError where it goes on refusing some.
        """
        for start in range(0, len(records), _BATCH):
            left = [{"PartitionKey": key, "Data": text.encode()} for key, text in records[start : start + _BATCH]]
            for attempt in range(_TRIES):
                answer = self._kinesis.put_records(StreamName=self._stream, Records=left)
                pairs = zip(left, answer["Records"], strict=True)
                left = [record for record, result in pairs if "ErrorCode" in result]
                if not left:
                    break
                time.sleep(0.1 * 2**attempt)
            else:
                raise TransientError(f"Kinesis did not take {len(left)} records")
