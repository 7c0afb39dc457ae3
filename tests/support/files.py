"""Files of the fault suite."""

import gzip

# One good row, one bad one.
PARTIAL = b"id,email\n1,ann@example.org\nx,bob@example.org\n"
# A result of two parts, from a file that is small.
LARGE = gzip.compress(b"id,email\n" + b"1,somebody.with.a.name@example.org\n" * 260_000, mtime=0)
