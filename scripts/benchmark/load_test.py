"""`scripts/bench load-test`: many uploads while requests of the functions fail by chance.

One of twenty requests to AWS fails: with an error of AWS, throttled, with a connection that ends or gives no answer, or
with the death of the function; in every other case once AWS has done what was asked. Events come twice, in any order,
or not at all. A seed gives the same files and events, and the same faults to the nth batch. Once it is over, the
invariant of the fault suite is checked for every upload.

Where something waits, the clock is moved on to then, and the times that are reported count this as if it had been
waited for: what failed for 10 seconds and more, the batch of a function that was killed, and what had no event, for
the sweep. Real time passes as well, so that some messages come back more often than they would, and of those that find
their upload in other hands a few become dead letters, which are redriven.
"""

import collections
import itertools
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults.account import Account
from faults.environment import Function
from faults.injection import Chance
from faults.invariant import check
from local import cloud as local_cloud
from sluice.upload import Upload

UPLOADS, SHARE, SEED = 10_000, 0.05, 2026
# Of the events: come once more, and never come.
_DOUBLED, _LOST = 0.05, 0.01
_WORKERS = 2
# Uploaded before their events are sent.
_WAVE = 50
_PAUSE = 0.02
# Seconds after which what failed comes back (intake.py), the sweep runs (sweep.yaml), and what a killed function had is
# visible again (queue.yaml).
_DELAYS, _SWEEP, _VISIBILITY = (10, 30, 90, 270, 810), 1800, 5400
_PRICES = b"".join(b"ABC,%02d-01-2026,%d.50\n" % (day, 10 + day) for day in range(1, 13))
_PEOPLE = b"id,email\n1,ann@example.org\n2,bob@example.org\n"
# Files by their share: key, bytes, and how they end.
_FILES = (
    (70, "prices/LSE/{}.csv", _PRICES, "SUCCEEDED"),
    (20, "people/{}.csv", _PEOPLE + b"x,eve@example.org\n", "PARTIAL"),
    (5, "people/{}.csv", b"no header\n", "REJECTED"),
    (5, "unclaimed/{}.txt", b"text", "IGNORED"),
)


def measure(*, uploads: int = UPLOADS, share: float = SHARE, seed: int = SEED) -> dict:
    """Runs it; how fast it was, and what was seen. Raises AssertionError where the invariant does not hold, or an
    upload does not end as its file says."""
    with tempfile.TemporaryDirectory() as folder, local_cloud.start() as cloud:
        account = Account(cloud, max_attempts=5, max_receives=8)
        functions = [Function(account.settings, Path(folder) / "log") for _ in range(_WORKERS)]
        try:
            return _Run(account, functions, random.Random(seed), share).run(uploads)  # repeatable  # nosec B311
        finally:
            for function in functions:
                function.close()


