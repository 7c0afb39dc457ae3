"""Every request that the functions make fails: once, with its effect and without it, and until somebody mends it.

Which requests there are is recorded in a run without faults, so that none can be forgotten.
"""

import pytest

from faults.injection import Fault
from sluice.upload import FINAL_STATES
from support.cases import case
from support.deployed import GOOD
from support.faults import GIVES_UP, PARTIAL, REFUSED

BOTOCORE = "botocore, before or after the request is sent"
NEWER = PARTIAL + b"3,eve@example.org\n"
# What an upload goes through: its key, its bytes, and what fails anyway.
UPLOADS = {
    "partial": ("people/{}.csv", PARTIAL, ()),
    "replaced": ("people/{}.csv", NEWER, ()),
    "refused": ("prices/R/{}.csv", GOOD, (REFUSED,)),
}
# Whose requests are struck, each in turn: those of a first version are among those of one that replaces another.
STRUCK = ["replaced", "refused", "given up"]


@pytest.fixture(scope="module")
def calls(shared_account, function):
    """The requests of each kind of upload, in order, and of an upload's last attempt, which is given up."""
    account, found = shared_account, {}
    account.begin()
    for name, (key, body, faults) in UPLOADS.items():
        if name == "replaced":
            account.upload(key.format("recorded"), PARTIAL)
            account.deliver(function)
        account.upload(key.format("recorded"), body)
        found[name] = account.deliver(function, faults).calls
    account.pass_time()
    found["given up"] = account.deliver(function, [REFUSED]).calls
    account.heal(function)
    return found


def test_the_requests_are_those_that_we_know(calls):
    taken, told = ["UpdateItem", "GetObject"], ["Publish", "UpdateItem"]
    again = ["PutObject", "HeadObject", "PutObject"]
    assert calls == {
        "partial": [*taken, "HeadObject", "PutObject", "PutObject", *told],
        "replaced": [*taken, "HeadObject", *again, *again, *told],
        "refused": [*taken, "UpdateItem", "ChangeMessageVisibility"],
        "given up": [*taken, "UpdateItem", *told, "ChangeMessageVisibility"],
    }


def strike_each(account, function, calls, name: str, fault: dict) -> None:
    """An upload for each request, which the fault strikes."""
    struck = [(kind, number) for kind in STRUCK for number in range(len(calls[kind]))]
    last = [number for kind, number in struck if kind == "given up"]
    for number in last:
        account.upload(f"prices/R/{name}-given-up-{number}.csv", GOOD)
    account.await_events(len(last))
    account.deliver(function, [REFUSED])
    for kind, number in struck:
        if kind == "replaced":
            account.upload(f"people/{name}-{kind}-{number}.csv", PARTIAL)
    account.drain(function)
    account.pass_time()
    # Taken together, or what is FAILED would come back before its neighbour.
    for number, record in zip(last, account.receive(), strict=True):
        account.invoke(function, [record], [Fault(nth=number + 1, **fault), REFUSED])
    for kind, number in struck:
        if kind in UPLOADS:
            key, body, faults = UPLOADS[kind]
            account.upload(key.format(f"{name}-{kind}-{number}"), body)
            account.deliver(function, [Fault(nth=number + 1, **fault), *faults])


def nothing_is_lost(account) -> None:
    """Whatever has not ended has its message still."""
    items = account.items()
    open_ = [upload for upload in account.uploads if items.get(upload, {}).get("state") not in FINAL_STATES]
    dead = len(account.dead())
    assert account.queued() + dead >= len(open_), "an upload has neither its final state nor a message"


