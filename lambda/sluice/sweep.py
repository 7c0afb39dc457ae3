"""Finds what was lost on the way: versions in the uploads bucket without a final state in the ledger."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sluice.conclusion import Conclusion
from sluice.ledger import SPENT, Ledger, Standing
from sluice.listing import PAGE_SIZE, Cursor, Listing
from sluice.queue import IntakeQueue
from sluice.upload import FINAL_STATES, Upload

# Announcing and writing one state takes a fraction of a second; by then somebody else may.
_LEASE = 60.0


@dataclass
class Findings:
    """What a run saw and did; `cursor` is where the next one goes on, None where the pass is complete."""

    listed: int = 0
    requeued: int = 0
    ended: int = 0
    cursor: Cursor | None = None


class Sweep:
    """Compares the listing of the uploads bucket with the ledger.

    What has no final state goes back on the queue. What is `PROCESSING` with its lease expired and `max_tries`
    attempts spent may have no message left that could end it, so it is ended here, as `FAILED`.
    """

    def __init__(
        self,
        *,
        listing: Listing,
        ledger: Ledger,
        queue: IntakeQueue,
        conclusion: Conclusion,
        max_tries: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._listing = listing
        self._ledger = ledger
        self._queue = queue
        self._conclusion = conclusion
        self._max_tries = max_tries
        self._clock = clock

    def run(self, cursor: Cursor, *, min_age: float, max_versions: int, has_time: Callable[[], bool]) -> Findings:
        """Goes on from the cursor, page by page, for `max_versions` at most and while there is time; one page at least.

        Leaves alone what was uploaded in the last `min_age` seconds: its event may still be on its way.
        """
        findings = Findings(cursor=cursor)
        before = datetime.fromtimestamp(self._clock() - min_age, UTC)
        while findings.cursor:
            page = self._listing.page(findings.cursor, min(PAGE_SIZE, max_versions - findings.listed))
            self._settle([upload for upload in page.uploads if upload.last_modified <= before], findings)
            # A page of delete markers has no uploads; it counts, or it would be free.
            findings.listed += max(len(page.uploads), 1)
            findings.cursor = page.next
            if findings.listed >= max_versions or not has_time():
                break
        return findings

    def _settle(self, uploads: list[Upload], findings: Findings) -> None:
        standings = self._ledger.standings(uploads)
        lost = [upload for upload in uploads if self._is_lost(standings.get(upload))]
        self._queue.put(lost)
        findings.requeued += len(lost)
        for upload in uploads:
            if self._is_spent(standings.get(upload)):
                findings.ended += self._end(upload)

    def _is_free(self, standing: Standing) -> bool:
        return standing.state not in FINAL_STATES and standing.lease_until < self._clock()

    def _is_lost(self, standing: Standing | None) -> bool:
        return standing is None or (self._is_free(standing) and standing.tries < self._max_tries)

    def _is_spent(self, standing: Standing | None) -> bool:
        return standing is not None and self._is_free(standing) and standing.tries >= self._max_tries

    def _end(self, upload: Upload) -> bool:
        claim = self._ledger.claim_spent(upload, lease=_LEASE, max_tries=self._max_tries)
        if claim.status != SPENT:
            return False
        self._conclusion.give_up(upload, claim, claim.error)
        return True
