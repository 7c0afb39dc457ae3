"""`scripts/sluice redrive` and `replay`: uploads that are put back on the intake queue."""

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer

from operations.deadletters import DeadLetters
from operations.deployment import Deployment, find
from operations.ended import EndedUploads, Selection
from operations.options import EnvironmentOption, JsonOption, StackOption, parse_time
from operations.output import print_json, printable, say
from sluice.ledger_reader import Entry
from sluice.queue import IntakeQueue
from sluice.upload import FAILED

_Key = Annotated[str | None, typer.Option("--key", help="Only this key.")]
_Prefix = Annotated[
    str | None, typer.Option("--prefix", help="Only keys that begin with this; '' is every key.", show_default=False)
]
_Version = Annotated[str | None, typer.Option("--version-id", help="Only this version of --key.")]
_Since = Annotated[
    datetime | None,
    typer.Option(
        "--since", parser=parse_time, metavar="TIME", help="Only what ended then or later: ISO 8601 (UTC), 2h or 7d."
    ),
]
_Until = Annotated[
    datetime | None,
    typer.Option("--until", parser=parse_time, metavar="TIME", help="Only what ended before then."),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def _command(help_text: str, choose: Callable[[Selection, list[Entry]], list[Entry]], is_choosy: bool) -> Callable:
    """A command that puts back what `choose` takes of the uploads that have ended; a choosy one must be told which."""

    def command(
        environment: EnvironmentOption = None,
        stack: StackOption = None,
        key: _Key = None,
        prefix: _Prefix = None,
        version_id: _Version = None,
        since: _Since = None,
        until: _Until = None,
        dry_run: _DryRun = False,
        as_json: JsonOption = False,
    ) -> None:
        if is_choosy and (key, prefix, since, until) == (None,) * 4:
            raise typer.BadParameter("give --key, --prefix, --since or --until: everything is --prefix ''")
        selection = _selection(key, prefix, version_id, since, until)
        deployment = find(environment, stack)
        found = choose(selection, _ended(deployment, selection))
        if not found:
            _tell_nothing(deployment, key)
        _put_back(deployment, found, dry_run, as_json)

    command.__doc__ = help_text
    return command


redrive = _command(
    "Give FAILED uploads a fresh set of attempts; all of them, or those selected.", Selection.failed, is_choosy=False
)
replay = _command(
    "Process uploads again that have ended in any state: the newest version of each key selected.",
    Selection.newest,
    is_choosy=True,
)


def _selection(
    key: str | None, prefix: str | None, version_id: str | None, since: datetime | None, until: datetime | None
) -> Selection:
    if key is not None and prefix is not None:
        raise typer.BadParameter("give --key or --prefix, not both")
    if version_id is not None and key is None:
        raise typer.BadParameter("--version-id needs --key")
    given = {"key": key, "version_id": version_id, "prefix": prefix, "since": since, "until": until}
    return Selection(**{name: value for name, value in given.items() if value is not None})


def _ended(deployment: Deployment, selection: Selection) -> list[Entry]:
    outputs = deployment.outputs
    ledger = EndedUploads(deployment.client("dynamodb"), outputs["LedgerTable"], outputs["UploadsBucket"])
    return list(ledger.select(selection))


def _tell_nothing(deployment: Deployment, key: str | None) -> None:
    """Says that nothing is chosen; raises CommandError where nobody knows the key, as it may be a slip."""
    if key is not None:
        deployment.versions(key)
    say("nothing is chosen: `scripts/sluice status` says which uploads there are, by key, and how they have ended")


def _put_back(deployment: Deployment, found: list[Entry], dry_run: bool, as_json: bool) -> None:
    """Puts the uploads on the intake queue, each to reopen the attempt that stands, and says so.

    That makes it exact: of two such messages, the second finds another attempt and changes nothing.
    """
    removed = 0
    if not dry_run:
        sqs = deployment.client("sqs")
        queue = IntakeQueue(sqs, deployment.outputs["IntakeQueueUrl"])
        queue.put(dataclasses.replace(one.upload, reopens=one.attempt) for one in found)
        if failed := {one.upload.id for one in found if one.state == FAILED}:
            removed = DeadLetters(sqs, deployment.outputs["DeadLetterQueueUrl"]).remove(failed)
    if as_json:
        print_json({"uploads": [_as_dict(one) for one in found], "dead_letters_removed": removed})
        return
    for one in found:
        print(f"{one.state:9}  {printable(one.upload.key)}  (version {one.upload.version_id})")
    print(f"{len(found)} uploads {'would be put' if dry_run else 'put'} on the intake queue")
    if removed:
        print(f"{removed} dead letters of theirs removed")


def _as_dict(one: Entry) -> dict:
    return {
        "key": one.upload.key,
        "version_id": one.upload.version_id,
        "state": one.state,
        "attempt": one.attempt,
        "finished": one.finished.isoformat(),
    }
