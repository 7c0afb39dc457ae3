"""`scripts/sluice upload`: files into the uploads bucket, and what becomes of each of them."""

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from delivery.advice import AWS_ERRORS, advice
from operations import exits
from operations.deployment import Deployment, find
from operations.entries import as_dict
from operations.exits import USAGE, CommandError
from operations.keys import key_for, key_templates
from operations.next_step import next_step
from operations.options import EnvironmentOption, JsonOption, StackOption
from operations.output import console, print_json, printable, say, sentence
from operations.row_errors import row_errors
from sluice.ledger_reader import Entry
from sluice.upload import PROCESSING, SUCCEEDED, RowError

_SHOWN = 10
_POLL_SECONDS = 1
# Longer than an upload takes that the sweep has to find.
_TIMEOUT = 3600


@dataclass
class Sent:
    """A file on its way: under its key, as this version; `entry` is what the ledger last said, `problem` why it is not
    there."""

    path: Path
    key: str
    version_id: str = ""
    entry: Entry | None = None
    problem: str = ""

    @property
    def state(self) -> str:
        return self.entry.state if self.entry else PROCESSING


def upload(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", exists=True, dir_okay=False, readable=True, help="The files.")
    ],
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="NAME",
            help="Name the uploads as this dataset's keys are, by how the files' paths end. Without it the paths must "
            "end with keys.",
        ),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="The key of the one file.")] = None,
    timeout: Annotated[
        int, typer.Option("--timeout", min=0, metavar="SECONDS", help="Follow the uploads for so long.")
    ] = _TIMEOUT,
    as_json: JsonOption = False,
) -> None:
    """Upload files and follow each one to its final state; prints its errors, and exits by the worst state."""
    sent = _named(files, dataset, key)
    deployment = find(environment, stack)
    s3 = deployment.client("s3")
    _send(s3, deployment.outputs["UploadsBucket"], sent)

    def tell(one: Sent) -> None:
        if not as_json:
            _print(one, row_errors(s3, one.entry))

    _follow(deployment, [one for one in sent if not one.problem], timeout, tell)
    if as_json:
        print_json({"uploads": [_as_dict(one, s3) for one in sent]})
    for one in sent:
        if one.problem:
            say(f"{one.path} was not uploaded: {one.problem}")
        elif one.state == PROCESSING:
            say(f"{one.key} is not done after {timeout} s: `scripts/sluice status` tells of it later, and it goes on")
    if any(one.problem for one in sent):
        raise typer.Exit(exits.NOT_DONE)
    raise typer.Exit(exits.of_states([one.state for one in sent]))


def _named(files: list[Path], dataset: str | None, key: str | None) -> list[Sent]:
    if key is not None and (len(files) > 1 or dataset):
        raise typer.BadParameter("--key is for one file, without --dataset")
    templates = key_templates()
    sent = [Sent(path, key or key_for(path, dataset, templates)) for path in files]
    paths: dict[str, Path] = {}
    for one in sent:
        if one.key in paths:
            raise CommandError(f"{paths[one.key]} and {one.path} would both be {one.key}: upload one of them", USAGE)
        paths[one.key] = one.path
    return sent


def _send(s3: Any, bucket: str, sent: list[Sent]) -> None:
    """Puts the files into the bucket, large ones in parts, and notes their versions, or why one is not there."""
    versions: list[str] = []
    # The transfer manager does not hand on what S3 answers.
    for operation in ("PutObject", "CompleteMultipartUpload"):
        s3.meta.events.register(
            f"after-call.s3.{operation}", lambda parsed, **_: versions.append(parsed.get("VersionId", "null"))
        )
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    here = console(stderr=True)
    with Progress(*columns, console=here, disable=not here.is_terminal) as progress:
        for one in sent:
            task = progress.add_task(printable(one.key), total=one.path.stat().st_size)
            try:
                s3.upload_file(
                    str(one.path), bucket, one.key, Callback=lambda size, task=task: progress.advance(task, size)
                )
            except AWS_ERRORS as error:
                one.problem = advice(error, "Use credentials that may put objects into the uploads bucket")
            else:
                one.version_id = versions[-1]


def _follow(deployment: Deployment, sent: list[Sent], timeout: float, tell: Callable[[Sent], None]) -> None:
    """Looks into the ledger until each has its final state, or the time is over."""
    entries, bucket = deployment.entries, deployment.outputs["UploadsBucket"]
    deadline, left = time.monotonic() + timeout, sent
    while left:
        for one in left:
            one.entry = entries.get(bucket, one.key, one.version_id)
            if one.state != PROCESSING:
                tell(one)
        left = [one for one in left if one.state == PROCESSING]
        if time.monotonic() > deadline:
            return
        if left:
            time.sleep(_POLL_SECONDS)


def _print(one: Sent, errors: Iterable[RowError]) -> None:
    entry = one.entry
    counts = f" ({entry.rows_good:,} good, {entry.rows_rejected:,} rejected)" if entry.rows_good is not None else ""
    print(f"{entry.state:9}  {printable(entry.upload.key)}: {printable(entry.reason)}{counts}", flush=True)
    for error in itertools.islice(errors, _SHOWN):
        print(f"  {printable(sentence(error))}")
    if entry.state != SUCCEEDED and (advice := next_step(entry)):
        print(f"  {printable(advice)}", flush=True)


def _as_dict(one: Sent, s3: Any) -> dict:
    if one.entry is None:
        known = {"key": one.key, "version_id": one.version_id or None, "state": None if one.problem else PROCESSING}
        return {"file": str(one.path), **known, "problem": one.problem or None}
    errors = [error.as_dict() for error in itertools.islice(row_errors(s3, one.entry), _SHOWN)]
    return {"file": str(one.path), **as_dict(one.entry), "first_errors": errors}
