"""Files on their way through a deployment while something is done to it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from delivery import subscriber
from faults.books import Books, Names
from faults.invariant import check, unreadable
from local.deployment import Deployment
from sluice.upload import FINAL_STATES
from support.deployed import GOOD, until

_PAUSE = 0.1
_PATIENCE = 60


@contextmanager
def flowing(deployment: Deployment, folder: str) -> Iterator[Books]:
    """Uploads a file ten times a second, under prices/<folder>/, until the end of the block; then waits until all have
    ended, and looks whether the invariant holds of them."""
    cloud, outputs = deployment.cloud, deployment.outputs()
    queue, arn = subscriber.create(cloud.client("sqs"), outputs["TopicArn"], f"flow-{folder}")
    made = cloud.client("sns").subscribe(TopicArn=outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
    names = ("UploadsBucket", "ResultsBucket", "LedgerTable", "IntakeQueueUrl", "DeadLetterQueueUrl")
    books = Books(cloud, Names(*(outputs[name] for name in names), queue))
    books.is_shared = True
    # What other tests have left there.
    books.letters = len(unreadable(books.dead()))
    enough = threading.Event()

    def upload() -> None:
        while not enough.wait(_PAUSE):
            books.upload(f"prices/{folder}/{len(books.uploads)}.csv", GOOD)

    uploading = threading.Thread(target=upload)
    uploading.start()
    try:
        yield books
    finally:
        # Some come after what was done as well.
        time.sleep(10 * _PAUSE)
        enough.set()
        uploading.join()
    until(lambda: _ended(books), _PATIENCE)
    check(books)
    cloud.client("sns").unsubscribe(SubscriptionArn=made["SubscriptionArn"])


def _ended(books: Books) -> bool:
    items = books.items()
    return len(items) == len(books.uploads) and all(item["state"] in FINAL_STATES for item in items.values())
