"""How an upload ends: everyone is told, then the ledger says so."""

from collections.abc import Callable

from sluice.announcement import announce
from sluice.datasets import Catalogue
from sluice.ledger import Claim, Ledger
from sluice.notify import Notifier
from sluice.upload import FAILED, Outcome, Upload


class Conclusion:
    """Announces and records how uploads end, whoever ends them; `count` is called once for each that has ended."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        ledger: Ledger,
        notifier: Notifier,
        environment: str,
        count: Callable[[Upload, Outcome], None],
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._notifier = notifier
        self._environment = environment
        self._count = count

    def conclude(self, upload: Upload, attempt: int, outcome: Outcome) -> bool:
        """Announces, then records; False where another attempt has taken the upload meanwhile.

        Announces first: whoever is killed in between announces the same again, and nothing stays unsaid.
        """
        self._notifier.publish(announce(upload, attempt, outcome, self._environment))
        is_ours = self._ledger.finish(upload, attempt, outcome)
        if is_ours:
            self._count(upload, outcome)
        return is_ours

    def give_up(self, upload: Upload, claim: Claim, error: str) -> Outcome:
        """Concludes as `FAILED`: its attempts are spent, the last one on `error`; the claim's own only says so."""
        reason = f"gave up after {claim.tries} attempts: {error}"
        outcome = Outcome(FAILED, reason, self._catalogue.name_of(upload.key))
        self.conclude(upload, claim.attempt, outcome)
        return outcome
