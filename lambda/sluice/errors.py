"""The two kinds of failure: one that trying again cannot mend, and one that it may."""

import traceback
from pathlib import Path


class PermanentError(Exception):
    """The upload can never succeed as it is: concluded at once, never retried.

    `state` is the final state it ends in (`REJECTED` or `IGNORED`); the message is the reason people read.
    """

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


class TransientError(Exception):
    """The platform failed, not the file: worth another attempt."""


class OutOfTimeError(Exception):
    """This invocation has too little time left for the upload, a fresh one has enough: no fault, and no attempt."""


class Retry(Exception):
    """The message goes back to the queue, to be received again after `delay` seconds.

    Received too often, the queue moves it to the dead-letter queue.
    """

    def __init__(self, reason: str, delay: int) -> None:
        super().__init__(reason)
        self.delay = delay


class FailedAttempt(Retry):
    """A retry after an attempt that failed, by the platform's fault or the code's: what a release is judged by."""


def cause(error: Exception) -> str:
    """What went wrong, without the text of the file, which an unforeseen exception may well quote."""
    name = type(error).__name__
    if isinstance(error, TransientError) or type(error).__module__.startswith("botocore."):
        return f"{name}: {error}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name} in {Path(place.filename).name}, line {place.lineno}"
