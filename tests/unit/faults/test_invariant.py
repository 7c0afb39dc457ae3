"""The invariant of the fault suite sees each breach: books that are in order, and then are not."""

import copy
import hashlib

import pytest

from faults.invariant import InvariantError, check
from sluice.events import compose_message
from sluice.upload import Upload
from support.deployed import GOOD
from support.faults import PARTIAL

FIRST, NEWER = (Upload("uploads", "people/staff.csv", version, len(PARTIAL)) for version in ("1", "2"))
FAILED = Upload("uploads", "prices/LSE/a.csv", "1", len(GOOD))
RESULT = b"id,email\n1,ann@example.org\n"
REPORT = b'{"row": 3, "error": "type-error"}\n'


def stored(key: str, version: str, data: bytes) -> dict:
    """An object as the ledger names it."""
    return {"uri": f"s3://results/{key}", "version_id": version, "sha256": hashlib.sha256(data).hexdigest()}


def processed(version: str) -> dict:
    """The item of a version of the file."""
    counts = {"rows_good": "1", "rows_rejected": "1", "rows_blank": "0"}
    objects = {"result": stored(FIRST.key, version, RESULT)}
    objects["error_report"] = stored(f"{FIRST.key}.errors.jsonl", version, REPORT)
    return {"state": "PARTIAL", "reason": "1 of 2", "attempt": "1", "dataset": "people", **counts, **objects}


def told_of(upload: Upload, item: dict) -> dict:
    """The notification that says what the ledger says."""
    counts = {name: int(item[name]) for name in ("attempt", "rows_good", "rows_rejected")}
    uris = {name: item[name] and item[name]["uri"] for name in ("result", "error_report")}
    said = {name: item[name] for name in ("state", "reason", "dataset")}
    return {"upload_id": upload.id, "key": upload.key, **said, **counts, **uris}


class FakeBooks:
    """Books in memory, in order: two versions of a file with a bad row, and an upload that has FAILED."""

    def __init__(self) -> None:
        self.uploads = {FIRST: PARTIAL, NEWER: PARTIAL, FAILED: GOOD}
        failed = {"state": "FAILED", "reason": "gave up", "attempt": "3", "dataset": "prices"}
        failed |= {"rows_good": "0", "rows_rejected": "0", "rows_blank": "0", "result": None, "error_report": None}
        self.ledger = {FIRST: processed("1"), NEWER: processed("2"), FAILED: failed}
        self.told = [told_of(upload, item) for upload, item in self.ledger.items()]
        self.objects = {}
        for upload in (FIRST, NEWER):
            key, metadata = upload.key, {"upload-id": upload.id}
            for version in (upload.version_id, None):
                self.objects[key, version] = RESULT, metadata
                self.objects[f"{key}.errors.jsonl", version] = REPORT, metadata
        self.letters, self.tables, self.is_shared = 1, (), False
        self.messages, self.unfinished = 0, []
        self.dead_letters = ["poison", compose_message(FAILED)]

    def items(self) -> dict:
        return copy.deepcopy(self.ledger)

    def listen(self) -> list[dict]:
        return self.told

    def stored(self, key: str, version: str | None = None) -> tuple[bytes, dict]:
        return self.objects[key, version]

    def parts(self) -> list[str]:
        return self.unfinished

    def queued(self) -> int:
        return self.messages

    def dead(self) -> list[str]:
        return self.dead_letters


def test_books_in_order_give_the_states():
    assert check(FakeBooks()) == {FIRST: "PARTIAL", NEWER: "PARTIAL", FAILED: "FAILED"}


def replace(books: FakeBooks, key: str, data: bytes, upload: Upload) -> None:
    """Writes an object over the newest one."""
    books.objects[key, None] = books.objects[key, "2"] = data, {"upload-id": upload.id}


OTHER = b"id,email\n2,bob@example.org\n"
BREACHES = {
    "the ledger does not know it": lambda books: books.ledger.pop(FIRST),
    "it is PROCESSING": lambda books: books.ledger[FIRST].update(state="PROCESSING"),
    "a lease": lambda books: books.ledger[FIRST].update(lease_until="0"),
    "was never told": lambda books: books.told.pop(0),
    "attempt 3 was told as": lambda books: books.told.append({**books.told[2], "state": "REJECTED"}),
    "told gave up, written for another reason": lambda books: books.ledger[FAILED].update(reason="for another reason"),
    "told 1, written 2": lambda books: books.ledger[FIRST].update(rows_good="2"),
    "its result was told as": lambda books: books.told[0].update(result=None),
    "its error_report was told as": lambda books: books.told[0].update(error_report=None),
    "told of, and never uploaded": lambda books: books.told.append({**books.told[0], "upload_id": "another"}),
    "and has a result": lambda books: books.ledger[FAILED].update(result=stored(FIRST.key, "2", RESULT)),
    "are not 2 lines": lambda books: books.ledger[FIRST].update(rows_blank="1"),
    "not the checksum": lambda books: replace(books, FIRST.key, OTHER, NEWER),
    "without faults": lambda books: (
        replace(books, FIRST.key, OTHER, NEWER),
        books.ledger[NEWER].update(result=stored(FIRST.key, "2", OTHER)),
    ),
    "bad rows, and the report is None": lambda books: books.ledger[FIRST].update(error_report=None),
    "the report names 0 of 1": lambda books: replace(books, f"{FIRST.key}.errors.jsonl", b"", NEWER),
    "not the result of the newest version": lambda books: books.objects.update(
        {(FIRST.key, None): (RESULT, {"upload-id": FIRST.id})}
    ),
    "not the result that the ledger names": lambda books: books.objects.update(
        {(FIRST.key, None): (OTHER, {"upload-id": NEWER.id})}
    ),
    "1 messages are in the queue": lambda books: setattr(books, "messages", 1),
    "a multipart upload is not finished": lambda books: books.unfinished.append("a"),
    "a dead letter of no FAILED upload": lambda books: books.dead_letters.append(compose_message(FIRST)),
    "2 dead letters name no upload, of 1": lambda books: books.dead_letters.append("{}"),
    "0 dead letters name no upload, of 1": lambda books: books.dead_letters.remove("poison"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_each_breach_is_seen(breach):
    books = FakeBooks()
    BREACHES[breach](books)

    with pytest.raises(InvariantError, match=breach):
        check(books)


def test_where_others_upload_too_what_becomes_of_theirs_is_no_breach():
    books, other = FakeBooks(), Upload("uploads", "people/other.csv", "1", 1)
    books.is_shared = True
    books.told.append({**books.told[0], "upload_id": other.id})
    books.dead_letters.append(compose_message(other))

    check(books)

    books.dead_letters.append(compose_message(FIRST))
    with pytest.raises(InvariantError, match="a dead letter of no FAILED upload"):
        check(books)


def test_rows_that_are_loaded_add_up():
    books = FakeBooks()
    books.tables = ("people",)
    for upload in (FIRST, NEWER):
        books.ledger[upload] |= {"result": None, "inserted": "1", "updated": "0", "duplicates": "0"}
    for document in books.told:
        document["result"] = None
    check(books)

    books.ledger[FIRST]["duplicates"] = "1"
    with pytest.raises(InvariantError, match="loaded of 1 good rows"):
        check(books)
