"""Event source mappings of streams, with the ways out of an error that Lambda has for them.

What Lambda documents of them is said, with its pages, where this is put in the place of ministack's: in `streams`.
"""

import dataclasses
import datetime
import hashlib
import itertools
import json
import logging
import time
import uuid
from bisect import bisect_right
from typing import Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.concurrency import esm_wake, spawn_background
from ministack.core.responses import get_region, request_scope
from ministack.services import lambda_svc

PAYLOAD_BYTES = 6 * 1024 * 1024  # of one event
# Between the tries of a batch, and between looks at a function that cannot be invoked. Lambda waits longer each time.
PAUSE_SECONDS = 0.2

_logger = logging.getLogger("local.streams")


class Source(Protocol):
    """A service whose streams are read. `reading` are the actions that it takes, `batch_info` and `precision` are how
    an on-failure destination is told of its batches."""

    service: str
    batch_info: str
    precision: str
    reading: tuple[str, ...]

    def shards(self, arn: str) -> dict[str, list[dict]] | None:
        """The records of each shard, oldest first, as the stream keeps them; None where there is no such stream."""

    def position(self, kept: dict) -> int:
        """Where in its shard a kept record is: it grows."""

    def time(self, kept: dict) -> float:
        """When a kept record arrived, in seconds since 1970."""

    def event(self, kept: dict, shard: str, mapping: dict, config: dict) -> dict:
        """A kept record as a function is sent it."""

    def sequence(self, record: dict) -> str:
        """The sequence number of a record of an event."""

    def arrival(self, record: dict) -> float:
        """When a record of an event arrived, in seconds since 1970."""

    def key(self, record: dict) -> str:
        """What a record of an event has in common with those that it must stay in order with."""


@dataclasses.dataclass
class _Lane:
    """Records that are delivered one batch after the other: of one shard, and of some of its partition keys."""

    shard: str
    pending: list[dict] = dataclasses.field(default_factory=list)
    since: float = 0.0  # when the first of those was read
    busy: bool = False


@dataclasses.dataclass
class _Reading:
    """How far a mapping has read: the position of each shard's last record, and the lanes by shard and number."""

    positions: dict[str, int] = dataclasses.field(default_factory=dict)
    lanes: dict[tuple[str, int], _Lane] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class _Piece:
    """What is left of a batch, or a part of it, and how often it has been retried and sent."""

    records: list[dict]
    retries: int = 0
    sent: int = 0


