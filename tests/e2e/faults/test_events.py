"""Events that come twice, in the wrong order, late or never, and objects that change while they are processed."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from faults.injection import Fault
from support.cases import case
from support.deployed import GOOD

PEOPLE = b"id,email\n1,ann@example.org\n2,bob@example.org\n"
QUEUE = "messages on the queue"
BUCKET = "the object itself, between two requests of the function"


@pytest.fixture
def no_events(account):
    account.events(False)
    yield
    account.events(True)
    # Its test event, which S3 sends when it is told to send any.
    account.await_events(1)


@case(
    "an event is duplicated, in its batch and later",
    injected="five more messages for one upload",
    layer=QUEUE,
    promised="one attempt, one notification",
)
def test_duplicates(account, function):
    upload = account.upload("prices/E/duplicated.csv", GOOD)
    account.send(*[account.message(upload)] * 3)
    account.await_events(4)
    account.settle(function)
    account.send(*[account.message(upload)] * 2)
    account.settle(function)

    assert [(told["attempt"], told["state"]) for told in account.listen()] == [(1, "SUCCEEDED")]


@case(
    "events of two versions arrive in the wrong order",
    injected="the newer version's message is delivered first",
    layer=QUEUE,
    promised="the newer one's result stays, the older one ends IGNORED, superseded",
)
def test_reordered(account, function, no_events):
    old, new = (account.upload("people/reordered.csv", PEOPLE + line) for line in (b"3,old@x.org\n", b"3,new@x.org\n"))
    account.send(account.message(new, "0002"))
    account.deliver(function)
    account.send(account.message(old, "0001"))
    account.deliver(function)

    assert (account.state(old), account.state(new)) == ("IGNORED", "SUCCEEDED")
    assert b"new@x.org" in account.stored("people/reordered.csv")[0]


@case(
    "events of two versions arrive at the same moment, in two functions",
    injected="both functions have read before either writes",
    layer="the older version's request waits",
    promised="the newer one's result stays",
)
def test_two_versions_at_once(account, function, paused, no_events):
    old, new = (account.upload("people/at-once.csv", PEOPLE + line) for line in (b"3,old@x.org\n", b"3,new@x.org\n"))
    account.send(account.message(old, "0001"))
    waiting = paused("PutObject")
    account.send(account.message(new, "0002"))
    account.deliver(function)
    waiting.go_on()

    assert (account.state(old), account.state(new)) == ("IGNORED", "SUCCEEDED")


@case(
    "an event is delayed until after the sweep",
    injected="the message is sent once the sweep has put the upload on the queue and it has ended",
    layer=QUEUE,
    promised="one attempt, one notification",
)
def test_delayed(account, function, no_events):
    upload = account.upload("prices/E/delayed.csv", GOOD)
    account.pass_time()
    assert account.sweep(function).answer["requeued"] == 1
    account.settle(function)
    account.send(account.message(upload))
    account.settle(function)

    assert [(told["attempt"], told["state"]) for told in account.listen()] == [(1, "SUCCEEDED")]


@case(
    "an event is lost",
    injected="the bucket tells nobody of new objects",
    layer="the bucket's notification configuration",
    promised="the next sweep finds each upload that is 15 minutes old, and no younger one",
)
def test_lost(account, function, no_events):
    lost = [account.upload(f"prices/E/lost-{number}.csv", GOOD) for number in range(12)]
    assert account.sweep(function).answer["requeued"] == 0
    account.pass_time()
    assert account.sweep(function).answer["requeued"] == len(lost)
    account.settle(function)

    assert {account.state(upload) for upload in lost} == {"SUCCEEDED"}


@case(
    "the queue is purged",
    injected="all messages are deleted, one of them while its function has been killed",
    layer=QUEUE,
    promised="the sweep puts every upload that has not ended on the queue",
)
def test_purged(account, function):
    uploads = [account.upload(f"prices/E/purged-{number}.csv", GOOD) for number in range(3)]
    account.await_events(3)
    account.deliver(function, [Fault("kill", operation="PutObject")], count=1)
    account.sqs.purge_queue(QueueUrl=account.names.queue)
    account.pass_time()
    assert account.sweep(function).answer["requeued"] == 3
    account.settle(function)

    assert {account.state(upload) for upload in uploads} == {"SUCCEEDED"}


@case(
    "an object is overwritten while it is processed",
    injected="a newer version is uploaded and processed while the function waits between reading and writing",
    layer=BUCKET,
    promised="exactly the version that was uploaded is read; the newer one's result stays",
)
def test_overwritten(account, function, paused):
    old = account.upload("people/overwritten.csv", PEOPLE)
    waiting = paused("PutObject")
    new = account.upload("people/overwritten.csv", PEOPLE + b"3,new@example.org\n")
    account.deliver(function)
    waiting.go_on()

    assert (account.state(old), account.state(new)) == ("IGNORED", "SUCCEEDED")


@case(
    "an object's version is deleted before it is read",
    injected="it is deleted while the function waits before its GetObject",
    layer=BUCKET,
    promised="IGNORED, and the reason says so",
)
def test_deleted(account, paused):
    upload = account.upload("people/deleted.csv", PEOPLE)
    waiting = paused("GetObject")
    account.s3.delete_object(Bucket="uploads", Key=upload.key, VersionId=upload.version_id)
    waiting.go_on()

    assert account.state(upload) == "IGNORED"
    assert [told["reason"] for told in account.listen()] == ["this version was deleted before it could be read"]


@case(
    "an object is deleted while it is processed, its versions stay",
    injected="a delete marker is put while the function waits before its GetObject",
    layer=BUCKET,
    promised="SUCCEEDED: the version is read, whatever is the newest",
)
def test_delete_marker(account, paused):
    upload = account.upload("people/marked.csv", PEOPLE)
    waiting = paused("GetObject")
    account.s3.delete_object(Bucket="uploads", Key=upload.key)
    waiting.go_on()

    assert account.state(upload) == "SUCCEEDED"


POISON = [" ", "poison", "{}", "[" * 100_000, '{"Records": [{"eventName": "ObjectRemoved:Delete"}]}', "null"]
MALFORMED = [
    {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "uploads"}, "object": {"key": "people/%FF.csv"}}},
    {"eventName": "ObjectCreated:Put", "s3": {"bucket": {}, "object": {"key": "people/a.csv"}}},
    {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "uploads"}, "object": {"key": 1, "size": "x"}}},
    {"eventName": None},
    {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": 5}, "object": {"key": "people/a.csv"}}},
    {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "uploads"}, "object": {"key": "people/a.csv", "size": float("inf")}},
    },
    {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "uploads"}, "object": {"key": "people/\ud800.csv", "versionId": None}},
    },
]


@case(
    "poison messages stand between good ones",
    injected="six messages that are no event of S3",
    layer=QUEUE,
    promised="they alone go to the dead-letter queue, the others are processed once",
)
def test_poison(account, function):
    uploads = [account.upload(f"prices/E/poison-{number}.csv", GOOD) for number in range(4)]
    account.send(*POISON)
    account.letters = len(POISON)
    account.await_events(len(uploads) + account.letters)
    account.settle(function)

    assert {account.state(upload) for upload in uploads} == {"SUCCEEDED"}
    assert sorted(account.dead()) == sorted(POISON)


@case(
    "an event of S3 is malformed",
    injected="keys and versions that are no UTF-8, or no text, numbers that are none, records without bucket or name",
    layer=QUEUE,
    promised="the message goes to the dead-letter queue, where somebody can look at it, and takes no other one there",
)
def test_malformed(account, function, no_events):
    upload = account.upload("prices/E/among.csv", GOOD)
    bodies = [json.dumps({"Records": [record]}) for record in MALFORMED]
    account.send(*bodies)
    account.letters = len(bodies)
    account.send(account.message(upload))
    end = account.deliver(function)

    assert len(end.answer["batchItemFailures"]) == len(bodies)
    assert account.state(upload) == "SUCCEEDED"
    account.pass_time()
    account.settle(function)
    assert sorted(account.dead()) == sorted(bodies)


@case(
    "S3 sends its test event",
    injected="the notification is configured anew",
    layer="the bucket's notification configuration",
    promised="it is noted as IGNORED and announced to nobody",
)
def test_test_event(account, function):
    account.events(True)
    end = account.deliver(function)

    assert (end.calls, end.answer) == (["UpdateItem"], {"batchItemFailures": []})
    key = {"upload_key": {"S": "uploads/"}, "version_id": {"S": "s3:TestEvent"}}
    item = account.dynamodb.get_item(TableName=account.names.ledger, Key=key)["Item"]
    assert item["state"]["S"] == "IGNORED"
    assert account.listen() == []


@case(
    "a message tells of two uploads, one of which must come back",
    injected="one message of two records, the first one's GetObject refused once",
    layer="botocore",
    promised="the other one is processed once, the first one in its second attempt",
)
def test_two_records(account, function, no_events):
    uploads = [account.upload(f"prices/E/{name}.csv", GOOD) for name in ("first", "second")]
    records = [json.loads(account.message(upload))["Records"][0] for upload in uploads]
    account.send(json.dumps({"Records": records}))
    account.deliver(function, [Fault("denied", operation="GetObject")])
    assert [account.state(upload) for upload in uploads] == ["PROCESSING", "SUCCEEDED"]
    account.pass_time()
    account.settle(function)

    attempts = {told["key"]: told["attempt"] for told in account.listen()}
    assert attempts == {"prices/E/first.csv": 2, "prices/E/second.csv": 1}


@case(
    "no dataset claims a key",
    injected="an upload under a key of no dataset",
    layer="the object itself",
    promised="IGNORED, and the notification says which datasets there are",
)
def test_unknown_dataset(account, function):
    upload = account.upload("minutes/board.txt", b"text")
    account.await_events(1)
    account.settle(function)

    assert account.state(upload) == "IGNORED"
    [told] = account.listen()
    assert "people" in told["reason"] and "prices" in told["reason"]


@case(
    "two functions get one upload at the same moment",
    injected="a duplicate is delivered to another function while the first waits, claim in hand",
    layer="the first one's request waits",
    promised="one works, the other's message comes back and finds the final state; one notification",
)
def test_two_functions(account, function, paused):
    upload = account.upload("prices/E/two.csv", GOOD)
    waiting = paused("GetObject")
    account.send(account.message(upload))
    end = account.deliver(function)
    assert end.calls == ["UpdateItem", "ChangeMessageVisibility"]
    waiting.go_on()
    account.pass_time()
    account.settle(function)

    assert [told["attempt"] for told in account.listen()] == [1]


@case(
    "many functions get many duplicates at once",
    injected="twenty uploads, three messages each, shuffled over two functions that run at the same time",
    layer=QUEUE,
    promised="each is processed once",
)
def test_concurrent_duplicates(account, function, another):
    uploads = [account.upload(f"prices/E/many-{number}.csv", GOOD) for number in range(20)]
    account.await_events(20)
    account.send(*[account.message(upload) for upload in [*uploads[10:], *uploads[:10], *uploads[::-1]]])
    batches = iter(lambda: account.receive(), [])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: account.invoke([function, another][one[0] % 2], one[1]), enumerate(batches)))
    account.pass_time()
    account.settle(function)

    assert sorted(told["key"] for told in account.listen()) == sorted(upload.key for upload in uploads)
