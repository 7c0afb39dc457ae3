"""`scripts/sluice dataset`: tries descriptors on sample files and writes first ones. Nothing here needs AWS."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from operations.infer import infer
from operations.samples import SampleError, chunks
from sluice.contract.check import Check
from sluice.contract.descriptor import Dataset, DescriptorError, load_dataset
from sluice.errors import PermanentError
from sluice.load.columns import create_table
from sluice.processors import NEEDS, PROCESSORS
from sluice.upload import SUCCEEDED, Outcome, RowError

_FIRST_ERRORS = 10


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds the group `dataset` to the commands of `scripts/sluice`."""
    help_text = "try a descriptor on a sample file"
    group = commands.add_parser("dataset", help=help_text, description=__doc__)
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help=help_text, description=f"check: {help_text}; 0 where all is well")
    check.add_argument("descriptor", type=Path, metavar="FILE", help="the descriptor")
    check.add_argument("sample", type=Path, nargs="?", metavar="SAMPLE", help="a file as it would be uploaded")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    help_text = "write a first descriptor from a sample file"
    infer = actions.add_parser("infer", help=help_text, description=f"infer: {help_text}; 1 where some rows do not fit")
    infer.add_argument("sample", type=Path, metavar="SAMPLE", help="a file as it would be uploaded")
    infer.add_argument("--output", type=Path, metavar="FILE", help="write it there, where no file is yet")


def run(options: argparse.Namespace) -> int:
    """Runs a command; 0 where the descriptor and the sample are fine, 1 where one is not, 2 without such a file."""
    try:
        return _check(options) if options.action == "check" else _infer(options)
    except DescriptorError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"scripts/sluice dataset: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


def try_on(dataset: Dataset, sample: Path) -> Outcome:
    """What an upload of the sample would end as, as sluice/intake.py has it, with nothing written or loaded.

    `first_errors` are the first ten.
    """
    outcome = Outcome(SUCCEEDED, "", dataset.name)

    def report(error: RowError) -> None:
        if len(outcome.first_errors) < _FIRST_ERRORS:
            outcome.first_errors.append(error)

    check = Check(dataset, chunks(sample), report)
    try:
        PROCESSORS[dataset.processor].process(check.blocks(), lambda data: None, dataset, "")
    except PermanentError as error:
        outcome.state, outcome.reason = error.state, error.reason
    else:
        outcome.state, outcome.reason = check.verdict()
    outcome.rows_good, outcome.rows_rejected, outcome.rows_blank = check.good, check.rejected, check.blank
    return outcome


def _check(options: argparse.Namespace) -> int:
    dataset = load_dataset(options.descriptor, NEEDS)
    # As it was written: the dataset itself has only the expression made of it.
    key = yaml.safe_load(options.descriptor.read_text(encoding="utf-8"))["sluice:key"]
    summary = {"dataset": dataset.name, "key": key, "processor": dataset.processor}
    if dataset.target:
        summary |= {"mode": dataset.target.mode, "table": create_table(dataset)}
    else:
        summary["result"] = dataset.result or f"{key}.{dataset.result_format}"
    outcome = None
    if options.sample:
        outcome = try_on(dataset, options.sample)
        summary |= {
            "state": outcome.state,
            "reason": outcome.reason,
            "rows_good": outcome.rows_good,
            "rows_rejected": outcome.rows_rejected,
            "rows_blank": outcome.rows_blank,
            "first_errors": [error.as_dict() for error in outcome.first_errors],
        }
    if options.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(summary, outcome)))
    return 1 if outcome and outcome.state != SUCCEEDED else 0


def _infer(options: argparse.Namespace) -> int:
    try:
        text, defects = infer(options.sample)
    except SampleError as error:
        print(f"{options.sample}: {error}", file=sys.stderr)
        return 1
    if options.output:
        with options.output.open("x", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")
    for defect in defects[:_FIRST_ERRORS]:
        print(f"{options.sample}: {defect}", file=sys.stderr)
    return 1 if defects else 0


def _lines(summary: dict, outcome: Outcome | None) -> Iterable[str]:
    for name in ("dataset", "key", "processor", "mode", "table", "result"):
        if name in summary:
            yield f"{name:9}  {summary[name]}"
    if not outcome:
        return
    yield f"{'rows':9}  {outcome.rows_good:,} good, {outcome.rows_rejected:,} rejected, {outcome.rows_blank:,} blank"
    yield f"{'state':9}  {outcome.state}: {outcome.reason}"
    for error in outcome.first_errors:
        text = json.dumps(error.as_dict()["text"], ensure_ascii=False)
        yield f"row {error.row}: {error.field or 'the row'} {error.message} ({error.error}): {text}"
