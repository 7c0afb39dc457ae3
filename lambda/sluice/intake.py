"""One upload from claim to conclusion: the rules of states, attempts, results and announcements."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from sluice import ledger as claims
from sluice.conclusion import Conclusion
from sluice.contract.check import Check
from sluice.contract.descriptor import Dataset
from sluice.datasets import Catalogue
from sluice.errors import FailedAttempt, OutOfTimeError, PermanentError, Retry, cause
from sluice.invocation import ROOM, Invocation
from sluice.ledger import Claim, Ledger
from sluice.notify import Notifier
from sluice.processors import PROCESSORS
from sluice.queue import IntakeQueue
from sluice.results import RESULTS
from sluice.storage import ResultWriter, Source, Storage
from sluice.upload import IGNORED, PARTIAL, SUCCEEDED, Loaded, Outcome, RowError, Stored, Upload

if TYPE_CHECKING:
    # With its driver, only where a deployment has a database: every cold start would pay for it otherwise.
    from sluice.table import Tables, TableWriter

FIRST_ERRORS = 5
# Nobody reads on, and a file that is bad throughout would make a report larger than itself.
REPORTED_ERRORS = 100_000
_REPORT_TYPE = "application/jsonl; charset=utf-8"
# Beyond the invocation's own deadline: by then the function that holds the lease is certainly gone.
_LEASE_MARGIN = 30.0
# Made once: json.dumps makes an encoder a call.
_to_json = json.JSONEncoder(ensure_ascii=False).encode
# What starts a formula, where a spreadsheet would see the start of a cell. Control characters JSON escapes itself.
# Looks back from the few that it looks for: the other way round takes eight times as long.
_FORMULA = re.compile("[=+@-](?:(?<=[,;|\"'].)|(?<=[,;|\"'] .))")
_FIRST_DELAY, _DELAY_GROWTH, _LONGEST_DELAY = 10, 3, 900


class Intake:
    """Takes uploads in: claims, processes, announces and concludes them.

    `max_tries` attempts are made before an upload is `FAILED`. A message is received `max_receives` times before
    the queue dead-letters it, so the last receipt is the last chance to conclude. `count` is called for each upload
    that has ended. `tables` is the database; None where the deployment has none.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        storage: Storage,
        ledger: Ledger,
        queue: IntakeQueue,
        notifier: Notifier,
        environment: str,
        max_tries: int,
        max_receives: int,
        count: Callable[[Upload, Outcome], None],
        tables: "Tables | None" = None,
    ) -> None:
        self._catalogue = catalogue
        self._storage = storage
        self._ledger = ledger
        self._queue = queue
        self._conclusion = Conclusion(
            catalogue=catalogue, ledger=ledger, notifier=notifier, environment=environment, count=count
        )
        self._max_tries = max_tries
        self._max_receives = max_receives
        self._tables = tables

    def accept(self, upload: Upload, *, receives: int, sent: float, invocation: Invocation) -> Outcome | None:
        """Brings an upload to its final state; None where it stands already, or another attempt or message has it.

        `receives` is how often the queue has delivered the message, `sent` when it was put there, in epoch seconds.
        Raises Retry where the message must come back: after a transient failure, while another delivery is at work,
        where too little time is left, or until the queue has dead-lettered the message of a `FAILED` upload.
        """
        last = receives >= self._max_receives
        if invocation.remaining < ROOM and not last:
            raise Retry("this invocation has too little time left", delay=0)
        lease = invocation.remaining + _LEASE_MARGIN
        claim = self._ledger.claim(upload, lease=lease, max_tries=self._max_tries, sent=sent)
        match claim.status:
            case claims.DONE:
                return None
            case claims.DEAD:
                raise Retry("FAILED is final until it is redriven", delay=0)
            case claims.BUSY:
                raise Retry("another delivery of this upload is at work", delay=retry_delay(receives))
            case claims.SPENT:
                self._fail(upload, claim, claim.error)
        try:
            outcome = self._process(upload, claim.attempt, invocation)
            return outcome if self._conclusion.conclude(upload, claim.attempt, outcome) else None
        except OutOfTimeError as error:
            self._ledger.release(upload, claim.attempt, str(error), tries=0)
            if not last:
                raise Retry(str(error), delay=0) from error
            # Large files before it in every batch: this message would be dead-lettered, a new one has receives left.
            self._queue.put([upload])
            return None
        except Exception as error:  # Whatever it is, it is no fault of the file: try again, then say FAILED.
            message = cause(error)
            if last or claim.tries >= self._max_tries:
                # This attempt may have announced its outcome before it failed: what follows is another one.
                attempt = self._ledger.succeed(upload, claim.attempt, lease)
                if attempt is None:
                    return None
                self._fail(upload, replace(claim, attempt=attempt), message)
            self._ledger.release(upload, claim.attempt, message)
            raise FailedAttempt(message, delay=retry_delay(claim.tries)) from error

    def _fail(self, upload: Upload, claim: Claim, error: str) -> NoReturn:
        """Concludes as `FAILED` and sends the message on its way to the dead-letter queue."""
        try:
            outcome = self._conclusion.give_up(upload, claim, error)
        except Exception as unsaid:
            self._ledger.release(upload, claim.attempt, error)
            raise Retry(cause(unsaid), delay=retry_delay(claim.tries)) from unsaid
        raise Retry(outcome.reason, delay=0)

    def _process(self, upload: Upload, attempt: int, invocation: Invocation) -> Outcome:
        dataset: Dataset | None = None
        try:
            if upload.key.endswith("/"):
                raise PermanentError(IGNORED, "a folder marker, not a file")
            dataset = self._catalogue.match(upload.key)
            if dataset.target and not self._tables:
                dataset = dataset.without_database()
            source = self._storage.open(upload)
            source = replace(source, chunks=invocation.within(source.chunks, source.size, dataset.is_fast))
            return self._check_and_process(upload, attempt, dataset, source, invocation.check_time)
        except PermanentError as error:
            return Outcome(error.state, error.reason, dataset and dataset.name)

    def _check_and_process(
        self, upload: Upload, attempt: int, dataset: Dataset, source: Source, check_time: Callable[[], None]
    ) -> Outcome:
        # Every version is loaded, so each has a report of its own; a result's lies beside it and goes with it.
        report_key = f"{upload.key}.{upload.id}.errors.jsonl" if dataset.target else f"{upload.key}.errors.jsonl"
        report = _Report(self._storage.create(report_key, upload, attempt, source.position, _REPORT_TYPE))
        destination = self._destination(upload, attempt, dataset, source)
        check = Check(dataset, source.chunks, report.add, check_time)
        outcome = Outcome(SUCCEEDED, "", dataset.name, first_errors=report.first)
        try:
            try:
                PROCESSORS[dataset.processor].process(check.blocks(), destination.write, dataset, upload.id)
            except PermanentError as error:
                outcome.state, outcome.reason = error.state, error.reason
            else:
                outcome.state, outcome.reason = check.verdict()
            outcome.rows_good, outcome.rows_rejected, outcome.rows_blank = check.good, check.rejected, check.blank
            if outcome.state in (SUCCEEDED, PARTIAL):
                destination.commit(outcome, report)
            else:
                destination.abort()
            if report.errors:
                outcome.error_report = report.commit()
                outcome.reason += report.cut
        except BaseException:
            destination.abort()
            report.abort()
            raise
        return outcome

    def _destination(
        self, upload: Upload, attempt: int, dataset: Dataset, source: Source
    ) -> "_Object | _Table":
        if dataset.target:
            return _Table(self._tables.create(upload, dataset, source.position), dataset.target.table)
        content_type = RESULTS[dataset.result_format].content_type
        key = dataset.result_key(upload.key)
        return _Object(self._storage.create(key, upload, attempt, source.position, content_type))


