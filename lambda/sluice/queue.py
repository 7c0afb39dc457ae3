"""Messages to the intake queue."""

from collections.abc import Iterable
from typing import Any

from sluice.errors import TransientError
from sluice.events import compose_message
from sluice.upload import Upload

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
_BATCH = 10


class IntakeQueue:
    """The queue that uploads wait in."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def put(self, uploads: Iterable[Upload]) -> None:
        """Puts uploads on the queue; raises TransientError where SQS does not take them all."""
        bodies = [compose_message(upload) for upload in uploads]
        for start in range(0, len(bodies), _BATCH):
            entries = [
                {"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[start : start + _BATCH])
            ]
            answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            if failed := answer.get("Failed"):
                raise TransientError(f"SQS took {len(entries) - len(failed)} of {len(entries)} messages")
