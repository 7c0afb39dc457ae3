"""`scripts/demo`: a git push deploys the nested stacks to a local cloud, files go through, subscribers are told."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from delivery.artifact import ROOT
from local import cloud as local_cloud
from local.additions import Additions
from local.demonstrations import Shown, api, database, files, stream, table
from local.deployment import Deployment, DeploymentError, Ending
from sluice.contract.descriptor import DescriptorError

# In the order in which they are shown; what a later one sets wins over the settings of those before.
PARTS = {"database": database, "api": api, "stream": stream}


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo; 0 where all went as it should, 1 where something did not, 130 after Ctrl-C."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        uploads = files.given(options.upload) if options.upload else files.samples(files.EXPECTED)
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"scripts/demo: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 2
    if "database" in options.parts and (reason := database.missing()):
        print(f"scripts/demo: {reason}", file=sys.stderr)
        return 2
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f}s] {text}", file=sys.stderr, flush=True)

    try:
        return _run(options, uploads, say)
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
        dest="parts",
        action="append",
        default=[],
        metavar="PART",
        help="deploy with this as well, and show it: database (MariaDB in the place of Aurora, and what was loaded "
        "into it), stream (readings, and their true averages), api (samples for a partner's account, uploads by form, "
        "reports by link); repeatable, or separated by commas",
    )
    parser.add_argument("--datasets", type=Path, metavar="DIR", help="deploy the descriptors (*.yaml) of DIR as well")
    parser.add_argument("--save", type=Path, metavar="DIR", help="copy results and error reports into DIR")
    parser.add_argument("--keep", action="store_true", help="leave the cloud running and say how to use it")
    options = parser.parse_args(arguments)
    for upload in options.upload:
        if "=" not in upload.strip("="):
            parser.error(f"--upload takes PATH=KEY, for example my.csv=prices/LSE/my.csv, not {upload!r}")
    named = {part for given in options.parts for part in given.split(",")}
    if unknown := sorted(named - PARTS.keys()):
        parser.error(f"--with takes {', '.join(PARTS)}, not {unknown[0]!r}")
    options.parts = [part for part in PARTS if part in named]
    return options


def _run(options: argparse.Namespace, uploads: dict[str, bytes], say: Callable[[str], None]) -> int:
    settings = {name: value for part in options.parts for name, value in PARTS[part].SETTINGS.items()}
    with Additions(ROOT, options.datasets, settings) as additions, contextlib.ExitStack() as stack:
        if additions.datasets:
            say(f"adding to HEAD, for this demo only: {', '.join(dataset.name for dataset in additions.datasets)}")
        has_database = "database" in options.parts
        say("starting the local cloud" + (" and MariaDB" if has_database else ""))
        cloud = stack.enter_context(local_cloud.start(database=has_database))
        say(f"it answers at {cloud.endpoint}; creating the pipeline from pipeline.yaml")
        deployment = Deployment(cloud, say)
        say("pushing HEAD (what is not committed is not deployed)")
        execution = deployment.push(additions.checkout)
        if execution["status"] != "Succeeded":
            raise DeploymentError("the pipeline failed: its output above names the action and shows its log")
        deployment.subscribe()
        endings, wrong = _process(options, uploads, additions, deployment, say)
        shown = {part: PARTS[part].show(cloud, deployment, say) for part in options.parts}
        wrong += [line for part in shown.values() for line in part.wrong]
        _print(options, endings, shown, wrong, cloud, deployment)
        if options.keep:
            cloud.keep()
            stack.pop_all()
    return 1 if wrong else 0


def _process(
    options: argparse.Namespace,
    uploads: dict[str, bytes],
    additions: Additions,
    deployment: Deployment,
    say: Callable[[str], None],
) -> tuple[list[Ending], list[str]]:
    """Sends the files through; how they ended, and what of it is not as it should be."""
    after = files.samples(files.EXPECTED_AFTER) if "database" in options.parts and not options.upload else {}
    endings = []
    # One after the other, so that it is told which rows were there already.
    for some in filter(None, (uploads, after)):
        say(f"uploading {len(some)} file{'s' if len(some) > 1 else ''}")
        endings += deployment.process(
            some, each=lambda ending: say(f"{ending.key}: {ending.state} after {ending.seconds:.1f} s")
        )
    if options.save:
        uris = [uri for ending in endings for uri in (ending.result, ending.error_report)]
        saved = deployment.download(uris, options.save)
        say(f"{len(saved)} results and error reports saved in {options.save}")
    expected = {} if options.upload else files.expected(additions)
    return endings, files.wrong(endings, [*uploads, *after], expected)


def _print(
    options: argparse.Namespace,
    endings: list[Ending],
    shown: dict[str, Shown],
    wrong: list[str],
    cloud: local_cloud.Cloud,
    deployment: Deployment,
) -> None:
    if options.json:
        document = {"uploads": [ending.as_dict() for ending in endings], "wrong": wrong}
        for part in shown.values():
            document |= part.document
        if options.keep:
            use = {"environment": cloud.environment(), "commands": _commands(cloud, deployment)}
            document["cloud"] = {"pid": cloud.pid, **use}
            if page := _page(cloud, deployment):
                document["cloud"]["page"] = page
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    print("", *table(files.rows(endings, "database" in options.parts)), sep="\n")
    for part in shown.values():
        print(*part.text, sep="\n")
    for line in wrong:
        print(f"WRONG  {line}")
    if options.keep:
        _tell_use(cloud, deployment)


def _tell_use(cloud: local_cloud.Cloud, deployment: Deployment) -> None:
    print("\nThe cloud goes on running. To use it:\n")
    for name, value in sorted(cloud.environment().items()):
        if name not in os.environ or os.environ[name] != value:
            print(f"export {name}={value}")
    print("\n".join(_commands(cloud, deployment)))
    if page := _page(cloud, deployment):
        print(f"\nThe page: {page}")
    print(f"\nTo stop it and remove all it wrote: kill {cloud.pid}")


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


def _page(cloud: local_cloud.Cloud, deployment: Deployment) -> str:
    """The address of the API's page for a browser, which takes every name under localhost to this machine."""
    if not (url := deployment.outputs().get("ApiUrl")):
        return ""
    host, port = url.partition("://")[2].partition(":")[0], cloud.endpoint.rpartition(":")[2]
    return f"http://{host}:{port}/"


if __name__ == "__main__":
    sys.exit(main())