class _Run:
    def __init__(self, account: Account, functions: list[Function], chance: random.Random, share: float) -> None:
        self._account, self._functions, self._chance, self._share = account, functions, chance, share
        self._seed = chance.random()
        self._numbers = itertools.count()
        self._receiving = threading.Lock()
        self._ends: collections.Counter[str] = collections.Counter()
        self._uploaded: dict[str, float] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._over = threading.Event()
        # Uploads that had ended before anything waited.
        self._at_once: set[str] = set()
        self._states: dict[Upload, str] = {}

    def run(self, uploads: int) -> dict:
        account, begun = self._account, time.monotonic()
        account.events(False)
        listening = threading.Thread(target=self._listen)
        listening.start()
        with ThreadPoolExecutor(1) as pool:
            uploading = pool.submit(self._upload, uploads)
            self._deliver(uploading.done)
            uploading.result()
        self._at_once = {upload_id for upload_id, _ in list(self._told)}
        self._come_back()
        # What has no message now, or one that stays hidden for as long as its function might work, the sweep finds.
        account.pass_time(_SWEEP, killed=False)
        self._ends["swept"] = account.sweep(self._functions[0]).answer["requeued"]
        self._deliver()
        self._come_back()
        while account.waiting:
            account.pass_time(_VISIBILITY)
            self._deliver()
            self._come_back()
        seconds = time.monotonic() - begun
        self._heal()
        self._over.set()
        listening.join()
        states = check(account)
        assert states == self._states, "not every upload has ended as its file says"
        return self._report(seconds)

    def _come_back(self) -> None:
        """What has failed comes back, later each time, but for what a killed function had."""
        for delay in _DELAYS:
            if self._account.waiting > self._account.killed:
                self._account.pass_time(delay, killed=False)
                self._deliver()

    def _upload(self, count: int) -> None:
        """Uploads files and sends their events: some twice, some never, in any order."""
        weights = [weight for weight, *_ in _FILES]
        for start in range(0, count, _WAVE):
            bodies = []
            for number in range(start, min(start + _WAVE, count)):
                [(_, key, body, state)] = self._chance.choices(_FILES, weights)
                upload = self._account.upload(key.format(number), body)
                self._states[upload] = state
                self._uploaded[upload.id] = self._now()
                lot = self._chance.random()
                bodies += [self._account.message(upload)] * (0 if lot < _LOST else 2 if lot < _LOST + _DOUBLED else 1)
            self._chance.shuffle(bodies)
            self._account.send(*bodies)

    def _deliver(self, is_all: Callable[[], bool] = lambda: True) -> None:
        """All functions take batches until there are none and that is all."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(lambda function: self._work(function, is_all), self._functions))

    def _work(self, function: Function, is_all: Callable[[], bool]) -> None:
        while True:
            last = is_all()
            with self._receiving:
                records = self._account.receive()
                number = next(self._numbers) if records else 0
            if records:
                end = self._account.invoke(function, records, chance=Chance(f"{self._seed} {number}", self._share))
                with self._receiving:
                    self._ends.update(invocations=1, killed=bool(end.signal), requests=len(end.calls))
                    self._ends.update(faults=len(end.struck))
            elif last:
                return
            else:
                time.sleep(_PAUSE)

    def _heal(self) -> None:
        """The sweep finds what had no event, and dead letters are redriven; nothing fails any more."""
        account = self._account
        account.pass_time()
        self._ends["swept"] += account.sweep(self._functions[0]).answer["requeued"]
        account.settle(self._functions[0])
        self._ends["redriven"] = account.redrive()
        account.settle(self._functions[0])

    def _listen(self) -> None:
        """Hears when each upload's end is first told."""
        is_last = False
        while not is_last:
            is_last = self._over.is_set()
            seen = len(self._account.told)
            for document in self._account.listen()[seen:]:
                self._told.setdefault((document["upload_id"], document["state"]), self._now())
            time.sleep(_PAUSE)

    def _now(self) -> float:
        return time.monotonic() + self._account.clock

    def _report(self, seconds: float) -> dict:
        times = {
            upload: self._told[upload.id, state] - self._uploaded[upload.id] for upload, state in self._states.items()
        }
        at_once = [time for upload, time in times.items() if upload.id in self._at_once]
        told = collections.Counter(document["upload_id"] for document in self._account.told)
        return {
            "uploads": len(times),
            **{name: self._ends[name] for name in ("requests", "faults", "invocations", "killed", "swept", "redriven")},
            "told_more_than_once": sum(count > 1 for count in told.values()),
            "states": dict(sorted(collections.Counter(self._states.values()).items())),
            "seconds": round(seconds, 1),
            "uploads_per_second": round(len(times) / seconds, 1),
            "median_seconds": round(statistics.median(times.values()), 1),
            "p99_seconds": _p99(times.values()),
            "ended_at_once": len(at_once),
            "p99_seconds_of_those": _p99(at_once),
        }


def _p99(seconds: Iterable[float]) -> float:
    return round(statistics.quantiles(seconds, n=100)[98], 1)


def table(report: dict) -> str:
    """The report for people."""
    return "\n".join(f"{name.replace('_', ' '):32}{value}" for name, value in report.items())
