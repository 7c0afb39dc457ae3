"""Every place in the code that makes requests: each is reached by a journey, and fails in it.

The places are read from the code itself, so that a new one without a journey fails a test.
"""

from collections.abc import Callable

import pytest

from faults.account import Account
from faults.environment import Function, Limits
from faults.injection import Fault
from support.cases import case
from support.deployed import GOOD
from support.faults import PARTIAL, PARTS, REFUSED
from support.sites import entry, sites

BOTOCORE = "botocore, in the place of the answer"
LATE = Limits(looks=1, left=59)


def upload(account: Account, function: Function, key: str, body: bytes, *faults: Fault) -> None:
    """Uploads a file and delivers its message until it comes back no more."""
    account.upload(key, body)
    account.await_events(1)
    account.settle(function, faults)


def partial(account: Account, function: Function, name: str) -> None:
    """A file with a bad row."""
    upload(account, function, f"people/site-{name}.csv", PARTIAL)


def replaced(account: Account, function: Function, name: str) -> None:
    """A newer version of a file."""
    partial(account, function, name)
    upload(account, function, f"people/site-{name}.csv", PARTIAL + b"3,eve@example.org\n")


def in_parts(account: Account, function: Function, name: str) -> None:
    """A result in parts."""
    upload(account, function, f"people/site-{name}.csv", PARTS)


def aborted(account: Account, function: Function, name: str) -> None:
    """A result in parts, whose end is refused."""
    refused = Fault("denied", operation="CompleteMultipartUpload", times=None)
    upload(account, function, f"people/site-{name}.csv", PARTS, refused)


def redriven(account: Account, function: Function, name: str) -> None:
    """A file that cannot be read until its dead letter is redriven."""
    upload(account, function, f"prices/S/{name}.csv", GOOD, REFUSED)
    account.redrive()
    account.settle(function)


def spent(account: Account, function: Function, name: str) -> None:
    """A message of an upload whose function was killed in its last attempt."""
    account.spend(account.upload(f"prices/S/{name}.csv", GOOD))
    account.await_events(1)
    account.settle(function)


def late(account: Account, function: Function, name: str) -> None:
    """A message that finds too little time in each of its receipts."""
    account.upload(f"prices/S/{name}.csv", GOOD)
    for _ in range(int(account.settings["MAX_RECEIVES"])):
        account.deliver(function, limits=LATE)
        account.pass_time()
    account.settle(function)


def told_of_tests(account: Account, function: Function, name: str) -> None:
    """S3's test event."""
    account.events(True)
    account.await_events(1)
    account.settle(function)


def swept(account: Account, function: Function, name: str) -> None:
    """Uploads that only the sweep knows of, in a run that is through and in one that is not."""
    account.events(False)
    account.upload(f"prices/S/{name}-lost.csv", GOOD)
    account.spend(account.upload(f"prices/S/{name}-spent.csv", GOOD))
    account.pass_time()
    account.sweep(function)
    account.sweep(function, max_versions=1)
    account.settle(function)
    account.events(True)
    account.await_events(1)


def unreadable(account: Account, function: Function, name: str) -> None:
    """A message of no upload."""
    account.send(name)
    account.letters += 1
    account.settle(function)


JOURNEYS = [partial, replaced, redriven, spent, late, told_of_tests, swept, in_parts, aborted, unreadable]
# Where it is shown instead, or why there is no request.
ELSEWHERE = {
    ("read_secret", "get_secret_value"): "test_database.py",
    ("LedgerReader.page", "_query"): "unit/sluice/test_sweep.py: no dataset of ours expects uploads",
    ("LedgerReader._query", "query"): "the same",
    ("ResultWriter.commit", "_send_part"): "the upload in parts has begun by then, and a thread sends the part",
    ("Ledger.record", "_update"): "the function's that reads the stream",
    ("LedgerReader.find", "_query"): "the API's",
    ("LedgerReader.find", "_get"): "the API's",
    ("LedgerReader.get", "_get"): "the API's",
    ("LedgerReader._get", "get_item"): "the API's",
    ("LedgerReader.versions", "_query"): "the API's",
}


@pytest.fixture(scope="module")
def ways(shared_account, parts_function) -> dict[tuple[str, ...], Callable]:
    """The ways through the code by which requests are made (End.places), and the first journey that takes each."""
    account, found = shared_account, {}
    for journey in JOURNEYS:
        account.begin()
        journey(account, parts_function, f"recorded-{journey.__name__}")
        for way in account.ways:
            found.setdefault(way, journey)
        account.heal(parts_function)
        account.expire_parts()
    return found


def test_every_place_that_makes_requests_is_reached(ways):
    places = {place for way in ways for place in way}
    known = sites("sluice.handlers.process", "sluice.handlers.sweep")
    missing = [site for site in known if not any(map(site.covers, places))]

    assert len(known) > len(ELSEWHERE)
    assert sorted((site.function, site.called) for site in missing) == sorted(ELSEWHERE), "each needs a journey"


def entries(ways: dict[tuple[str, ...], Callable]) -> dict[str, Callable]:
    """Each place by which requests enter an adapter, and the first journey that does."""
    found: dict[str, Callable] = {}
    for way, journey in ways.items():
        found.setdefault(entry(way), journey)
    return found


@case(
    "each request is refused once",
    injected="403 at each place in the code that makes requests, of the sweep as well: the SDK does not repeat it",
    layer=BOTOCORE,
    promised="the attempt fails, the message comes back, the next attempt or sweep ends it",
    only="denied",
)
@case(
    "the function is killed on ways that few uploads go",
    injected="SIGKILL at each place in the code that makes requests for what was redriven, has spent its attempts, "
    "lacks time, or is S3's test event",
    layer="signal, in a process of its own",
    promised="another attempt ends it",
    only="kill",
)
@pytest.mark.parametrize(
    ("kind", "elsewhere"),
    [
        # By test_parts, which strikes each request of a result in parts.
        ("denied", [in_parts, aborted]),
        # By the tests that kill a function before each of its requests, a sweep as well.
        ("kill", [in_parts, aborted, partial, replaced, swept]),
    ],
    ids=["denied", "kill"],
)
def test_each_place_once(account, parts_function, releases, ways, kind, elsewhere):
    releases.append(parts_function)
    for number, (place, journey) in enumerate(entries(ways).items()):
        if journey not in elsewhere:
            account.outage = (Fault(kind, at=place),)
            journey(account, parts_function, f"{kind}-{number}")


@case(
    "each service fails for as long as it takes",
    injected="500 at each place in the code that makes requests, whoever makes them, until all attempts and receipts "
    "are spent",
    layer=BOTOCORE,
    promised="what has not ended has its message, a dead letter or the sweep, which bring it to its end afterwards",
    only="error",
)
@case(
    "each service throttles for as long as it takes",
    injected="the same with each service's own throttling error",
    layer=BOTOCORE,
    promised="the same",
    only="throttle",
)
@pytest.mark.parametrize(
    ("kind", "elsewhere"),
    # By test_until_somebody_mends_it.
    [("error", [partial]), ("throttle", [])],
    ids=["error", "throttle"],
)
def test_each_place_until_somebody_mends_it(account, parts_function, releases, ways, kind, elsewhere):
    releases.append(parts_function)
    for number, (place, journey) in enumerate(entries(ways).items()):
        if journey not in elsewhere:
            account.outage = (Fault(kind, at=place, times=None),)
            journey(account, parts_function, f"{kind}-{number}")
    account.outage = ()
    account.heal(parts_function)
    account.expire_parts()
