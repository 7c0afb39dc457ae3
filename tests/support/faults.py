"""What cases of the fault suite share: files, and faults."""

from faults.injection import Fault

# One good row, one bad one.
PARTIAL = b"id,email\n1,ann@example.org\nx,bob@example.org\n"
# A result of two parts of 64 KB.
PARTS = b"id,email\n" + b"1,somebody.with.a.name@example.org\n" * 3000
# The SDK makes a request this often before it gives up (clients.py).
GIVES_UP = 4
# The read is refused: what comes after it is what an attempt does that has failed.
REFUSED = Fault("denied", operation="GetObject", times=None)


def once(kind: str, nth: int, operation: str | None = None) -> Fault:
    """A fault that the function notices once: of a time-out, AWS has done what was asked each time."""
    lasts = {"after": True, "times": GIVES_UP} if kind == "timeout" else {}
    return Fault(kind, nth, operation, **lasts)
