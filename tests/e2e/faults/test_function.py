"""Functions that are killed, out of time, of memory or of disk, whose clocks are wrong, or that are replaced."""

import gzip
import shutil

import pytest

from faults.environment import CODE, Function, Limits
from faults.injection import Fault
from support.cases import case
from support.deployed import GOOD
from support.faults import PARTS, once

PEOPLE = b"id,email\n1,ann@example.org\nx,bob@example.org\n3,eve@example.org\n"
PROCESS = "signal, in a process of its own"


@case(
    "the function is killed in every attempt",
    injected="SIGKILL at its GetObject, each time",
    layer=PROCESS,
    promised="FAILED, announced by whoever comes next, a dead letter; redriven, it succeeds",
)
def test_killed_each_time(account, function):
    upload = account.upload("prices/F/killed.csv", GOOD)
    account.await_events(1)
    account.settle(function, [Fault("kill", operation="GetObject", times=None)])

    assert "the function was killed" in account.items()[upload]["reason"]
    assert len(account.dead()) == 1


@case(
    "the function is killed in its last attempt and no message is left",
    injected="SIGKILL at its GetObject in each attempt, then the queue is purged",
    layer=f"{PROCESS}, the queue",
    promised="the sweep ends it as FAILED, and announces it; another sweep changes nothing",
)
def test_killed_and_forgotten(account, function):
    upload = account.upload("prices/F/forgotten.csv", GOOD)
    for _ in range(2):
        account.deliver(function, [Fault("kill", operation="GetObject")])
        account.pass_time()
    account.sqs.purge_queue(QueueUrl=account.names.queue)

    assert account.sweep(function).answer["ended"] == 1
    assert account.sweep(function).answer["ended"] == 0
    assert [(told["state"], told["attempt"]) for told in account.listen()] == [("FAILED", 3)]
    assert account.state(upload) == "FAILED"


@case(
    "the function is killed in the middle of a batch",
    injected="SIGKILL at the sixth upload of ten",
    layer=PROCESS,
    promised="five are done and stay so, one is in its second attempt next time, four in their first",
)
def test_killed_in_a_batch(account, function):
    for number in range(10):
        account.upload(f"prices/F/batch-{number}.csv", GOOD)
    account.await_events(10)
    account.deliver(function, [Fault("kill", 6, "GetObject")])
    account.pass_time()
    account.settle(function)

    assert sorted(told["attempt"] for told in account.listen()) == [1] * 9 + [2]


@case(
    "the function reaches its timeout",
    injected="S3 never answers; the process is killed when its time is up",
    layer="the answer of S3 in botocore; the kill is that of Lambda",
    promised="the next attempt ends it",
)
def test_timeout(account, function):
    account.upload("prices/F/timeout.csv", GOOD)
    end = account.deliver(function, [Fault("hang", operation="GetObject")], limits=Limits(killed_after=0.3))
    assert end.signal == 9
    account.pass_time()
    account.settle(function)

    assert [told["attempt"] for told in account.listen()] == [2]


@case(
    "an invocation has too little time left",
    injected="less than a minute is left when a message's turn comes, in each of its receipts",
    layer="the invocation's deadline",
    promised="it comes back without having made an attempt; in its last receipt, a new message takes its place",
)
def test_too_little_time(account, function):
    account.upload("prices/F/late.csv", GOOD)
    for _ in range(4):
        end = account.deliver(function, limits=Limits(looks=1, left=59))
        assert end.calls == ["ChangeMessageVisibility"]
    end = account.deliver(function, limits=Limits(looks=1, left=59))
    assert end.calls[-1] == "SendMessageBatch"
    account.deliver(function)

    assert [told["state"] for told in account.listen()] == ["SUCCEEDED"]
    assert account.dead() == []


@case(
    "a file takes longer than an invocation may",
    injected="the invocation's time is up in the middle of the file",
    layer="the invocation's deadline",
    promised="REJECTED before the deadline, and the reason says how far it came; no second attempt",
)
def test_slow_file(account, function):
    upload = account.upload("people/slow.csv", PEOPLE + b"4,dan@example.org\n" * 200_000)
    account.deliver(function, limits=Limits(looks=8, left=29))

    assert account.state(upload) == "REJECTED"
    assert "cannot be processed in the 15 minutes" in account.items()[upload]["reason"]


