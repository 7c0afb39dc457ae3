"""What the fault suite shares: an account in a local cloud, and the functions' code in processes of its own."""

import concurrent.futures
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.account import Account
from faults.environment import CODE, End, Function
from faults.injection import Fault
from faults.invariant import check
from local import cloud as local_cloud


@pytest.fixture(scope="session")
def shared_account() -> Iterator[Account]:
    with local_cloud.start() as cloud:
        yield Account(cloud)


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the functions write what they print."""
    return tmp_path_factory.mktemp("log") / "log"


@pytest.fixture(scope="session")
def function(shared_account: Account, log: Path) -> Iterator[Function]:
    with Function(shared_account.settings, log) as function:
        yield function


@pytest.fixture(scope="session")
def another(shared_account: Account, log: Path) -> Iterator[Function]:
    """A second one, that works at the same time."""
    with Function(shared_account.settings, log) as function:
        yield function


@pytest.fixture(scope="session")
def parts_function(shared_account: Account, log: Path) -> Iterator[Function]:
    """One whose results in parts have parts of 64 KB, so that small files have such results."""
    with Function(shared_account.settings, log, part_size=64 << 10) as function:
        yield function


@pytest.fixture
def releases() -> Iterator[list[Function]]:
    """What a case releases, in order; those that were made for it alone are ended with it."""
    functions: list[Function] = []
    yield functions
    for function in functions:
        if function.code != CODE:
            function.close()


@pytest.fixture
def account(shared_account: Account, function: Function, releases: list[Function]) -> Iterator[Account]:
    """An account of which nothing is known yet. However a case has gone, each of its faults has happened and is gone
    now, and once everything has been done that is done then, the invariant holds."""
    shared_account.begin()
    yield shared_account
    shared_account.outage = ()
    never = shared_account.armed - shared_account.struck
    assert not never, f"these faults were to strike, and never did: {never}"
    for upload in shared_account.uploads:
        # The local cloud does not list what is no text of XML; S3 does, encoded, as the SDK asks it to.
        if re.search("[\0-\x1f\x7f\ufffe\uffff]", upload.key):
            shared_account.s3.delete_object(Bucket=upload.bucket, Key=upload.key, VersionId=upload.version_id)
    newest = [function, *releases][-1]
    shared_account.heal(newest)
    check(shared_account, newest.code)


class Paused:
    """An invocation that waits at a request, in a thread of its own, until it is told to go on."""

    def __init__(self, run: Callable[[list[Fault]], End], gate: Path, fault: Callable[[str], Fault]) -> None:
        self._gate = gate
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._end = self._pool.submit(run, [fault(str(gate))])
        deadline = time.monotonic() + 10
        while not gate.with_suffix(".reached").exists():
            if time.monotonic() > deadline or self._end.done():
                raise AssertionError(f"it has not come to this request: {self.go_on()}")
            time.sleep(0.01)

    def go_on(self) -> End:
        self._gate.touch()
        self._pool.shutdown()
        return self._end.result()


@pytest.fixture
def paused(account: Account, another: Function, tmp_path: Path) -> Iterator[Callable[..., Paused]]:
    """Begins an invocation with the next batch of the queue, which waits before (or after) its nth request."""

    def begin(operation: str, nth: int = 1, *, after: bool = False, **how: object) -> Paused:
        account.await_events(1)
        records = account.receive()
        begun.append(
            Paused(
                lambda faults: account.invoke(another, records, faults, **how),
                tmp_path / f"{operation}-{nth}",
                lambda gate: Fault("wait", nth, operation, after=after, gate=gate),
            )
        )
        return begun[-1]

    begun: list[Paused] = []
    yield begin
    # A case that has failed must leave none that waits.
    for invocation in begun:
        invocation.go_on()
