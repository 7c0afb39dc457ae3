"""The exit codes of `scripts/sluice`, and the error that ends a command with one of them."""

from sluice.upload import FAILED, IGNORED, PARTIAL, PROCESSING, REJECTED, SUCCEEDED

DONE = 0
"""What was asked for is done; of uploads, every row is good."""
NOT_DONE = 1
"""AWS or the deployment did not do it: an error, findings, or an upload that is `FAILED`."""
USAGE = 2
"""The command line asks for nothing that can be done."""
INTERRUPTED = 130
"""Ctrl-C, as shells have it."""

# From the best to the worst.
_OF_STATES = {SUCCEEDED: DONE, PARTIAL: 3, IGNORED: 4, REJECTED: 5, PROCESSING: 6, FAILED: NOT_DONE}

EPILOG = (
    "Exit codes: 0 done; 1 AWS did not do it, an upload FAILED, or doctor has findings; 2 wrong command line; of "
    "uploads also 3 PARTIAL, 4 IGNORED, 5 REJECTED, 6 still PROCESSING when the time was over, by the worst of them; "
    "130 interrupted."
)


RIGHTS = "Use credentials that may read the deployment's stacks, ledger, buckets, queues, topics, logs and metrics"
"""What to do where AWS says that somebody may not do something."""


class CommandError(Exception):
    """A command is not done; the message says why and what to do next, `code` is its exit code."""

    def __init__(self, message: str, code: int = NOT_DONE) -> None:
        super().__init__(message)
        self.code = code


def of_states(states: list[str]) -> int:
    """The exit code of uploads in these states, by the worst one. `PROCESSING` is one that was not waited for."""
    worst = max(states, key=list(_OF_STATES).index, default=SUCCEEDED)
    return _OF_STATES[worst]
