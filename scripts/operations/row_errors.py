"""`scripts/sluice errors`: the row errors of an upload, readable."""

import json
import shlex
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from operations.deployment import find
from operations.entries import as_dict
from operations.exits import CommandError
from operations.next_step import next_step
from operations.options import EnvironmentOption, JsonOption, KeyArgument, StackOption, VersionOption
from operations.output import print_json, print_table, printable, quoted, say
from sluice.ledger_reader import Entry
from sluice.upload import PROCESSING, RowError

_SHOWN = 100
_HEADINGS = ("row", "field", "error", "rule", "text")


def errors(
    key: KeyArgument,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    version_id: VersionOption = None,
    everything: Annotated[bool, typer.Option("--all", help=f"All errors, not the first {_SHOWN}.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the row errors of an upload: which row, which field, which rule, which text."""
    deployment = find(environment, stack)
    entry = deployment.entry(key, version_id)
    found = list(row_errors(deployment.client("s3"), entry))
    shown = found if everything or as_json else found[:_SHOWN]
    if as_json:
        print_json({**as_dict(entry), "errors": [error.as_dict() for error in shown]})
        return
    print(f"{entry.state}  {printable(entry.upload.key)}  {printable(entry.reason)}")
    if found:
        print_table(_HEADINGS, [(one.row, one.field, one.error, one.message, quoted(one)) for one in shown])
    elif entry.state == PROCESSING:
        say("it has not ended: its errors are known when it has")
    if len(shown) < len(found):
        say(f"{len(found) - len(shown):,} more: --all shows them")
    if advice := next_step(entry, has_errors=True):
        say(advice)


def row_errors(s3: Any, entry: Entry) -> Iterator[RowError]:
    """The row errors of an upload; none where it has no error report.

    Raises CommandError where the report is no longer there.
    """
    report = entry.error_report
    if report is None:
        return
    try:
        body = s3.get_object(Bucket=report.bucket, Key=report.key, VersionId=report.version_id)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchVersion"):
            raise
        raise CommandError(
            f"the error report {report.uri} is gone (version {report.version_id}). "
            f"`scripts/sluice replay --key {shlex.quote(entry.upload.key)}` writes it anew"
        ) from error
    for line in body.iter_lines():
        yield RowError(**json.loads(line))
