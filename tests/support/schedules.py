"""Every order and every repetition in which Lambda may call the functions of the stream, as somebody chooses.

By its documentation a Kinesis mapping delivers the records of a shard and partition key in order, those of other keys
beside them (ParallelizationFactor), a batch again after an error, in halves (BisectBatchOnFunctionError), or from the
record on that the function names (ReportBatchItemFailures), and sends it to its on-failure destination once its retries
are spent. It delivers at least once. A function that has timed out for Lambda may still have a request under way: here
its attempt goes on, at any later moment.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zlib import crc32

from local.invocation import Context
from sluice.stream.windows import Window
from support.memory import Memory
from support.readings import Put, batch, discarded, message

RETRIES = 2
MAX_RECEIVES = 2
_running = threading.local()


class Killed(BaseException):
    """The function has no more time, or its machine is gone."""


def pause() -> None:
    """Waits until the attempt that calls this may go on; the step of all adapters (support/memory.py)."""
    if attempt := getattr(_running, "attempt", None):
        attempt.pause()


class Attempt:
    """One invocation, in a thread of its own that runs only while `step` is waiting for it."""

    def __init__(self, call: Callable[[], dict]) -> None:
        self.answer: dict | None = None
        self.done = False
        self._call = call
        self._may_go, self._has_stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._fate: BaseException | None = None
        threading.Thread(target=self._run, daemon=True).start()
        self._has_stopped.acquire()

    def step(self, fate: BaseException | None = None) -> None:
        """Makes the call it stands before, or raises `fate` in its place, and goes on to the next one."""
        self._fate = fate
        self._may_go.release()
        self._has_stopped.acquire()

    def pause(self) -> None:
        self._has_stopped.release()
        self._may_go.acquire()
        if self._fate:
            raise self._fate

    def _run(self) -> None:
        _running.attempt = self
        try:
            self.answer = self._call()
        except (Exception, Killed):  # noqa: BLE001 - for Lambda, an error is an error
            self.answer = None
        self.done = True
        self._has_stopped.release()


@dataclass
class _Flight:
    """An attempt, and what Lambda does with its answer; None where there is none."""

    attempt: Attempt
    ended: Callable[[dict | None], None]


@dataclass
class _Delivery:
    """Records that go to the function together, and how often they may come back."""

    puts: Sequence[Put]
    retries: int = RETRIES


@dataclass
class _Lane:
    """Records that are delivered in order: those of a shard, or a share of its partition keys."""

    puts: list[Put]
    at: int = 0
    waiting: deque[_Delivery] = field(default_factory=deque)
    is_busy: bool = False


@dataclass
class _Shard:
    """A shard of the table's stream: changes that have not been told of."""

    changes: list[Window] = field(default_factory=list)
    is_busy: bool = False


