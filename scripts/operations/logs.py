"""`scripts/sluice logs`: what the functions logged about one upload."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from operations.deployment import Deployment, find
from operations.entries import as_dict
from operations.exits import CommandError
from operations.options import EnvironmentOption, JsonOption, KeyArgument, StackOption, VersionOption
from operations.output import print_json, printable
from sluice.ledger_reader import Entry

_LOG_GROUP = "AWS::Logs::LogGroup"
# What Powertools says in every line of where and in what it runs; --json has it.
_ALWAYS = frozenset(
    {
        *("level", "message", "timestamp", "service", "location", "cold_start", "upload_id", "bucket", "key"),
        *("function_name", "function_memory_size", "function_arn", "function_request_id", "xray_trace_id"),
    }
)
# Clocks differ.
_BEFORE = timedelta(minutes=1)


@dataclass(frozen=True)
class Line:
    """A line of a log group; `document` is what it says, where that is a JSON object."""

    time: datetime
    group: str
    text: str
    document: dict | None

    def as_dict(self) -> dict:
        return {"time": self.time.isoformat(), "group": self.group, "event": self.document or self.text}

    def __str__(self) -> str:
        time = f"{self.time:%Y-%m-%d %H:%M:%S}.{self.time.microsecond // 1000:03}"
        if self.document is None:
            return f"{time}  {printable(self.text)}"
        details = " ".join(
            f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
            for name, value in self.document.items()
            if name not in _ALWAYS and name not in ("exception", "stack_trace")
        )
        said = f"{self.document.get('level', ''):8} {self.document.get('message', '')}  {details}"
        trace = str(self.document.get("exception") or "").splitlines()
        return "\n".join([f"{time}  {printable(said.rstrip())}", *(f"    {printable(line)}" for line in trace)])


def logs(
    key: KeyArgument,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    version_id: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the functions logged about an upload: its attempts, and what they died of."""
    deployment = find(environment, stack)
    entry = deployment.entry(key, version_id)
    found = sorted(_lines(deployment, entry), key=lambda line: line.time)
    if not found:
        raise CommandError(
            f"no log tells of {entry.upload.key} (upload id {entry.upload.id}, {entry.state}): lines come in "
            "seconds and are kept for 90 days. `scripts/sluice status` has the ledger's reason"
        )
    if as_json:
        print_json({"upload": as_dict(entry), "lines": [line.as_dict() for line in found]})
    else:
        print("\n".join(map(str, found)))


def _lines(deployment: Deployment, entry: Entry) -> Iterator[Line]:
    client = deployment.client("logs")
    for group in deployment.of_kind(_LOG_GROUP):
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group.name,
            # In quotes it is one term, wherever it stands in a line.
            filterPattern=f'"{entry.upload.id}"',
            startTime=int((entry.first_seen - _BEFORE).timestamp() * 1000),
        )
        for event in (one for page in pages for one in page["events"]):
            time, document = datetime.fromtimestamp(event["timestamp"] / 1000, UTC), _document(event["message"])
            # Not what CloudWatch makes metrics of.
            if document is None or "_aws" not in document:
                yield Line(time, group.name, event["message"].rstrip("\n"), document)


def _document(text: str) -> dict | None:
    try:
        document: Any = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
