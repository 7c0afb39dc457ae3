"""SQS: a message that was accepted is not lost, and a dead letter comes back."""

import contextlib
import functools
import threading
import uuid
from pathlib import Path

from ministack.services import eventbridge, s3, sns, sqs


def no_lost_messages(folder: Path) -> None:
    """Sending to a queue while it is read or swept keeps the message.

    Stock: reading, deleting and the dead-letter sweep build a new list of messages and
    put it in place of the old one, while notifications are appended to the old one from
    other threads; an append in between is lost.
    AWS: standard queues deliver a message at least once.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html
    """
    lock = sqs._queues_lock = threading.RLock()

    def locked(function):
        @functools.wraps(function)
        def call(*arguments, **options):
            with lock:
                return function(*arguments, **options)
        return call

    for module, names in {
        sqs: ("_dlq_sweep", "_expire_retained", "_collect_msgs", "_act_send_message",
              "_act_delete_message", "_act_delete_message_batch"),
        s3: ("_deliver_event_to_sqs",),
        sns: ("_deliver_to_sqs",),
        eventbridge: ("_dispatch_to_sqs",),
    }.items():
        for name in names:
            original = getattr(module, name)
            setattr(module, name, locked(original))
            for action, handler in sqs._HANDLERS.items():
                if handler is original:
                    sqs._HANDLERS[action] = getattr(module, name)


def message_moves(folder: Path) -> None:
    """A dead-letter queue can be redriven.

    Stock: StartMessageMoveTask is unknown.
    AWS: without a destination it moves the messages back to the queues they came from, as new messages with an id of
    their own that nobody has received yet.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """
    def start(data, url):
        queue = sqs._queue_by_arn(data.get("SourceArn", ""))
        if queue is None:
            raise sqs._Err("ResourceNotFoundException", "The resource that you specified for SourceArn doesn't exist.")
        kept, moving = [], []
        with getattr(sqs, "_queues_lock", contextlib.nullcontext()):
            for message in queue["messages"]:
                source = message["sys"].get("DeadLetterQueueSourceArn", "")
                target = sqs._queue_by_arn(data.get("DestinationArn") or source)
                (kept if target is None else moving).append((target, message))
            queue["messages"] = [message for _, message in kept]
        for target, message in moving:
            sqs._act_send_message({"MessageBody": message["body"]}, target["url"])
        return {"TaskHandle": str(uuid.uuid4())}

    sqs._HANDLERS["StartMessageMoveTask"] = start


PATCHES = (no_lost_messages, message_moves)
