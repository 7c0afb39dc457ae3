"""The ledger in DynamoDB: one item an upload, every write conditional on its state and attempt.

The attempt number is a fencing token: an attempt that was overtaken can write nothing any more.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from sluice.upload import FAILED, FINAL_STATES, IGNORED, PROCESSING, Outcome, Stored, Upload

# Longer than any version lives in the uploads bucket (templates/buckets.yaml), so that no upload outlives its item.
RETENTION_DAYS = 400
_DAY = 86_400

CLAIMED, DONE, DEAD, BUSY, SPENT = "CLAIMED", "DONE", "DEAD", "BUSY", "SPENT"


@dataclass(frozen=True)
class Claim:
    """Whether this delivery may process the upload.

    `status` is `CLAIMED` (go on, as `attempt`), `DONE` (a final state stands), `DEAD` (it is `FAILED`: only a
    redrive tries again), `BUSY` (another delivery works on it) or `SPENT` (the last attempt has ended and there are
    none left; `attempt` is that one). `tries` counts the attempts since the upload was first seen or redriven, `error`
    is what the last one died of.
    """

    status: str
    attempt: int
    tries: int = 0
    error: str = ""


class Ledger:
    """The ledger table."""

    def __init__(self, dynamodb: Any, table: str, clock: Callable[[], float] = time.time) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def claim(self, upload: Upload, *, lease: float, max_tries: int, redriven: bool) -> Claim:
        """Takes the upload for one attempt of at most `lease` seconds, unless somebody has or had it.

        `redriven` says that the message was just put on the queue, so that an upload that is `FAILED`, or has no
        attempts left, is tried anew.
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
        }
        # lease_until is 0 after an attempt that failed and said so: its successor need not wait.
        free = "attribute_not_exists(#state) OR (#state = :processing AND lease_until < :now AND tries < :max)"
        update = (
            "SET #state = :processing, attempt = if_not_exists(attempt, :zero) + :one, lease_until = :until, "
            "upload_id = :id, size_bytes = :size, sequencer = :sequencer, expires_at = :expires, "
            "first_seen = if_not_exists(first_seen, :now), tries = "
        )
        item = self._update(upload, update + "if_not_exists(tries, :zero) + :one", free, values)
        if item["won"]:
            return Claim(CLAIMED, int(item["attempt"]), int(item["tries"]))
        attempt, tries, state = int(item["attempt"]), int(item["tries"]), item["state"]
        spent = state == PROCESSING and float(item["lease_until"]) < now
        if redriven and (state == FAILED or spent):
            del values[":max"]
            again = self._update(
                upload,
                update + ":one REMOVE reason",
                "#state = :state AND attempt = :attempt",
                {**values, ":state": state, ":attempt": attempt},
            )
            return Claim(CLAIMED if again["won"] else BUSY, int(again["attempt"]), 1)
        if state in FINAL_STATES:
            return Claim(DEAD if state == FAILED else DONE, attempt)
        if spent:
            return Claim(SPENT, attempt, tries, error=item.get("last_error", "the function was killed"))
        return Claim(BUSY, attempt, tries)

    def succeed(self, upload: Upload, attempt: int, lease: float) -> int | None:
        """Takes the upload over from an attempt that has ended, as the next one; None where it is not that one's.

        What is announced then cannot contradict what that attempt may have announced before it ended.
        """
        item = self._update(
            upload,
            "SET attempt = attempt + :one, lease_until = :until",
            "#state = :processing AND attempt = :attempt",
            {
                ":one": 1,
                ":until": _number(self._clock() + lease),
                ":processing": PROCESSING,
                ":attempt": attempt,
            },
        )
        return int(item["attempt"]) if item["won"] else None

    def release(self, upload: Upload, attempt: int, error: str) -> None:
        """Ends an attempt that failed for now: the upload is free for the next one, and the item says why."""
        self._update(
            upload,
            "SET lease_until = :zero, last_error = :error",
            "#state = :processing AND attempt = :attempt",
            {":zero": 0, ":error": error, ":processing": PROCESSING, ":attempt": attempt},
        )

    def finish(self, upload: Upload, attempt: int, outcome: Outcome) -> bool:
        """Writes the final state; False where another attempt has taken the upload meanwhile."""
        now = self._clock()
        values = {
            ":processing": PROCESSING,
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
        }
        return self._update(
            upload,
            "SET #state = :state, reason = :reason, dataset = :dataset, rows_good = :good, "
            "rows_rejected = :rejected, rows_blank = :blank, #result = :result, error_report = :report, "
            "finished = :now REMOVE lease_until, last_error",
            "#state = :processing AND attempt = :attempt",
            values,
        )["won"]

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
                Key=_item({"upload_key": f"{upload.bucket}/{upload.key}", "version_id": upload.version_id}),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=_item(values),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return {"won": False, **_values(error.response.get("Item", {}))}
        return {"won": True, **_values(answer["Attributes"])}


def _item(values: dict) -> dict:
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in values.items()}


def _values(item: dict) -> dict:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}


def _number(seconds: float) -> Decimal:
    """Epoch seconds to the millisecond, as DynamoDB takes them."""
    return Decimal(f"{seconds:.3f}")


def _stored(stored: Stored | None) -> dict | None:
    if stored is None:
        return None
    return {"uri": stored.uri, "version_id": stored.version_id, "sha256": stored.sha256, "bytes": stored.bytes}
