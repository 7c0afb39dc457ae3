"""`scripts/sluice status` and `watch`: what has become of uploads, by the ledger."""

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from operations.deployment import Deployment, find
from operations.entries import as_dict
from operations.keys import unknown
from operations.next_step import next_step
from operations.options import (
    DatasetOption,
    EnvironmentOption,
    JsonOption,
    StackOption,
    StatesOption,
    parse_time,
)
from operations.output import console, moment, print_json, print_json_line, print_table, printable, say, table
from sluice.ledger_reader import Entry

_DAY = timedelta(days=1)
_SHOWN = 50
_POLL_SECONDS = 2
_HEADINGS = ("state", "key", "dataset", "good", "rejected", "UTC", "reason")

_Since = Annotated[
    datetime | None,
    typer.Option(
        "--since", parser=parse_time, metavar="TIME", help="Only what came or ended since: ISO 8601 (UTC), 2h or 7d."
    ),
]
_Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many, the newest ones.")]


def status(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="All versions of this key, or the upload with this id.")
    ] = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    state: StatesOption = None,
    dataset: DatasetOption = None,
    since: _Since = None,
    limit: _Limit = _SHOWN,
    as_json: JsonOption = False,
) -> None:
    """Say what has become of uploads: of KEY, or of all in the last day."""
    if key is not None and (state, dataset, since) != (None,) * 3:
        raise typer.BadParameter("give KEY, or --state, --dataset and --since")
    deployment = find(environment, stack)
    if key is not None:
        found, is_cut = deployment.versions(key)[:limit], False
    else:
        since = since or datetime.now(UTC) - _DAY
        recent = deployment.entries.recent(since, dataset, state or ())
        found, is_cut = _cut(recent, limit)
    if as_json:
        print_json({"uploads": [as_dict(entry) for entry in found]})
    elif key is not None:
        for entry in found:
            _print_entry(entry)
    else:
        print_table(_HEADINGS, list(map(_row, found)))
        if not found:
            say(f"no such upload came or ended since {moment(since)} UTC: --since looks further back")
        if not found and (warning := unknown([dataset] if dataset else ())):
            say(warning)
        if is_cut:
            say(f"only the newest {limit} are shown: --limit shows more, --state, --dataset and --since others")


def watch(
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    state: StatesOption = None,
    dataset: DatasetOption = None,
    since: _Since = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line: each upload whenever its state changes.")
    ] = False,
) -> None:
    """Show uploads as they come and end, from an hour ago on, until Ctrl-C."""
    deployment = find(environment, stack)
    since, entries = since or datetime.now(UTC) - timedelta(hours=1), deployment.entries
    if not entries.lists_open:
        say("what has not ended is not shown, as only a deployment with the API lists it: `scripts/sluice status` does")
    looks = (
        _cut(entries.recent(since, dataset, state or (), scan=False), _SHOWN)[0] for _ in itertools.count()
    )
    try:
        _show_lines(looks) if as_json else _show_live(deployment, looks)
    except KeyboardInterrupt:
        # It is how this command ends.
        raise typer.Exit(0) from None


def _show_lines(looks: Iterator[list[Entry]]) -> None:
    shown: dict[str, tuple] = {}
    for entries in looks:
        for entry in reversed(entries):
            if shown.get(entry.upload.id) != (entry.state, entry.attempt):
                shown[entry.upload.id] = (entry.state, entry.attempt)
                print_json_line(as_dict(entry))
        time.sleep(_POLL_SECONDS)


def _show_live(deployment: Deployment, looks: Iterator[list[Entry]]) -> None:
    here = console()
    with Live(console=here, auto_refresh=False, screen=here.is_terminal) as live:
        for entries in looks:
            live.update(_watched(deployment.stack, entries, here.height - 2), refresh=True)
            time.sleep(_POLL_SECONDS)


def _watched(stack: str, entries: list[Entry], height: int) -> Table:
    made = table(_HEADINGS, [_row(entry) for entry in entries[: max(height, 1)]])
    made.title = f"{stack}, {datetime.now(UTC):%H:%M:%S} UTC; Ctrl-C ends"
    return made


def _cut(found: Iterator[Entry], limit: int) -> tuple[list[Entry], bool]:
    """At most so many, and whether there are more."""
    newest = list(itertools.islice(found, limit + 1))
    return newest[:limit], len(newest) > limit


def _row(entry: Entry) -> tuple:
    return (
        entry.state,
        entry.upload.key,
        entry.dataset,
        entry.rows_good,
        entry.rows_rejected,
        moment(entry.time),
        entry.reason,
    )


def _print_entry(entry: Entry) -> None:
    """All that the ledger has of an upload, and what to do."""
    shown = as_dict(entry) | {"first_seen": moment(entry.first_seen), "finished": moment(entry.finished)}
    for name, value in shown.items():
        if value not in (None, ""):
            print(f"{name:13}  {printable(str(value))}")
    if advice := next_step(entry):
        print(f"{'next':13}  {printable(advice)}")
    print()