@case(
    "the function is killed at every step",
    injected="SIGKILL before each of its requests, for each kind of upload",
    layer="signal, in a process of its own",
    promised="another attempt, when the lease has passed, ends it; a last attempt ends FAILED",
    only="kill",
)
@case(
    "the function is killed just after every step",
    injected="SIGKILL once AWS has answered each of its requests, for each kind of upload",
    layer="signal, in a process of its own",
    promised="the same: what was done is found, and done once",
    only="killed after",
)
@case(
    "the connection of each request ends, until the SDK gives up",
    injected="four connections in a row that are closed, for each request and kind of upload",
    layer=BOTOCORE,
    promised="the attempt fails, the message comes back, the next attempt ends it",
    only="reset",
)
@case(
    "each request is done and its answer is an error",
    injected="AWS does what was asked, the function gets 500 and repeats it, for each request and kind of upload",
    layer=BOTOCORE,
    promised="what was done is found; a notification may be repeated, with the same state",
    only="done, error",
)
@case(
    "each request is done and its answer never comes",
    injected="AWS does what was asked, four times; the function gets time-outs, for each request and kind of upload",
    layer=BOTOCORE,
    promised="the same, in the next attempt",
    only="done, timeout",
)
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("kill", {"kind": "kill"}),
        ("killed after", {"kind": "kill", "after": True}),
        ("done, timeout", {"kind": "timeout", "after": True, "times": GIVES_UP}),
        ("reset", {"kind": "reset", "times": GIVES_UP}),
        ("done, error", {"kind": "error", "after": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_request_once(account, function, calls, name, fault):
    strike_each(account, function, calls, name, fault)
    nothing_is_lost(account)


@case(
    "each request fails once on the side of AWS",
    injected="500 for each request of an invocation, and an answer when it is repeated, for each kind of upload",
    layer=BOTOCORE,
    promised="the SDK repeats it: nobody notices",
    only="error",
)
@case(
    "each request is throttled once",
    injected="the same with each service's own throttling error",
    layer=BOTOCORE,
    promised="the SDK repeats it: nobody notices",
    only="throttle",
)
@pytest.mark.parametrize("kind", ["error", "throttle"])
def test_each_request_is_repeated(account, function, calls, kind):
    for name, (key, body, faults) in UPLOADS.items():
        if name == "replaced":
            account.upload(key.format(f"{kind}-repeated-{name}"), PARTIAL)
            account.deliver(function)
        account.upload(key.format(f"{kind}-repeated-{name}"), body)
        end = account.deliver(function, [*(Fault(kind, nth) for nth in range(1, 2 * len(calls[name]), 2)), *faults])
        assert end.calls == [call for call in calls[name] for _ in range(2)]
        assert len(end.answer["batchItemFailures"]) == (name == "refused")
    nothing_is_lost(account)


# Once it is there, the fault stays, whatever is tried, until the message is a dead letter: the place of a request among
# those of its operation, what fails as well, and where the upload stands by then.
UNTIL_MENDED = {
    "claim": ("UpdateItem", 1, (), ""),
    "read": ("GetObject", 1, (), "FAILED"),
    "look": ("HeadObject", 1, (), "FAILED"),
    "result": ("PutObject", 1, (), "FAILED"),
    "report": ("PutObject", 2, (), "FAILED"),
    "announce": ("Publish", 1, (), "PROCESSING"),
    "record": ("UpdateItem", 2, (), "PROCESSING"),
    "come back": ("ChangeMessageVisibility", 1, (REFUSED,), "FAILED"),
}
_FAILED = "FAILED, announced, a dead letter; redriven"
_STAYS = {"injected": "500 for every such request, whoever makes it, until all attempts and receipts are spent"}


@case(
    "DynamoDB takes no claim",
    **_STAYS,
    layer=BOTOCORE,
    promised="the message becomes a dead letter; the sweep and a redrive process the upload",
    only="claim",
)
@case("S3 gives no file", **_STAYS, layer=BOTOCORE, promised=_FAILED, only="read")
@case("S3 tells of no result", **_STAYS, layer=BOTOCORE, promised=_FAILED, only="look")
@case("S3 takes no result", **_STAYS, layer=BOTOCORE, promised=_FAILED, only="result")
@case(
    "S3 takes the result and no report",
    **_STAYS,
    layer=BOTOCORE,
    promised="FAILED, announced, dead letter; redriven, it finds its result and ends PARTIAL",
    only="report",
)
@case(
    "SNS takes no notification",
    **_STAYS,
    layer=BOTOCORE,
    promised="nothing ends unsaid: it stays PROCESSING, a dead letter, until the sweep can say FAILED; redriven",
    only="announce",
)
@case(
    "DynamoDB takes no final state",
    **_STAYS,
    layer=BOTOCORE,
    promised="the same; what was told of an attempt is not contradicted",
    only="record",
)
@case(
    "SQS does not say when messages come back",
    **_STAYS,
    layer=BOTOCORE,
    promised="they come back when the queue's visibility timeout has passed",
    only="come back",
)
@pytest.mark.parametrize("place", UNTIL_MENDED)
def test_until_somebody_mends_it(account, function, place):
    operation, nth, faults, state = UNTIL_MENDED[place]
    upload = account.upload(f"people/until-{place}.csv", PARTIAL)
    account.await_events(1)

    account.settle(function, [Fault("error", nth, operation, None), *faults])

    assert account.state(upload) == state
    assert len(account.dead()) == 1
    nothing_is_lost(account)


@case(
    "the topic's KMS key is disabled",
    injected="KMSDisabled for every Publish",
    layer="botocore: the local cloud encrypts nothing",
    promised="nothing ends unsaid; when the key is enabled, sweep and redrive bring it to its end",
    only="sns",
)
@case(
    "the buckets' KMS key is disabled",
    injected="KMS.DisabledException for every GetObject",
    layer="botocore: the local cloud encrypts nothing",
    promised="FAILED with that reason, announced, dead letter; redriven when the key is enabled",
    only="s3",
)
@pytest.mark.parametrize("service", ["sns", "s3"])
def test_key_disabled(account, function, service):
    operation = {"sns": "Publish", "s3": "GetObject"}[service]
    upload = account.upload(f"people/kms-{service}.csv", PARTIAL)
    account.await_events(1)

    account.settle(function, [Fault("kms", operation=operation, times=None)])

    item = account.items()[upload]
    assert "disabled" in (item.get("last_error") or item["reason"]).lower()


@case(
    "the connection breaks in the middle of the file",
    injected="half of the body arrives, then the connection ends",
    layer="botocore, the answer's body",
    promised="half a file is never taken for a whole one: the next attempt reads it anew",
    only="reset",
)
@case(
    "the connection ends in the middle of the file as if it were all",
    injected="half of the body arrives, then its end",
    layer="botocore, the answer's body",
    promised="the same: the length that S3 has announced is held against what came",
    only="end",
)
@pytest.mark.parametrize("how", ["reset", "end"])
def test_body_cut(account, function, how):
    upload = account.upload(f"people/cut-{how}.csv", PARTIAL)
    account.deliver(function, [Fault("cut" if how == "reset" else "short", operation="GetObject")])

    item = account.items()[upload]
    assert (item["state"], "last_error" in item) == ("PROCESSING", True)


@case(
    "a whole outage is redriven",
    injected="12 uploads fail for as long as S3 refuses to read, then all dead letters are redriven",
    layer=BOTOCORE,
    promised="12 FAILED are told of, then 12 SUCCEEDED as other attempts; no dead letter is left",
)
def test_full_redrive(account, function):
    for number in range(12):
        account.upload(f"prices/R/outage-{number}.csv", GOOD)
    account.await_events(12)
    account.settle(function, [Fault("throttle", operation="GetObject", times=None)])
    assert len(account.dead()) == 12

    assert account.redrive() == 12
    account.settle(function)

    assert account.dead() == []
    states = sorted(told["state"] for told in account.listen())
    assert states == ["FAILED"] * 12 + ["SUCCEEDED"] * 12