@case(
    "the function runs out of memory",
    injected="4 MB of address space beside what it has, in every attempt; a file of 9 MB of result",
    layer="rlimit (RLIMIT_AS); where Lambda kills instead, see the kills",
    promised="FAILED and a dead letter, whose reason says so; with memory, a redrive succeeds",
)
def test_out_of_memory(account, function):
    rows = b"1,somebody.with.a.name@example.org\n" * 260_000
    upload = account.upload("people/memory.csv", gzip.compress(b"id,email\n" + rows))
    account.await_events(1)
    account.settle(function, limits=Limits(memory=4 << 20))

    assert account.state(upload) == "FAILED"
    assert "MemoryError" in account.items()[upload]["reason"]


@pytest.fixture
def released(account, releases, tmp_path):
    """Makes a function of changed code: a release."""

    def release(*changes: tuple[str, str, str]) -> Function:
        code = tmp_path / f"release-{len(releases)}"
        shutil.copytree(CODE, code, ignore=shutil.ignore_patterns("__pycache__"))
        for name, old, new in changes:
            text = (code / name).read_text(encoding="utf-8")
            assert old in text
            (code / name).write_text(text.replace(old, new), encoding="utf-8")
        releases.append(Function(account.settings, tmp_path / "log", code))
        return releases[-1]

    return release


PARQUET = ("datasets/people.yaml", "sluice:format: csv\nsluice:result: people/{name}.csv\n", "")


@case(
    "/tmp is full",
    injected="no file may grow beyond 0 bytes, in every attempt; a dataset whose result is Parquet, which takes /tmp",
    layer="rlimit (RLIMIT_FSIZE), in the place of a disk that is full",
    promised="FAILED and a dead letter, whose reason says so; in an environment with room, a redrive succeeds",
)
def test_disk_full(account, released):
    upload = account.upload("people/disk.csv", PEOPLE)
    account.await_events(1)
    account.settle(released(PARQUET), limits=Limits(file_size=0))

    assert account.state(upload) == "FAILED"
    assert "FileNotFoundError in tempfile.py" in account.items()[upload]["reason"]


@case(
    "a function's clock is an hour ahead",
    injected="it takes a lease for expired that is none, and works at the same upload",
    layer="the clock of the process",
    promised="the first one is fenced off; the states that were told do not differ for any attempt",
)
def test_clock_ahead(account, function, paused):
    upload = account.upload("people/ahead.csv", PEOPLE)
    first = paused("PutObject")
    account.send(account.message(upload))
    account.deliver(function, skew=3600)
    assert account.state(upload) == "PARTIAL"
    first.go_on()

    assert account.items()[upload]["attempt"] == "2"


@case(
    "a function's clock is an hour behind",
    injected="its lease has expired when it is taken, and another function works at the same upload",
    layer="the clock of the process",
    promised="the same",
)
def test_clock_behind(account, function, paused):
    upload = account.upload("people/behind.csv", PEOPLE)
    first = paused("PutObject", skew=-3600)
    account.send(account.message(upload))
    account.deliver(function)
    first.go_on()

    assert (account.state(upload), account.items()[upload]["attempt"]) == ("PARTIAL", "2")


@case(
    "a function that was taken for dead comes back",
    injected="it waits before each of its writes until its lease has passed and another attempt has ended",
    layer="its request waits",
    promised="it changes nothing any more; its message comes back and finds the final state",
)
@pytest.mark.parametrize(("operation", "nth"), [("GetObject", 1), ("PutObject", 1), ("Publish", 1), ("UpdateItem", 2)])
def test_zombie(account, function, paused, operation, nth):
    upload = account.upload(f"people/zombie-{operation}.csv", PEOPLE)
    zombie = paused(operation, nth)
    account.pass_time()
    account.deliver(function)
    before = account.items()[upload]
    zombie.go_on()

    assert account.items()[upload] == before
    assert before["attempt"] == "2"


