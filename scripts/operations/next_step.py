"""What somebody does about an upload, by the state that it is in."""

import shlex

from sluice.ledger_reader import Entry
from sluice.upload import PARTIAL


def next_step(entry: Entry, *, has_errors: bool = False) -> str:
    """In words, with the command; empty where there is nothing to do.

    `has_errors`: the row errors are shown already.
    """
    name = shlex.quote(entry.upload.key)
    match entry.state:
        case "PARTIAL" | "REJECTED":
            advice = f"correct the {'rows' if entry.state == PARTIAL else 'file'}, then upload it again"
            more = f": `scripts/sluice errors {name}` shows every error"
            return advice + (more if entry.error_report and not has_errors else "")
        case "FAILED":
            return (
                f"`scripts/sluice logs {name}` shows the cause; when it is gone, `scripts/sluice redrive --key {name}` "
                "tries it again"
            )
        case "IGNORED":
            return "if it was meant to be processed, upload it under a key that a dataset claims"
        case "PROCESSING" if entry.reason:
            return f"it is tried again by itself; `scripts/sluice logs {name}` shows what went wrong so far"
    return ""
