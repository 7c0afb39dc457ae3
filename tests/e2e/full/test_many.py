"""Many small files through the deployed system: each ends once, and is told of once."""

import collections
import concurrent.futures
import statistics
import time

import pytest

from support.deployed import GOOD, counts, items, until

pytestmark = pytest.mark.full

UPLOADERS, SILENCE = 4, 120


# At once they wait for each other; ten a second is what the local cloud keeps up with.
@pytest.mark.parametrize(("pace", "files", "pause"), [("at once", 10_000, 0.0), ("ten a second", 500, 0.1)])
def test_many_small_files_end_exactly_once(deployment, keep, scale, pace, files, pause):
    s3, bucket = deployment.cloud.client("s3"), deployment.outputs()["UploadsBucket"]
    started: dict[str, float] = {}
    seconds: dict[str, float] = {}
    told: collections.Counter[tuple[str, str]] = collections.Counter()
    keys = [f"prices/{pace}/{number}.csv" for number in range(max(int(files * scale), 20))]

    def upload(key: str) -> None:
        started[key] = time.monotonic()
        s3.put_object(Bucket=bucket, Key=key, Body=GOOD)

    def receive() -> None:
        heard = time.monotonic()
        while len(seconds) < len(keys):
            assert time.monotonic() - heard < SILENCE, f"{len(seconds)} of {len(keys)} were told of, then none"
            for message in deployment.receive():
                heard = time.monotonic()
                told[message["key"], message["state"]] += 1
                seconds.setdefault(message["key"], heard - started[message["key"]])

    with concurrent.futures.ThreadPoolExecutor(UPLOADERS + 1) as pool:
        begun = time.monotonic()
        receiving = pool.submit(receive)
        uploads = []
        for key in keys:
            uploads.append(pool.submit(upload, key))
            time.sleep(pause)
        for done in uploads:
            done.result()
        uploaded = time.monotonic() - begun
        receiving.result()
        took = time.monotonic() - begun

    until(lambda: counts(deployment, "IntakeQueueUrl") == 0)
    ledger = {key: item for (key, _), item in items(deployment).items() if key in started}
    assert collections.Counter(item["state"] for item in ledger.values()) == {"SUCCEEDED": len(keys)}
    assert {item["attempt"] for item in ledger.values()} == {"1"}
    assert deployment.receive() == []
    assert told == dict.fromkeys(((key, "SUCCEEDED") for key in keys), 1)
    assert counts(deployment, "DeadLetterQueueUrl") == 0
    row = {
        "files": f"{len(keys):,}",
        "seconds": f"{took:.0f}",
        "files/s": f"{len(keys) / took:.0f}",
        "uploaded within, s": f"{uploaded:.0f}",
        "median from upload to notification, s": f"{statistics.median(seconds.values()):.1f}",
        "99th percentile, s": f"{statistics.quantiles(seconds.values(), n=100)[98]:.1f}",
    }
    keep(f"Many small files through the deployed system, {pace}", [row])