@case(
    "a descriptor changes between two attempts",
    injected="killed once the result is written; the next attempt is made by a release with another rule",
    layer=f"{PROCESS}, the released code",
    promised="result, report, ledger and notification are of the attempt that ended",
)
def test_descriptor_changed(account, function, released):
    upload = account.upload("people/changed.csv", PEOPLE)
    account.deliver(function, [Fault("kill", operation="Publish")])
    stricter = released(("datasets/people.yaml", "required: true, maxLength: 254", "required: true, pattern: 'a.*'"))
    account.pass_time()
    account.settle(stricter)

    item = account.items()[upload]
    assert (item["state"], item["rows_good"], item["attempt"]) == ("PARTIAL", "1", "2")
    assert account.stored("people/changed.csv")[0] == b"id,email\n1,ann@example.org\n"


@case(
    "a function of the release before comes back after a deploy",
    injected="it waits before it writes its result until a new release has ended the upload, with another result",
    layer="its request waits; the released code",
    promised="the result that the ledger names stays",
)
def test_zombie_of_an_older_release(account, paused, released):
    upload = account.upload("people/older.csv", PEOPLE)
    zombie = paused("PutObject")
    account.pass_time()
    account.deliver(
        released(("datasets/people.yaml", "required: true, maxLength: 254", "required: true, pattern: 'a.*'"))
    )
    zombie.go_on()

    assert account.state(upload) == "PARTIAL"
    assert account.stored("people/older.csv")[0] == b"id,email\n1,ann@example.org\n"


@pytest.fixture(scope="module")
def calls_in_parts(shared_account, parts_function):
    shared_account.begin()
    shared_account.upload("people/parts.csv", PARTS)
    return shared_account.deliver(parts_function).calls


@case(
    "the function is killed while it writes a result in parts",
    injected="SIGKILL before each request of a multipart upload",
    layer=PROCESS,
    promised="the next attempt writes it anew; the parts are dropped by the bucket's lifecycle after seven days",
    only="kill",
)
@case(
    "a result in parts is refused",
    injected="403 for each request of a multipart upload",
    layer="botocore",
    promised="the upload in parts is aborted, the next attempt writes it anew",
    only="denied",
)
@case(
    "a result in parts is written and the answer never comes",
    injected="S3 does what was asked, the function gets time-outs, for each request of a multipart upload",
    layer="botocore",
    promised="the next attempt finds what is there, and nothing is written twice over something newer",
    only="timeout",
)
@pytest.mark.parametrize("kind", ["kill", "denied", "timeout"])
def test_parts(account, parts_function, releases, calls_in_parts, kind):
    releases.append(parts_function)
    begun = calls_in_parts.index("CreateMultipartUpload")
    places = range(begun, calls_in_parts.index("CompleteMultipartUpload") + 1)
    for place in places:
        account.upload(f"people/parts-{kind}-{place}.csv", PARTS)
        account.deliver(parts_function, [once(kind, place + 1)])
    if kind == "denied":
        assert account.parts() == []
    account.heal(parts_function)
    account.expire_parts()
    assert len(calls_in_parts) == 9 and len(places) == 5


@pytest.mark.parametrize("kind", ["kill", "denied", "timeout"])
@case(
    "the sweep is killed at every step",
    injected="SIGKILL before each of its requests",
    layer=PROCESS,
    promised="the next sweep does what is left; nothing is lost or told twice with two states",
    only="kill",
)
@case(
    "each request of the sweep is refused",
    injected="403 for each request, that which starts its next run included",
    layer="botocore",
    promised="the same",
    only="denied",
)
@case(
    "each request of the sweep is done and its answer never comes",
    injected="AWS does what was asked, four times; the sweep gets time-outs",
    layer="botocore",
    promised="the same; uploads that are put on the queue twice are processed once",
    only="timeout",
)
def test_sweep(account, function, kind):
    account.events(False)
    sites = [("ListObjectVersions", 1), ("BatchGetItem", 1), ("SendMessageBatch", 1), ("UpdateItem", 1)]
    sites += [("Publish", 1), ("UpdateItem", 2), ("Invoke", 1)]
    for operation, nth in sites:
        account.upload(f"prices/F/{kind}-{operation}-{nth}-lost.csv", GOOD)
        spent = account.upload(f"prices/F/{kind}-{operation}-{nth}-spent.csv", GOOD)
        account.spend(spent)
        account.pass_time()
        event = {"max_versions": 1} if operation == "Invoke" else {}
        end = account.sweep(function, [once(kind, nth, operation)], **event)
        assert end.answer is None, f"{operation} was not reached: {end}"
    account.events(True)
    account.await_events(1)
