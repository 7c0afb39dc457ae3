"""The ledger in DynamoDB: one item an upload, every write conditional on its state and attempt.

The attempt number is a fencing token: an attempt that was overtaken can write nothing any more.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from sluice.items import from_item, get_items, to_item
from sluice.upload import FAILED, FINAL_STATES, IGNORED, PROCESSING, Loaded, Outcome, Stored, Upload

# Longer than any version lives in the uploads bucket (templates/buckets.yaml), so that no upload outlives its item.
RETENTION_DAYS = 400
_DAY = 86_400

CLAIMED, DONE, DEAD, BUSY, SPENT = "CLAIMED", "DONE", "DEAD", "BUSY", "SPENT"


@dataclass(frozen=True)
class Claim:
    """Whether this delivery may process the upload.

    `status` is `CLAIMED` (go on, as `attempt`), `DONE` (a final state stands), `DEAD` (it is `FAILED`: only a
    redrive tries again), `BUSY` (another delivery works on it) or `SPENT` (the last attempt has ended and there are
    none left: `attempt` is one more, the caller's to conclude). `tries` counts the attempts since the upload was first
    seen, redriven or replayed, `error` is what the last one died of.
    """

    status: str
    attempt: int
    tries: int = 0
    error: str = ""


@dataclass(frozen=True)
class Standing:
    """How far an upload has come: its state, until when somebody works on it, and the attempts made.

    `attempt` numbers the last of all attempts, `tries` counts those since the upload was first seen, redriven or
    replayed.
    """

    state: str
    lease_until: float = 0
    tries: int = 0
    attempt: int = 0


class Ledger:
    """The ledger table."""

    def __init__(self, dynamodb: Any, table: str, clock: Callable[[], float] = time.time) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def claim(self, upload: Upload, *, lease: float, max_tries: int, sent: float) -> Claim:
        """Takes the upload for one attempt of at most `lease` seconds, unless somebody has or had it.

        `sent` is when the message was put on the queue, in epoch seconds: where the upload was `FAILED` before that,
        the message is a redriven one, and the upload is tried anew. A message that reopens the very attempt which
        stands does so whatever the state; its duplicate finds another attempt and changes nothing.
        """
        now = self._clock()
        values = {
            ":processing": PROCESSING,
            ":now": _number(now),
            ":until": _number(now + lease),
            ":zero": 0,
            ":one": 1,
            ":max": max_tries,
            ":id": upload.id,
            ":size": upload.size,
            ":sequencer": upload.sequencer,
            ":expires": int(now) + RETENTION_DAYS * _DAY,
            # The index lists what has this attribute: uploads in no final state (ledger.yaml).
            ":day": _utc_day(now),
        }
        # lease_until is 0 after an attempt that failed and said so: its successor need not wait.
        free = "attribute_not_exists(#state) OR (#state = :processing AND lease_until < :now AND tries < :max)"
        update = (
            "SET #state = :processing, attempt = if_not_exists(attempt, :zero) + :one, lease_until = :until, "
            "upload_id = :id, size_bytes = :size, sequencer = :sequencer, expires_at = :expires, "
            "open_day = if_not_exists(open_day, :day), first_seen = if_not_exists(first_seen, :now), tries = "
        )
        item = self._update(upload, update + "if_not_exists(tries, :zero) + :one", free, values)
        if item["won"]:
            return Claim(CLAIMED, int(item["attempt"]), int(item["tries"]))
        attempt, tries, state = int(item["attempt"]), int(item["tries"]), item["state"]
        is_redriven = state == FAILED and sent > float(item["finished"])
        if state in FINAL_STATES and (is_redriven or upload.reopens == attempt):
            del values[":max"]
            again = self._update(
                upload,
                update + ":one REMOVE reason, dataset_day",
                "#state = :final AND attempt = :attempt",
                {**values, ":final": state, ":attempt": attempt, ":day": _utc_day(float(item["first_seen"]))},
            )
            return Claim(CLAIMED if again["won"] else BUSY, int(again["attempt"]), 1)
        if state in FINAL_STATES:
            return Claim(DEAD if state == FAILED else DONE, attempt)
        if float(item["lease_until"]) < now:
            return self.claim_spent(upload, lease=lease, max_tries=max_tries)
        return Claim(BUSY, attempt, tries)

    def succeed(self, upload: Upload, attempt: int, lease: float) -> int | None:
        """Takes the upload over from an attempt that has ended, as the next one; None where it is not that one's.

        What is announced then cannot contradict what that attempt may have announced before it ended.
        """
        item = self._take_over(upload, lease, "attempt = :attempt", {":attempt": attempt})
        return int(item["attempt"]) if item["won"] else None

    def claim_spent(self, upload: Upload, *, lease: float, max_tries: int) -> Claim:
        """Takes an upload whose last attempt has ended unsaid, to conclude it: `SPENT` for one caller, else `BUSY`.

        It is another attempt, for that one may have announced its outcome before it ended.
        """
        values = {":now": _number(self._clock()), ":max": max_tries}
        item = self._take_over(upload, lease, "lease_until < :now AND tries >= :max", values)
        return Claim(
            SPENT if item["won"] else BUSY,
            int(item.get("attempt", 0)),
            int(item.get("tries", 0)),
            error=item.get("last_error", "the function was killed"),
        )

    def _take_over(self, upload: Upload, lease: float, condition: str, values: dict) -> dict:
        """The next attempt at what is `PROCESSING`, under a condition."""
        return self._update(
            upload,
            "SET attempt = attempt + :one, lease_until = :until",
            f"#state = :processing AND {condition}",
            {":one": 1, ":until": _number(self._clock() + lease), ":processing": PROCESSING, **values},
        )

    def standings(self, uploads: Iterable[Upload]) -> dict[Upload, Standing]:
        """How far each of the uploads has come; those that the ledger does not know are missing.

        What it says may be a moment old: whoever acts on it does so under a condition.
        """
        by_key = {(f"{upload.bucket}/{upload.key}", upload.version_id): upload for upload in uploads}
        keys = [{"upload_key": upload_key, "version_id": version} for upload_key, version in by_key]
        items = get_items(
            self._dynamodb,
            self._table,
            keys,
            ProjectionExpression="upload_key, version_id, #state, lease_until, tries, attempt",
            ExpressionAttributeNames={"#state": "state"},
        )
        return {
            by_key[item["upload_key"], item["version_id"]]: Standing(
                item["state"],
                float(item.get("lease_until", 0)),
                int(item.get("tries", 0)),
                int(item.get("attempt", 0)),
            )
            for item in items
        }

    def release(self, upload: Upload, attempt: int, error: str, *, tries: int = 1) -> None:
        """Ends an attempt that failed for now: the upload is free for the next one, and the item says why.

        It counts as so many `tries`: one that never began counts as 0.
        """
        self._update(
            upload,
            "SET lease_until = :zero, last_error = :error, tries = tries - :unspent",
            "#state = :processing AND attempt = :attempt",
            {":zero": 0, ":error": error, ":unspent": 1 - tries, ":processing": PROCESSING, ":attempt": attempt},
        )

    def finish(self, upload: Upload, attempt: int, outcome: Outcome) -> bool:
        """Writes the final state; False where another attempt has taken the upload meanwhile."""
        update, values = _ending(outcome, attempt, self._clock())
        condition = "#state = :processing AND attempt = :attempt"
        return self._update(upload, update, condition, {**values, ":processing": PROCESSING})["won"]

    def record(self, upload: Upload, attempt: int, outcome: Outcome) -> bool:
        """Writes the final state of what nobody claims, as that attempt's: a batch of a stream.

        False where a final state stands already. Only `FAILED` is followed by another one, of a later attempt.
        """
        now = self._clock()
        update, values = _ending(outcome, attempt, now)
        values |= {
            ":id": upload.id,
            ":size": upload.size,
            ":sequencer": upload.sequencer,
            ":expires": int(now) + RETENTION_DAYS * _DAY,
            ":failed": FAILED,
        }
        first = (
            "SET attempt = :attempt, upload_id = :id, size_bytes = :size, sequencer = :sequencer, "
            "expires_at = :expires, first_seen = if_not_exists(first_seen, :now), "
        )
        condition = "attribute_not_exists(#state) OR (#state = :failed AND attempt < :attempt)"
        return self._update(upload, first + update.removeprefix("SET "), condition, values)["won"]

    def note(self, upload: Upload, reason: str) -> None:
        """Records a message that names no object to process, as `IGNORED`, once."""
        now = self._clock()
        self._update(
            upload,
            "SET #state = :state, reason = :reason, attempt = :zero, tries = :zero, upload_id = :id, "
            "expires_at = :expires, first_seen = :now, finished = :now",
            "attribute_not_exists(#state)",
            {
                ":state": IGNORED,
                ":reason": reason,
                ":zero": 0,
                ":id": upload.id,
                ":expires": int(now) + RETENTION_DAYS * _DAY,
                ":now": _number(now),
            },
        )

    def _update(self, upload: Upload, update: str, condition: str, values: dict) -> dict:
        """One conditional write: the item as it stands afterwards, with `won` telling whether the write was made.

        The losing condition returns the item in the same request, so that no read is needed.
        """
        names = {"#state": "state"} | ({"#result": "result"} if "#result" in update else {})
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=to_item({"upload_key": f"{upload.bucket}/{upload.key}", "version_id": upload.version_id}),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=to_item(values),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return {"won": False, **from_item(error.response.get("Item", {}))}
        return {"won": True, **from_item(answer["Attributes"])}


def _ending(outcome: Outcome, attempt: int, now: float) -> tuple[str, dict]:
    """The update that writes a final state, and the values in it."""
    loaded = asdict(outcome.loaded) if outcome.loaded else {}
    values = {
        ":attempt": attempt,
        ":state": outcome.state,
        ":reason": outcome.reason,
        ":dataset": outcome.dataset,
        ":good": outcome.rows_good,
        ":rejected": outcome.rows_rejected,
        ":blank": outcome.rows_blank,
        ":result": _stored(outcome.result),
        ":report": _stored(outcome.error_report),
        ":now": _number(now),
        # The index lists what has this attribute: uploads in a final state, by dataset and day (ledger.yaml).
        ":day": f"{outcome.dataset or 'none'}#{_utc_day(now)}",
        **{f":{name}": count for name, count in loaded.items()},
    }
    counts = "".join(f", {name} = :{name}" for name in loaded)
    # Those of an earlier attempt, which was replayed.
    stale = "" if loaded else f", {', '.join(field.name for field in fields(Loaded))}"
    update = (
        "SET #state = :state, reason = :reason, dataset = :dataset, rows_good = :good, "
        "rows_rejected = :rejected, rows_blank = :blank, #result = :result, error_report = :report, "
        f"finished = :now, dataset_day = :day{counts} REMOVE lease_until, last_error, open_day{stale}"
    )
    return update, values


def _utc_day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _number(seconds: float) -> Decimal:
    """Epoch seconds to the millisecond, as DynamoDB takes them."""
    return Decimal(f"{seconds:.3f}")


def _stored(stored: Stored | None) -> dict | None:
    if stored is None:
        return None
    return {"uri": stored.uri, "version_id": stored.version_id, "sha256": stored.sha256, "bytes": stored.bytes}
