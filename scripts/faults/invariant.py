"""What holds of uploads once everything has ended, whatever has failed on the way."""

import hashlib
import json
from pathlib import Path

from faults.books import Books
from faults.environment import CODE
from sluice.contract.check import Check
from sluice.contract.compression import decompress
from sluice.contract.descriptor import Dataset
from sluice.datasets import Catalogue
from sluice.events import UnreadableMessageError, parse_message
from sluice.intake import REPORTED_ERRORS
from sluice.processors import NEEDS, PROCESSORS
from sluice.upload import FAILED, FINAL_STATES, PARTIAL, SUCCEEDED, Upload

_PROCESSED = (SUCCEEDED, PARTIAL)


class InvariantError(AssertionError):
    """The invariant does not hold; the message lists every breach."""


def check(books: Books, code: Path = CODE) -> dict[Upload, str]:
    """The final states of all uploads of the books. Raises InvariantError unless, for each of them,

    - the ledger has one item, in one final state;
    - its notification was published at least once, never with two states for one attempt, and that of the attempt
      which stands in the ledger says what the ledger says;
    - the result that the ledger names is there, whole, and what a run without faults makes of the file; there is none
      where the state says so;
    - the rows add up to the lines of the file, those of the result to the good ones, those of the report to the bad;
    - nothing is in flight: no message in the queue, no dead letter but those of no upload and of `FAILED` ones, no
      lease, no unfinished multipart upload;

    and nothing was told of what nobody has uploaded, unless others upload there too.

    `code` has the descriptors.
    """
    items, told = books.items(), books.listen()
    catalogue = Catalogue(code / "datasets", NEEDS)
    by_id: dict[str, list[dict]] = {}
    for document in told:
        by_id.setdefault(document["upload_id"], []).append(document)
    breaches = [] if books.is_shared else _of_strangers(books, told)
    for upload, body in books.uploads.items():
        item = items.get(upload)
        if item is None:
            breaches.append(f"{upload.key}: the ledger does not know it")
            continue
        of_upload = [
            *_of_ledger(item),
            *_of_notifications(item, by_id.get(upload.id, [])),
            *_of_rows(books, catalogue, upload, body, item),
        ]
        breaches += [f"{upload.key}: {breach}" for breach in of_upload]
    breaches += _of_results(books, items)
    breaches += _in_flight(books, items)
    if breaches:
        raise InvariantError("\n".join(breaches))
    return {upload: item["state"] for upload, item in items.items()}


def _of_strangers(books: Books, told: list[dict]) -> list[str]:
    known = {upload.id for upload in books.uploads}
    strangers = [document["key"] for document in told if document["upload_id"] not in known]
    return [f"{key}: told of, and never uploaded" for key in strangers]


def _of_ledger(item: dict) -> list[str]:
    if item["state"] not in FINAL_STATES:
        return [f"it is {item['state']}, after {item.get('last_error')}"]
    return ["it has its final state and a lease"] if "lease_until" in item else []


def _of_notifications(item: dict, told: list[dict]) -> list[str]:
    breaches = []
    states: dict[int, set[str]] = {}
    for document in told:
        states.setdefault(document["attempt"], set()).add(document["state"])
    breaches += [f"attempt {number} was told as {found}" for number, found in states.items() if len(found) > 1]
    final = [document for document in told if document["attempt"] == int(item["attempt"])]
    if not final:
        return [*breaches, f"its final state {item['state']} was never told: {states}"]
    for document in final:
        said = {name: document[name] for name in ("state", "reason", "dataset")}
        said |= {name: str(document[name]) for name in ("rows_good", "rows_rejected")}
        breaches += [f"told {value}, written {item[name]}" for name, value in said.items() if value != item[name]]
        for name in ("result", "error_report"):
            uri = item[name] and item[name]["uri"]
            if document[name] != uri:
                breaches.append(f"its {name} was told as {document[name]}, written as {uri}")
    return breaches


