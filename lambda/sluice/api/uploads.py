"""Questions about uploads: which of them, page by page, and what became of one."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sluice.api.parameters import Parameters
from sluice.api.problems import Problem
from sluice.api.temperature import to_text
from sluice.history import Filter, History, Mark
from sluice.ledger_reader import NO_DATASET, Entry, LedgerReader
from sluice.upload import FINAL_STATES, PROCESSING, Stored

MOST_UPLOADS = 100
_DEFAULT_UPLOADS = 20
_DEFAULT_SPAN = timedelta(days=7)
_UPLOAD_ID = re.compile("[0-9a-f]{32}")
_TOKEN = re.compile("[A-Za-z0-9_-]{1,256}")
# Microseconds of the epoch; 17 digits are more than the years there may be, and fewer than the calendar has.
_CONTENT = re.compile(
    r"(?P<text>(?P<since>[0-9]{1,17})\.(?P<time>[0-9]{1,17})\.(?P<id>|[0-9a-f]{32}))\.(?P<checksum>[0-9a-f]{16})"
)
_NO_SUCH_PAGE = "is no page of this question: take `next` as it was answered, with the parameters that gave it"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta.resolution

Link = Callable[[Stored], str | None]


@dataclass(frozen=True)
class Question:
    """What is asked: at most `limit` uploads of a filter, after a mark. `asked` is what the client itself chose by."""

    wanted: Filter
    after: Mark | None
    limit: int
    asked: str

    @classmethod
    def read(cls, parameters: Parameters, datasets: Collection[str], now: datetime) -> "Question":
        """The question of a request: `state`, `dataset`, `since`, `until`, `limit`, `page`.

        By default it is the seven days before `until`, and `until` is now. Raises Problem (400) for what is wrong, also
        for a page of another question, or one that no answer gave.
        """
        state = parameters.choice("state", [PROCESSING, *sorted(FINAL_STATES)])
        dataset = parameters.choice("dataset", [*datasets, NO_DATASET])
        since, until = parameters.instant("since"), parameters.instant("until")
        limit = parameters.number("limit", 1, MOST_UPLOADS)
        token = parameters.text("page", _TOKEN, _NO_SUCH_PAGE)
        asked = sha256(repr((state, dataset, since, until)).encode()).hexdigest()[:16]
        until = until or now
        since = since or until - _DEFAULT_SPAN
        if since >= until:
            parameters.refuse("since", "must lie before `until`, which is now where it is not given")
        after = None
        if token is not None:
            try:
                since, after = _from_token(token, asked)
            except ValueError:
                parameters.refuse("page", _NO_SUCH_PAGE)
        parameters.check()
        wanted = Filter(since, until, state, dataset)
        return cls(wanted, after, _DEFAULT_UPLOADS if limit is None else limit, asked)

    def answer(self, history: History) -> dict[str, Any]:
        """The uploads, newest first, and the token of the `next` page: None after the last one."""
        page = history.page(self.wanted, self.after, self.limit)
        return {
            "uploads": [_summary(entry) for entry in page.entries],
            "next": page.next and _to_token(self.wanted.since, page.next, self.asked),
        }


def describe(upload_id: str, reader: LedgerReader, link: Link, expires: datetime) -> dict[str, Any]:
    """All that the ledger has of an upload, with links that end at `expires`; raises Problem (404) for no such id."""
    entry = reader.find(upload_id) if _UPLOAD_ID.fullmatch(upload_id) else None
    if entry is None:
        raise Problem(404, "There is no upload with this id: GET /api/v1/uploads lists those there are.")
    return _summary(entry) | {
        "size_bytes": entry.upload.size,
        "tries": entry.tries,
        "rows_blank": entry.rows_blank,
        "loaded": entry.loaded and asdict(entry.loaded),
        "result": _linked(entry.result, link, expires),
        "error_report": _linked(entry.error_report, link, expires),
    }


def _summary(entry: Entry) -> dict[str, Any]:
    return {
        "upload_id": entry.upload.id,
        "bucket": entry.upload.bucket,
        "key": entry.upload.key,
        "version_id": entry.upload.version_id,
        "dataset": entry.dataset,
        "state": entry.state,
        "reason": entry.reason,
        "attempt": entry.attempt,
        "rows_good": entry.rows_good,
        "rows_rejected": entry.rows_rejected,
        "first_seen": entry.first_seen and to_text(entry.first_seen),
        "finished": entry.finished and to_text(entry.finished),
    }


def _linked(stored: Stored | None, link: Link, expires: datetime) -> dict[str, Any] | None:
    if stored is None:
        return None
    url = link(stored)
    return {
        "uri": stored.uri,
        "version_id": stored.version_id,
        "sha256": stored.sha256,
        "bytes": stored.bytes,
        "url": url,
        "expires": url and to_text(expires),
    }


def _to_token(since: datetime, mark: Mark, asked: str) -> str:
    """Where a listing goes on, opaque to the client.

    It is checked for having been made here for the same question, and not signed: it gives no right, and whoever makes
    one up has chosen a place to go on from.
    """
    times = (str((time - _EPOCH) // _MICROSECOND) for time in (since, mark.time))
    text = ".".join([*times, mark.upload_id])
    return _encode(f"{text}.{_checksum(text, asked)}".encode())


def _from_token(token: str, asked: str) -> tuple[datetime, Mark]:
    """Raises ValueError for what is no token of the question."""
    content = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    match = _CONTENT.fullmatch(content.decode("ascii"))
    # Of a last character, base64 ignores some bits.
    if not match or match["checksum"] != _checksum(match["text"], asked) or _encode(content) != token:
        raise ValueError("not a token of this question")
    since, time = (_EPOCH + int(match[name]) * _MICROSECOND for name in ("since", "time"))
    return since, Mark(time, match["id"])


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def _checksum(text: str, asked: str) -> str:
    return sha256(f"{text}.{asked}".encode()).hexdigest()[:16]
