"""`scripts/sluice`: what operators do with a deployment, with your usual AWS configuration, and with datasets."""

import argparse
import dataclasses
import json
import sys
from datetime import UTC, datetime

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from delivery.bootstrap import ENVIRONMENTS
from operations import datasets, destroy
from operations.deadletters import DeadLetters
from operations.ended import EndedUploads, Selection
from sluice.errors import TransientError
from sluice.queue import IntakeQueue
from sluice.upload import FAILED


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0 where it was done, 1 where AWS did not do it, 2 where the command line is wrong."""
    options = _parse(arguments)
    if options.command == "dataset":
        return datasets.run(options)
    try:
        if options.command == "destroy":
            return destroy.run(options, boto3.Session())
        summary = _run(options, boto3.Session())
    except (BotoCoreError, ClientError, TransientError) as error:
        print(f"scripts/sluice {options.command}: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        for upload in summary["uploads"]:
            print(f"{upload['state']:9}  {upload['key']}  (version {upload['version_id']})")
        verb = "would be put" if options.dry_run else "put"
        print(f"{len(summary['uploads'])} uploads {verb} on the intake queue")
        if summary["dead_letters_removed"]:
            print(f"{summary['dead_letters_removed']} dead letters of theirs removed")
    return 0


def _run(options: argparse.Namespace, session: boto3.Session) -> dict:
    """Puts the uploads that are meant on the intake queue, each to reopen the attempt that stands.

    That makes it exact: of two such messages, the second finds another attempt and changes nothing.
    """
    outputs = _outputs(session, options.stack or f"sluice-{options.environment}")
    selection = _selection(options)
    ledger = EndedUploads(session.client("dynamodb"), outputs["LedgerTable"], outputs["UploadsBucket"])
    ended = ledger.select(selection)
    found = selection.failed(ended) if options.command == "redrive" else selection.newest(ended)
    removed = 0
    if not options.dry_run:
        queue = IntakeQueue(session.client("sqs"), outputs["IntakeQueueUrl"])
        queue.put(dataclasses.replace(one.upload, reopens=one.attempt) for one in found)
        if failed := {one.upload.id for one in found if one.state == FAILED}:
            removed = DeadLetters(session.client("sqs"), outputs["DeadLetterQueueUrl"]).remove(failed)
    uploads = [
        {
            "key": one.upload.key,
            "version_id": one.upload.version_id,
            "state": one.state,
            "attempt": one.attempt,
            "finished": one.finished.isoformat(),
        }
        for one in found
    ]
    return {"uploads": uploads, "dead_letters_removed": removed}


def _outputs(session: boto3.Session, stack: str) -> dict[str, str]:
    [found] = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/sluice", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in (
        ("redrive", "give FAILED uploads a fresh set of attempts; all of them, or those selected"),
        ("replay", "process uploads again that have ended in any state: the newest version of each key selected"),
    ):
        command = commands.add_parser(name, help=help_text, description=f"{name}: {help_text}")
        target = command.add_mutually_exclusive_group(required=True)
        target.add_argument("--environment", choices=ENVIRONMENTS, help="the deployment sluice-<environment>")
        target.add_argument("--stack", help="the root stack's name, where it is another one")
        keys = command.add_mutually_exclusive_group()
        keys.add_argument("--key", help="only this key")
        keys.add_argument("--prefix", help="only keys that begin with this; '' is every key")
        command.add_argument("--version-id", help="only this version of --key")
        command.add_argument("--since", type=_time, help="only what ended then or later: ISO 8601, UTC unless it says")
        command.add_argument("--until", type=_time, help="only what ended before then")
        command.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        command.add_argument("--json", action="store_true", help="print one JSON object")
    datasets.add_commands(commands)
    destroy.add_command(commands)
    options = parser.parse_args(arguments)
    if options.command in ("dataset", "destroy"):
        return options
    if options.version_id is not None and options.key is None:
        parser.error("--version-id needs --key")
    selected = (options.key, options.prefix, options.since, options.until)
    if options.command == "replay" and selected == (None,) * 4:
        parser.error("replay needs --key, --prefix, --since or --until: everything is --prefix ''")
    return options


def _selection(options: argparse.Namespace) -> Selection:
    given = {
        "key": options.key,
        "version_id": options.version_id,
        "prefix": options.prefix,
        "since": options.since,
        "until": options.until,
    }
    return Selection(**{name: value for name, value in given.items() if value is not None})


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