def _of_rows(books: Books, catalogue: Catalogue, upload: Upload, body: bytes, item: dict) -> list[str]:
    if item["state"] not in _PROCESSED:
        return [f"it is {item['state']} and has a result"] if item.get("result") else []
    dataset = catalogue.match(upload.key)
    loaded = dataset.name in books.tables
    if dataset.target and not loaded:
        dataset = dataset.without_database()
    good, rejected, blank = (int(item[name]) for name in ("rows_good", "rows_rejected", "rows_blank"))
    breaches = []
    lines = len(b"".join(decompress([body])).splitlines()) - dataset.dialect.header
    if good + rejected + blank != lines:
        breaches.append(f"{good} good, {rejected} bad and {blank} blank rows are not {lines} lines")
    if loaded:
        counts = [int(item[name]) for name in ("inserted", "updated", "duplicates")]
        return breaches + ([f"{counts} loaded of {good} good rows"] if sum(counts) != good else [])
    breaches += _of_object(books, item["result"], _expected(dataset, upload, body))
    if (item["error_report"] is None) != (rejected == 0):
        breaches.append(f"{rejected} bad rows, and the report is {item['error_report']}")
    elif rejected:
        breaches += _of_report(books, item["error_report"], rejected)
    return breaches


def _expected(dataset: Dataset, upload: Upload, body: bytes) -> bytes:
    """The result without any fault."""
    pieces: list[bytes] = []
    blocks = Check(dataset, [body], lambda error: None).blocks()
    PROCESSORS[dataset.processor].process(blocks, pieces.append, dataset, upload.id)
    return b"".join(pieces)


def _of_object(books: Books, named: dict, expected: bytes) -> list[str]:
    data, _ = books.stored(_key(named), named["version_id"])
    if hashlib.sha256(data).hexdigest() != named["sha256"]:
        return ["the result has not the checksum that the ledger names"]
    return [] if data == expected else [f"the result has {len(data)} bytes, without faults {len(expected)}"]


def _of_report(books: Books, named: dict, rejected: int) -> list[str]:
    data, _ = books.stored(_key(named), named["version_id"])
    rows = {error["row"] for error in map(json.loads, data.splitlines()) if error["error"] != "report-cut"}
    is_cut = len(data.splitlines()) > REPORTED_ERRORS
    return [] if len(rows) == rejected or is_cut else [f"the report names {len(rows)} of {rejected} bad rows"]


def _of_results(books: Books, items: dict[Upload, dict]) -> list[str]:
    """Of versions of one key, what lies there in the end is the result of the newest one that has any."""
    newest: dict[str, Upload] = {}
    for upload in books.uploads:
        if items.get(upload, {}).get("result"):
            newest[_key(items[upload]["result"])] = upload
    breaches = []
    for key, upload in newest.items():
        data, metadata = books.stored(key)
        if metadata["upload-id"] != upload.id:
            breaches.append(f"{key}: what lies there is not the result of the newest version")
        elif hashlib.sha256(data).hexdigest() != items[upload]["result"]["sha256"]:
            breaches.append(f"{key}: what lies there is not the result that the ledger names")
    return breaches


def _key(named: dict) -> str:
    return named["uri"].removeprefix("s3://").partition("/")[2]


def _in_flight(books: Books, items: dict[Upload, dict]) -> list[str]:
    breaches = [f"{key}: a multipart upload is not finished" for key in books.parts()]
    if queued := books.queued():
        breaches.append(f"{queued} messages are in the queue")
    return breaches + _of_dead_letters(books, items)


def unreadable(bodies: list[str]) -> list[str]:
    """Those of the messages that name no upload."""
    return [body for body in bodies if _named(body) is None]


def _named(body: str) -> set[str] | None:
    try:
        return {upload.id for upload in parse_message(body)}
    except UnreadableMessageError:
        return None


def _of_dead_letters(books: Books, items: dict[Upload, dict]) -> list[str]:
    dead = books.dead()
    letters = unreadable(dead)
    failed = {upload.id for upload, item in items.items() if item["state"] == FAILED}
    others = {upload.id for upload, item in items.items() if item["state"] != FAILED}
    breaches = []
    for body in (body for body in dead if body not in letters):
        named = _named(body)
        if named.isdisjoint(failed) and (named & others or not books.is_shared):
            breaches.append(f"a dead letter of no FAILED upload: {body}")
    if len(letters) != books.letters:
        breaches.append(f"{len(letters)} dead letters name no upload, of {books.letters} such messages")
    return breaches