def retry_delay(times: int) -> int:
    """Seconds to wait after failing for the given time in a row: longer each time, so that an outage is outlived."""
    return min(_FIRST_DELAY * _DELAY_GROWTH ** (times - 1), _LONGEST_DELAY)


class _Report:
    """The error report of one upload: JSON lines, and the first few errors kept for the announcement.

    It holds the first `REPORTED_ERRORS` of `errors`; a last line then says that there are more, and so does `cut`.
    """

    def __init__(self, writer: ResultWriter) -> None:
        self._writer = writer
        self.errors = 0
        self.first: list[RowError] = []
        self.abort, self.precedes_none = writer.abort, writer.precedes_none

    @property
    def cut(self) -> str:
        """What the reason says of a report that is cut; empty where it is whole."""
        return f"; the error report ends after {REPORTED_ERRORS:,} errors" if self.errors > REPORTED_ERRORS else ""

    def add(self, error: RowError) -> None:
        self.errors += 1
        if self.errors > REPORTED_ERRORS:
            return
        if len(self.first) < FIRST_ERRORS:
            self.first.append(error)
        self._write(error)

    def commit(self) -> Stored:
        if self.cut:
            message = f"the report is cut after the first {REPORTED_ERRORS:,} of {self.errors:,} errors"
            self._write(RowError(None, None, "report-cut", message, ""))
        return self._writer.commit()

    def _write(self, error: RowError) -> None:
        self._writer.write(_inert(_to_json(error.as_dict())).encode("utf-8", "replace") + b"\n")


def _inert(text: str) -> str:
    """JSON that says the same and has no cell which starts a formula, should somebody open a report as CSV.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return _FORMULA.sub(lambda start: f"\\u{ord(start[0]):04x}", text)


class _Object:
    """Where valid rows become an object in the results bucket."""

    def __init__(self, writer: ResultWriter) -> None:
        self._writer = writer
        self.write, self.abort = writer.write, writer.abort

    def commit(self, outcome: Outcome, report: _Report) -> None:
        """Makes visible what was written and tells the outcome of it; a retry ends the same."""
        if report.errors:
            # Of two objects, the first must not be written where the second will be refused.
            report.precedes_none()
        outcome.result = self._writer.commit()


class _Table:
    """Where valid rows go into a table of the database."""

    def __init__(self, writer: "TableWriter", table: str) -> None:
        self._writer = writer
        self._table = table
        self.write, self.abort = writer.write, writer.abort

    def commit(self, outcome: Outcome, report: _Report) -> None:
        """The same, and tells the report of the duplicates."""
        outcome.loaded, duplicates = self._writer.commit(outcome.rows_good)
        for duplicate in duplicates:
            report.add(duplicate)
        # Of very many, the writer lists some.
        report.errors += outcome.loaded.duplicates - len(duplicates)
        loaded = _counted(outcome.loaded, self._table)
        rows = f"{outcome.rows_good:,} rows: {loaded}"
        outcome.reason = f"{outcome.reason}; {rows}" if outcome.state == PARTIAL else rows


def _counted(loaded: Loaded, table: str) -> str:
    counts = [f"{loaded.inserted:,} inserted"]
    if loaded.updated:
        counts.append(f"{loaded.updated:,} updated")
    if loaded.duplicates:
        counts.append(f"{loaded.duplicates:,} duplicates of rows")
    return f"{', '.join(counts)} in {table}"
