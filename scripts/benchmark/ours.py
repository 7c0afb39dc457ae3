"""The whole handler: `python -m benchmark.ours BUCKET KEY=VERSION...` prints one JSON object an upload.

Everything is real but the cloud: it reads from the local S3, checks, processes, writes, keeps the ledger and
publishes. `seconds` is how long that takes, `cpu_seconds` the processor's time of it, and `own_seconds` leaves out of
that what sending requests and receiving their answers takes.
"""

import json
import resource
import sys
import time

from botocore.httpsession import URLLib3Session

from local.invocation import Context, event

_SECONDS = 300


def main(bucket: str, uploads: list[tuple[str, str]]) -> None:
    """Processes the uploads, each a key and a version, one after another, as one warm function would."""
    from sluice.handlers import process

    sending = 0.0
    send = URLLib3Session.send

    def timed(session: URLLib3Session, request: object) -> object:
        nonlocal sending
        started = time.process_time()
        try:
            return send(session, request)
        finally:
            sending += time.process_time() - started

    URLLib3Session.send = timed
    for number, (key, version) in enumerate(uploads):
        message = event(bucket, key, version, sequencer=number)
        sending = 0.0
        started, cpu_started = time.perf_counter(), time.process_time()
        answer = process.handler(message, Context(seconds=_SECONDS))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        if answer["batchItemFailures"]:
            raise SystemExit(f"the handler could not process {key}: see its log")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        times = {"seconds": seconds, "cpu_seconds": cpu, "own_seconds": cpu - sending}
        print(json.dumps(times | {"peak_rss_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1], [tuple(upload.split("=")) for upload in sys.argv[2:]])