class Schedule:
    """Calls the handlers until nothing is left to do. `choose(n)` takes one of n ways to go on; 0 is the usual one."""

    def __init__(
        self, memory: Memory, stream: Callable, roll_up: Callable, choose: Callable[[int], int]
    ) -> None:
        self._memory, self._stream, self._roll_up, self._choose = memory, stream, roll_up, choose
        self._flights: list[_Flight] = []
        self._lanes: list[_Lane] = []
        self._messages: deque[tuple[str, int]] = deque()
        self._dead: list[str] = []
        # The table's stream has shards as well: what has one partition key is told of in order, others beside it.
        self._shards: list[_Shard] = [_Shard() for _ in range(3)]
        self._told = 0
        self._replay: list[Put] = []

    def put(self, puts: Sequence[Put]) -> None:
        """Starts a mapping on what the stream holds: `puts` in the order of their shards."""
        factor = 1 + self._choose(6) // 4
        for shard in sorted({put.shard for put in puts}):
            lanes = [_Lane([]) for _ in range(factor)]
            for put in puts:
                if put.shard == shard:
                    lanes[crc32(put.partition_key.encode()) % factor].puts.append(put)
            self._lanes += lanes

    def replay(self, puts: Sequence[Put]) -> None:
        """Lets a second mapping start with those records, at any moment."""
        self._replay = list(puts)

    def run(self) -> None:
        """Until everything has been delivered, tried as often as it may be, and rolled up."""
        while options := self._options():
            options[self._choose(len(options))]()

    def redrive(self) -> bool:
        """Puts the dead letters back; False where there are none."""
        letters, self._dead = self._dead, []
        self._messages += [(key, 0) for key in letters]
        return bool(letters)

    def _options(self) -> list[Callable[[], None]]:
        options: list[Callable[[], None]] = [partial(self._advance, flight) for flight in self._flights]
        for lane in self._lanes:
            if not lane.is_busy and (lane.waiting or lane.at < len(lane.puts)):
                options.append(partial(self._deliver, lane))
        if self._messages:
            options.append(self._receive)
        for window in self._memory.windows.changes[self._told :]:
            self._shards[crc32(window.period.encode()) % len(self._shards)].changes.append(window)
        self._told = len(self._memory.windows.changes)
        for shard in self._shards:
            # Not each change by itself, as the mapping waits for more of them.
            if shard.changes and not shard.is_busy and (not options or self._choose(6) == 5):
                options.append(partial(self._tell, shard))
        if self._replay:
            options.append(self._start_replay)
        return options

    def _invoke(self, call: Callable[[], dict], ended: Callable[[dict | None], None]) -> None:
        flight = _Flight(Attempt(call), ended)
        self._flights.append(flight)
        self._settle(flight)

    def _advance(self, flight: _Flight) -> None:
        match self._choose(24):
            case 21:
                flight.attempt.step(Killed())
            case 22:
                flight.attempt.step(ConnectionError("AWS does not answer"))
            case 18 | 19 | 20 | 23:
                # Lambda takes it for dead; it is not.
                ended, flight.ended = flight.ended, lambda answer: None
                ended(None)
                return
            case _:
                flight.attempt.step()
        self._settle(flight)

    def _settle(self, flight: _Flight) -> None:
        if flight.attempt.done:
            self._flights.remove(flight)
            # It has done everything, and Lambda never learns.
            is_lost = self._choose(12) == 11
            flight.ended(None if is_lost else flight.attempt.answer)

    def _deliver(self, lane: _Lane) -> None:
        if not lane.waiting:
            # From a little further back, where how far it had come was forgotten.
            start = max(lane.at - self._choose(3) * self._choose(4), 0)
            lane.at = min(lane.at + 8 - self._choose(6), len(lane.puts))
            lane.waiting.append(_Delivery(lane.puts[start : lane.at]))
        delivery = lane.waiting.popleft()
        lane.is_busy = True
        event = batch(delivery.puts)
        self._invoke(lambda: self._stream(event, Context("stream")), partial(self._delivered, lane, delivery))

    def _delivered(self, lane: _Lane, delivery: _Delivery, answer: dict | None) -> None:
        lane.is_busy = False
        puts = delivery.puts
        if answer is not None:
            failures = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
            if not failures:
                return
            puts = puts[min(at for at, put in enumerate(puts) if put.number in failures) :]
        middle = len(puts) // 2
        if middle and self._choose(2):
            lane.waiting.extendleft(_Delivery(half, delivery.retries) for half in (puts[middle:], puts[:middle]))
        elif delivery.retries:
            lane.waiting.appendleft(_Delivery(puts, delivery.retries - 1))
        else:
            key = f"aws/lambda/mapping/{puts[0].shard}/{len(self._memory.lake.objects)}"
            self._memory.lake.objects[key] = discarded(puts)
            self._messages.append((key, 0))

    def _receive(self) -> None:
        key, receives = self._messages.popleft()
        event = {"Records": [message(self._memory.lake.bucket, key, receives=receives + 1)]}
        self._invoke(lambda: self._stream(event, Context("stream")), partial(self._received, key, receives + 1))

    def _received(self, key: str, receives: int, answer: dict | None) -> None:
        if answer is None or answer["batchItemFailures"]:
            if receives < MAX_RECEIVES:
                self._messages.append((key, receives))
            else:
                self._dead.append(key)

    def _tell(self, shard: _Shard) -> None:
        count = len(shard.changes) - self._choose(len(shard.changes))
        told, shard.changes = shard.changes[:count], shard.changes[count:]
        self._roll(shard, told)

    def _roll(self, shard: _Shard, changed: list[Window]) -> None:
        shard.is_busy = True
        records = [_change(window) for window in changed]
        call = partial(self._roll_up, {"Records": records}, Context("rollup"))
        self._invoke(call, partial(self._rolled, shard, changed))

    def _rolled(self, shard: _Shard, changed: list[Window], answer: dict | None) -> None:
        shard.is_busy = False
        if answer is None:
            self._roll(shard, changed)

    def _start_replay(self) -> None:
        puts, self._replay = self._replay, []
        self.put(puts)


def _change(window: Window) -> dict[str, Any]:
    keys = {"period": {"S": window.period}, "sensor": {"S": window.sensor}}
    return {"eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": {"Keys": keys}}