class Poller:
    """Reads the streams of one service in the poll thread, and delivers each batch in a thread of its own."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._readings: dict[str, _Reading] = {}

    def poll(self) -> bool:
        """Read what is new and send what is due. False: whoever is done wakes the poll thread by itself."""
        there = set()
        for account, region, mapping in lambda_svc._iter_all_esms():
            there.add(mapping["UUID"])
            service, of_region, of_account = mapping["EventSourceArn"].split(":")[2:5]
            if (service, of_region, of_account) == (self._source.service, region, account):
                with request_scope(account, region):
                    self._poll_mapping(mapping)
        self._readings = {name: reading for name, reading in self._readings.items() if name in there}
        return False

    def _poll_mapping(self, mapping: dict) -> None:
        shards = self._source.shards(mapping["EventSourceArn"])
        if shards is None or not _enabled(mapping):
            return
        if (reading := self._readings.get(mapping["UUID"])) is None:
            reading = self._readings[mapping["UUID"]] = _Reading({
                shard: self._start(mapping, kept) for shard, kept in shards.items()})
        if config := _config(mapping):
            for shard, kept in shards.items():
                self._read(mapping, config, reading, shard, kept)
        for lane in reading.lanes.values():
            if lane.pending and not lane.busy and self._due(mapping, lane):
                lane.busy = True
                spawn_background(self._work, mapping, lane, self._take(mapping, lane), thread_name="local-stream")

    def _start(self, mapping: dict, kept: list[dict]) -> int:
        """The position before the first record that a new mapping is to read of a shard."""
        if mapping["StartingPosition"] == "TRIM_HORIZON" or not kept:
            return 0
        if mapping["StartingPosition"] == "AT_TIMESTAMP":
            since = float(mapping.get("StartingPositionTimestamp", 0))
            kept = [record for record in kept if self._source.time(record) < since]
        return self._source.position(kept[-1]) if kept else 0

    def _read(self, mapping: dict, config: dict, reading: _Reading, shard: str, kept: list[dict]) -> None:
        new = kept[bisect_right(kept, reading.positions.get(shard, 0), key=self._source.position):]
        if not new or not self._may_read(mapping, config):
            return
        reading.positions[shard] = self._source.position(new[-1])
        records = [self._source.event(one, shard, mapping, config) for one in new]
        for record in lambda_svc._apply_filter_criteria(records, mapping):
            key = hashlib.sha256(self._source.key(record).encode()).digest()
            number = int.from_bytes(key[:4]) % _number(mapping, "ParallelizationFactor", 1)
            lane = reading.lanes.setdefault((shard, number), _Lane(shard))
            lane.since = lane.since if lane.pending else time.time()
            lane.pending.append(record)

    def _may_read(self, mapping: dict, config: dict) -> bool:
        """Ask IAM, as Lambda reads with the rights of the function's role."""
        key = lambda_runtime.execution_credentials(config)["AWS_ACCESS_KEY_ID"]
        for action in self._source.reading:
            if iam_evaluator.enforce(key, f"{self._source.service}:{action}", self._source.service, get_region(),
                                     mapping["EventSourceArn"]):
                mapping["LastProcessingResult"] = "PROBLEM: Lambda failed to read: access denied"
                return False
        return True

    def _due(self, mapping: dict, lane: _Lane) -> bool:
        waited = time.time() - lane.since
        return len(self._batch(mapping, lane)) < len(lane.pending) \
            or len(lane.pending) == _number(mapping, "BatchSize", 100) \
            or waited >= _number(mapping, "MaximumBatchingWindowInSeconds", 0)

    def _batch(self, mapping: dict, lane: _Lane) -> list[dict]:
        """The records of the lane's next batch, as many as there may be in one."""
        records = lane.pending[:_number(mapping, "BatchSize", 100)]
        sizes = itertools.accumulate(len(json.dumps(record)) for record in records)
        return records[:max(1, sum(size <= PAYLOAD_BYTES for size in sizes))]

    def _take(self, mapping: dict, lane: _Lane) -> list[dict]:
        batch = self._batch(mapping, lane)
        del lane.pending[:len(batch)]
        lane.since = time.time()
        return batch

    def _work(self, mapping: dict, lane: _Lane, batch: list[dict]) -> None:
        left = [_Piece(batch)]
        try:
            while left and _enabled(mapping):
                left += self._deliver(mapping, lane.shard, left.pop())
        finally:
            # Of a mapping that is disabled the rest waits until it is enabled again.
            lane.pending[:0] = [record for piece in reversed(left) for record in piece.records]
            lane.busy = False
            esm_wake.set()

    def _deliver(self, mapping: dict, shard: str, piece: _Piece) -> list[_Piece]:
        """Send a piece; what is left to do of it, what comes first at the end."""
        if old := self._too_old(mapping, piece.records):
            self._discard(mapping, shard, dataclasses.replace(piece, records=old), "RecordAgeExceeded", None)
            young = piece.records[len(old):]
            return [dataclasses.replace(piece, records=young)] if young else []
        config = _config(mapping)
        result = config and _invoke(mapping, config, piece.records)
        if not result or result.get("throttle"):
            time.sleep(PAUSE_SECONDS)
            return [piece]
        done = self._done(mapping, result, piece.records)
        mapping["LastProcessingResult"] = "OK" if done == len(piece.records) else "PROBLEM: Function call failed"
        return self._after(mapping, shard, dataclasses.replace(piece, sent=piece.sent + 1), done, result)

    def _too_old(self, mapping: dict, records: list[dict]) -> list[dict]:
        """The records, from the first on, that are too old to be sent."""
        age = _number(mapping, "MaximumRecordAgeInSeconds", -1)
        return [] if age < 0 else list(itertools.takewhile(
            lambda record: time.time() - self._source.arrival(record) > age, records))

    def _done(self, mapping: dict, result: dict, records: list[dict]) -> int:
        """How many of the records, from the first on, need not be sent again."""
        if result.get("error"):
            return 0
        if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []) or result.get("body") is None:
            return len(records)
        places = {self._source.sequence(record): place for place, record in enumerate(records)}
        try:
            failures = result["body"].get("batchItemFailures") or []
            return min((places[failure["itemIdentifier"]] for failure in failures), default=len(records))
        except (AttributeError, KeyError, TypeError):
            return 0

    def _after(self, mapping: dict, shard: str, piece: _Piece, done: int, result: dict) -> list[_Piece]:
        """What becomes of a piece of which so many records are done: it is cut, tried again or given up."""
        rest = piece.records[done:]
        if not rest:
            return []
        time.sleep(PAUSE_SECONDS)
        piece = dataclasses.replace(piece, records=rest)
        if _flag(mapping, "BisectBatchOnFunctionError"):
            if done:
                return [piece]
            if (half := len(rest) // 2):
                return [dataclasses.replace(piece, records=part) for part in (rest[half:], rest[:half])]
        limit = _number(mapping, "MaximumRetryAttempts", -1)
        if 0 <= limit <= piece.retries:
            self._discard(mapping, shard, piece, "RetryAttemptsExhausted", result)
            return []
        return [dataclasses.replace(piece, retries=piece.retries + 1)]

    def _discard(self, mapping: dict, shard: str, piece: _Piece, condition: str, result: dict | None) -> None:
        destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
        config = _config(mapping)
        if not destination or not config:
            return
        now = datetime.datetime.now(datetime.UTC)
        first, last = piece.records[0], piece.records[-1]
        told = {
            "requestContext": {"requestId": str(uuid.uuid4()), "functionArn": mapping["FunctionArn"],
                               "condition": condition, "approximateInvokeCount": piece.sent},
            "version": "1.0",
            "timestamp": _written(now, "milliseconds"),
            self._source.batch_info: {
                "shardId": shard,
                "startSequenceNumber": self._source.sequence(first),
                "endSequenceNumber": self._source.sequence(last),
                "approximateArrivalOfFirstRecord": self._arrival(first),
                "approximateArrivalOfLastRecord": self._arrival(last),
                "batchSize": len(piece.records),
                "streamArn": mapping["EventSourceArn"],
            },
        }
        if result:
            told["responseContext"] = {"statusCode": 200, "executedVersion": config.get("Version", "$LATEST"),
                                       **({"functionError": "Unhandled"} if result.get("error") else {})}
        if destination.split(":")[2] == "s3":
            told["payload"] = json.dumps({"Records": piece.records})
        place = f"aws/lambda/{mapping['UUID']}/{shard}/{now:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        try:
            _tell(destination, place, json.dumps(told), config)
        except (BotoCoreError, ClientError) as error:
            mapping["LastProcessingResult"] = f"PROBLEM: the on-failure destination: {error}"
            _logger.error("%s: %d records are lost: %s", mapping["UUID"], len(piece.records), error)

    def _arrival(self, record: dict) -> str:
        return _written(datetime.datetime.fromtimestamp(self._source.arrival(record), datetime.UTC),
                        self._source.precision)


def _tell(destination: str, key: str, body: str, config: dict) -> None:
    """Write to an on-failure destination over the network, with the credentials of the function's role."""
    service, name = destination.split(":")[2], destination.rpartition(":")[2]
    credentials = lambda_runtime.execution_credentials(config)
    client = boto3.session.Session().client(
        service, region_name=get_region(), **{setting.lower(): value for setting, value in credentials.items()})
    if service == "s3":
        client.put_object(Bucket=name, Key=key, Body=body)
    elif service == "sqs":
        queue = f"{client.meta.endpoint_url}/{destination.split(':')[4]}/{name}"
        client.send_message(QueueUrl=queue, MessageBody=body)
    else:
        client.publish(TopicArn=destination, Message=body)


def _invoke(mapping: dict, config: dict, records: list[dict]) -> dict:
    record, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    return lambda_svc._execute_function(
        lambda_svc._execution_record_for_config(record, config), {"Records": records})


def _config(mapping: dict) -> dict | None:
    """The configuration that the mapping's function has now, as it is invoked by the mapping; None without one."""
    _, config = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    return config and {**config, "FunctionArn": mapping["FunctionArn"]}


def _enabled(mapping: dict) -> bool:
    return mapping["UUID"] in lambda_svc._esms and _flag(mapping, "Enabled", True)


def _number(mapping: dict, name: str, default: int) -> int:
    """A setting as a number: a template's parameters are text."""
    return int(mapping.get(name) if mapping.get(name) is not None else default)


def _flag(mapping: dict, name: str, default: bool = False) -> bool:
    return str(mapping.get(name, default)).lower() == "true"


def _written(moment: datetime.datetime, precision: str) -> str:
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
