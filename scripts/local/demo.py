"""`scripts/demo`: a git push deploys the nested stacks to a local cloud, files go through, subscribers are told."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from delivery.artifact import ROOT
from local import cloud as local_cloud
from local.additions import Additions
from local.deployment import LOADED, Deployment, DeploymentError, Ending
from sluice.contract.descriptor import DescriptorError

SAMPLES = Path(__file__).parent / "samples"
# What must become of the samples, which are stored under their keys.
EXPECTED = {
    "prices/LSE/TSCO.csv": "SUCCEEDED",
    "prices/NYSE/IBM.csv": "PARTIAL",
    "people/staff.csv": "SUCCEEDED",
    "prices/XETRA/scan.csv": "REJECTED",
    "minutes/2026-11 board meeting.txt": "IGNORED",
}
# With a database, after the others: some of its rows are in the table already, and one is not valid.
EXPECTED_AFTER = {"people/joiners.csv": "PARTIAL"}
_HEADINGS = ("file", "state", "good", "rejected", "seconds", "result", "reason")
_SHOWN = 20


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo; 0 where every file ended as it should, 1 where one did not, 130 after Ctrl-C."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        files = {key: path.read_bytes() for key, path in _files(options).items()}
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"scripts/demo: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 2
    if options.database and (reason := _missing_database()):
        print(f"scripts/demo: {reason}", file=sys.stderr)
        return 2
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f}s] {text}", file=sys.stderr, flush=True)

    try:
        return _run(options, files, say)
    except DescriptorError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 2
    except (DeploymentError, local_cloud.CloudError) as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scripts/demo: interrupted; nothing is left behind", file=sys.stderr)
        return 130


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument(
        "--upload",
        action="append",
        default=[],
        metavar="PATH=KEY",
        help="upload this file under this key instead of the samples (repeatable)",
    )
    parser.add_argument(
        "--with",
        dest="database",
        choices=["database"],
        help="deploy with a database (MariaDB in the place of Aurora) and print what was loaded into it",
    )
    parser.add_argument("--datasets", type=Path, metavar="DIR", help="deploy the descriptors (*.yaml) of DIR as well")
    parser.add_argument("--save", type=Path, metavar="DIR", help="copy results and error reports into DIR")
    parser.add_argument("--keep", action="store_true", help="leave the cloud running and say how to use it")
    options = parser.parse_args(arguments)
    for upload in options.upload:
        if "=" not in upload.strip("="):
            parser.error(f"--upload takes PATH=KEY, for example my.csv=prices/LSE/my.csv, not {upload!r}")
    return options


def _files(options: argparse.Namespace) -> dict[str, Path]:
    """The files to upload by key."""
    if not options.upload:
        return {key: SAMPLES / key for key in EXPECTED}
    # A path may hold "=": the longest one that is a file wins.
    files = {}
    for upload in options.upload:
        cuts = [position for position, character in enumerate(upload) if character == "="]
        cut = next((cut for cut in reversed(cuts) if Path(upload[:cut]).is_file()), cuts[0])
        key = upload[cut + 1 :]
        if key in files:
            raise ValueError(f"{key} is the key of two files: give each its own")
        files[key] = Path(upload[:cut])
    return files


def _run(options: argparse.Namespace, files: dict[str, bytes], say: Callable[[str], None]) -> int:
    settings = {"EnableDatabase": "true"} if options.database else {}
    with Additions(ROOT, options.datasets, settings) as additions, contextlib.ExitStack() as stack:
        if additions.datasets:
            say(f"adding to HEAD, for this demo only: {', '.join(dataset.name for dataset in additions.datasets)}")
        say("starting the local cloud" + (" and MariaDB" if options.database else ""))
        cloud = stack.enter_context(local_cloud.start(database=bool(options.database)))
        say(f"it answers at {cloud.endpoint}; creating the pipeline from pipeline.yaml")
        deployment = Deployment(cloud, say)
        say("pushing HEAD (what is not committed is not deployed)")
        execution = deployment.push(additions.checkout)
        if execution["status"] != "Succeeded":
            raise DeploymentError("the pipeline failed: its output above names the action and shows its log")
        deployment.subscribe()
        endings = []
        # One after the other, so that it is told which rows were there already.
        for some in (files, _files_after(options)):
            if some:
                say(f"uploading {len(some)} file{'s' if len(some) > 1 else ''}")
                endings += deployment.process(
                    some, each=lambda ending: say(f"{ending.key}: {ending.state} after {ending.seconds:.1f} s")
                )
        if options.save:
            uris = [uri for ending in endings for uri in (ending.result, ending.error_report)]
            saved = deployment.download(uris, options.save)
            say(f"{len(saved)} results and error reports saved in {options.save}")
        files |= _files_after(options)
        wrong = _wrong(endings, files, {} if options.upload else _expected(additions))
        _print(options, endings, wrong, cloud, deployment)
        if options.keep:
            cloud.keep()
            stack.pop_all()
    return 1 if wrong else 0


def _missing_database() -> str | None:
    """What MariaDB lacks after it has been installed where that can be done; None where nothing."""
    from local import mariadb

    mariadb.install()
    return mariadb.missing()


def _files_after(options: argparse.Namespace) -> dict[str, bytes]:
    if options.upload or not options.database:
        return {}
    return {key: (SAMPLES / key).read_bytes() for key in EXPECTED_AFTER}


def _expected(additions: Additions) -> dict[str, str]:
    """What must become of the samples, but for those that an added dataset claims."""
    claims = [dataset.key for dataset in additions.datasets]
    expected = EXPECTED | EXPECTED_AFTER
    return {key: state for key, state in expected.items() if not any(claim.fullmatch(key) for claim in claims)}


def _wrong(endings: list[Ending], files: dict[str, bytes], expected: dict[str, str]) -> list[str]:
    """What did not end as it should, in words."""
    states = {ending.key: ending.state for ending in endings}
    wrong = [f"{key}: no notification arrived" for key in files if key not in states]
    return wrong + [
        f"{key}: expected {state}, got {states[key]}"
        for key, state in expected.items()
        if key in states and states[key] != state
    ]


def _print(
    options: argparse.Namespace,
    endings: list[Ending],
    wrong: list[str],
    cloud: local_cloud.Cloud,
    deployment: Deployment,
) -> None:
    loaded = _read_tables(cloud) if options.database else {}
    if options.json:
        document = {"uploads": [ending.as_dict() for ending in endings], "wrong": wrong}
        if options.database:
            document["tables"] = loaded
        if options.keep:
            use = {"environment": cloud.environment(), "commands": _commands(cloud, deployment)}
            document["cloud"] = {"pid": cloud.pid, **use}
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    counts = LOADED if options.database else ()
    rows = [
        (
            ending.key,
            ending.state,
            str(ending.rows_good),
            str(ending.rows_rejected),
            *("-" if getattr(ending, name) is None else str(getattr(ending, name)) for name in counts),
            f"{ending.seconds:.1f}",
            ending.result or ending.error_report or "-",
            ending.reason,
        )
        for ending in endings
    ]
    _print_table([(*_HEADINGS[:4], *counts, *_HEADINGS[4:]), *rows])
    for name, found in loaded.items():
        print(f"\ntable {name}, {len(found)} rows")
        if found:
            cells = [["NULL" if value is None else str(value) for value in row.values()] for row in found[:_SHOWN]]
            _print_table([list(found[0]), *cells])
    for line in wrong:
        print(f"WRONG  {line}")
    if options.keep:
        print("\nThe cloud goes on running. To use it:\n")
        for name, value in sorted(cloud.environment().items()):
            if name not in os.environ or os.environ[name] != value:
                print(f"export {name}={value}")
        print("\n".join(_commands(cloud, deployment)))
        print(f"\nTo stop it and remove all it wrote: kill {cloud.pid}")


def _read_tables(cloud: local_cloud.Cloud) -> dict[str, list[dict]]:
    from local import tables

    return tables.read(cloud.folder)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _commands(cloud: local_cloud.Cloud, deployment: Deployment) -> list[str]:
    """What somebody may want to try on a cloud that is kept."""
    outputs = deployment.outputs()
    return [
        f"aws --endpoint-url {cloud.endpoint} {command}"
        for command in (
            f"s3 cp FILE s3://{outputs['UploadsBucket']}/prices/LSE/FILE.csv",
            f"s3 ls --recursive s3://{outputs['ResultsBucket']}",
            f"dynamodb scan --table-name {outputs['LedgerTable']}",
        )
    ]


if __name__ == "__main__":
    sys.exit(main())
