"""SQS: a message that was accepted is not lost."""

import functools
import threading
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


PATCHES = (no_lost_messages,)
