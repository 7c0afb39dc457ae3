"""The time of one invocation: what can be processed in it, known from a file's size before the file is read."""

import math
from collections.abc import Callable, Iterable, Iterator

from sluice.errors import OutOfTimeError, PermanentError, TransientError
from sluice.upload import REJECTED

# Memory with which a function has one whole core; with less it has that share of one, and we use no second one.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_FULL_CORE_MB = 1769
# What the process function is given (templates/lambda.yaml): for those who have to know before it is invoked.
_PROCESS_SECONDS, _PROCESS_MB = 900, 1024
# Bytes a second of a whole core, with and without a fast path; measured were 90 million and more, and 2.2 million
# (docs/adr/0011-time.md says where, and why so far below).
_FAST, _SLOW = 10_000_000, 2_000_000
# What compressed text grows to when it is read: known only afterwards, so assumed. Parquet is compressed as well.
_EXPANSION = 5
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1")
# Seconds before the end at which reading stops, so that there is time to commit, announce and record, retries included.
_STOP = 30.0
# Seconds to be left when the estimate is through: more than those, since an estimate is one.
ROOM = 60.0
# The same in a fresh invocation, where it decides for good: whatever passes here must find its room when it is tried.
_FRESH = 90.0


class Invocation:
    """How much time an invocation had when it began, how much it has left, and how fast its share of a core is.

    `clock` gives the seconds left, `memory_mb` is the function's memory. Made once, when the invocation begins.
    """

    def __init__(self, clock: Callable[[], float], memory_mb: int) -> None:
        self._clock = clock
        self._whole = clock()
        self._progress = ""
        self._begun_fresh = False
        self._share = min(memory_mb / _FULL_CORE_MB, 1.0)

    @property
    def remaining(self) -> float:
        """Seconds left."""
        return self._clock()

    def limit(self, *, is_fast: bool, is_compressed: bool = False) -> float:
        """Bytes that a file may have to be finished by a fresh invocation; `is_fast` where it has a fast path."""
        return self._rate(is_fast, is_compressed) * max(self._whole - _FRESH, 0.0)

    def within(self, chunks: Iterable[bytes], size: int, is_fast: bool) -> Iterator[bytes]:
        """The chunks of a file of `size` bytes, for as long as there is time.

        Before the first one, raises PermanentError (`REJECTED`) where no invocation could finish the file, and
        OutOfTimeError where a fresh one could. Later, raises what `check_time` does.
        """
        received = 0
        for chunk in chunks:
            if not received:
                self._begun_fresh = self._whole - self.remaining < ROOM
                self._admit(size, is_fast, chunk.startswith(_COMPRESSED))
            self._progress = f"{received:,} of {size:,} bytes"
            self.check_time()
            received += len(chunk)
            yield chunk

    def check_time(self) -> None:
        """Raises where time is nearly up, since an estimate may be wrong and a little data may hold much.

        That is PermanentError (`REJECTED`) where the file had all the time that any has, else TransientError.
        """
        if self.remaining >= _STOP:
            return
        if self._begun_fresh:
            minutes = f"{self._whole / 60:.0f} minutes"
            reason = f"the file cannot be processed in the {minutes} there are: they were up after {self._progress}"
            raise PermanentError(REJECTED, f"{reason}; split it and upload the parts")
        raise TransientError(f"ran out of time after {self._progress}")

    def _admit(self, size: int, is_fast: bool, is_compressed: bool) -> None:
        limit = self.limit(is_fast=is_fast, is_compressed=is_compressed)
        if size > limit:
            kind = "a compressed file" if is_compressed else "a file"
            # Rounded down: a file of the size that is named must pass.
            most = math.floor(limit / 1e7) / 100
            raise PermanentError(
                REJECTED,
                f"the file has {size / 1e9:.2f} GB, and {kind} of this dataset can be processed in time up to "
                f"{most:.2f} GB: split it and upload the parts",
            )
        if size / self._rate(is_fast, is_compressed) > self.remaining - ROOM:
            raise OutOfTimeError("this invocation has too little time left for a file of this size")

    def _rate(self, is_fast: bool, is_compressed: bool) -> float:
        return (_FAST if is_fast else _SLOW) * self._share / (_EXPANSION if is_compressed else 1)


def size_limit(*, is_fast: bool, is_compressed: bool) -> int:
    """Bytes that a file may have to be processed in time, `is_fast` where its dataset has a fast path."""
    fresh = Invocation(lambda: float(_PROCESS_SECONDS), _PROCESS_MB)
    return math.floor(fresh.limit(is_fast=is_fast, is_compressed=is_compressed))
