"""The dead-letter queue."""

from typing import Any

from sluice.events import UnreadableMessageError, parse_message

# Long enough to look through the queue once, message by message; then those that stay are shown again.
_HIDDEN_SECONDS = 300
# Without waiting, SQS asks only some of its servers:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
_WAIT_SECONDS = 1


class DeadLetters:
    """The queue of uploads that could not be processed."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def remove(self, upload_ids: set[str]) -> int:
        """Removes the messages that tell of these uploads and no others, and says how many."""
        kept, removed = [], 0
        try:
            while messages := self._receive():
                for message in messages:
                    if _tells_of(message["Body"], upload_ids):
                        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                        removed += 1
                    else:
                        kept.append(message["ReceiptHandle"])
        finally:
            for handle in kept:
                self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0)
        return removed

    def _receive(self) -> list[dict]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=_HIDDEN_SECONDS, WaitTimeSeconds=_WAIT_SECONDS
        )
        return answer.get("Messages", [])


def _tells_of(body: str, upload_ids: set[str]) -> bool:
    try:
        told = parse_message(body)
    except UnreadableMessageError:
        return False
    return bool(told) and upload_ids.issuperset(upload.id for upload in told)
