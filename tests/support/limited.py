"""One invocation as the function has it, of a process of its own: `python -m support.limited BUCKET KEY SIZE`.

It runs on one core with 900 seconds and no file above 512 MB, and prints what it took as a JSON object. What it may
hold in memory is not limited but measured: a limit of the address space would count what is only mapped.
"""

import json
import os
import resource
import sys
import time

from local.invocation import Context, event

_TIMEOUT, _MEMORY_MB, _SCRATCH_BYTES = 900, 1024, 512 * 2**20


def main(bucket: str, key: str, size: str) -> None:
    """Hands one message to the handler."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SCRATCH_BYTES, _SCRATCH_BYTES))

    from sluice.handlers import process

    message, context = event(bucket, key, "1", size=int(size)), Context(seconds=_TIMEOUT, memory_mb=_MEMORY_MB)
    started = time.perf_counter()
    answer = process.handler(message, context)
    seconds = time.perf_counter() - started
    if answer["batchItemFailures"]:
        raise SystemExit(f"the handler could not process {key}: see its log")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "disk_bytes": _written_to_disk()}))


def _written_to_disk() -> int:
    """Bytes written to files, sockets not among them: https://docs.kernel.org/filesystems/proc.html (3.3)."""
    with open("/proc/self/io", encoding="ascii") as lines:
        return int(dict(line.split(": ") for line in lines)["write_bytes"])


if __name__ == "__main__":
    main(*sys.argv[1:])
