"""`scripts/sluice dataset`: tries descriptors on sample files and writes first ones. Nothing here needs AWS."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from operations.exits import DONE, NOT_DONE, USAGE, CommandError
from operations.infer import infer
from operations.keys import key_template
from operations.options import JsonOption
from operations.output import print_json, say, sentence
from operations.samples import SampleError, chunks
from sluice.contract.check import Check
from sluice.contract.descriptor import Dataset, DescriptorError, load_dataset
from sluice.errors import PermanentError
from sluice.load.columns import create_table
from sluice.processors import NEEDS, PROCESSORS
from sluice.upload import SUCCEEDED, Outcome, RowError

_FIRST_ERRORS = 10


app = typer.Typer(help="Try descriptors on sample files, and write first ones.", no_args_is_help=True)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Ends a command with a message and 1 where a descriptor is refused, with 2 where a file cannot be opened."""
    try:
        yield
    except DescriptorError as error:
        say(str(error))
        raise typer.Exit(NOT_DONE) from error
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", USAGE) from error


@app.command()
@_told()
def check(
    descriptor: Annotated[Path, typer.Argument(metavar="FILE", help="The descriptor.")],
    sample: Annotated[
        Path | None, typer.Argument(metavar="[SAMPLE]", help="A file as it would be uploaded.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Try a descriptor on a sample file; 0 where all is well."""
    dataset = load_dataset(descriptor, NEEDS)
    summary = _summary(dataset, key_template(descriptor))
    outcome = try_on(dataset, sample) if sample else None
    if outcome:
        summary |= {
            "state": outcome.state,
            "reason": outcome.reason,
            "rows_good": outcome.rows_good,
            "rows_rejected": outcome.rows_rejected,
            "rows_blank": outcome.rows_blank,
            "first_errors": [error.as_dict() for error in outcome.first_errors],
        }
    if as_json:
        print_json(summary)
    else:
        print("\n".join(_lines(summary, outcome)))
    raise typer.Exit(NOT_DONE if outcome and outcome.state != SUCCEEDED else DONE)


@app.command("infer")
@_told()
def infer_command(
    sample: Annotated[Path, typer.Argument(metavar="SAMPLE", help="A file as it would be uploaded.")],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write it there, where no file is yet.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a first descriptor from a sample file; 1 where some rows do not fit."""
    try:
        text, defects = infer(sample)
    except SampleError as error:
        raise CommandError(f"{sample}: {error}") from error
    if output:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    if as_json:
        print_json({"descriptor": text, "defects": defects})
    else:
        if not output:
            print(text, end="")
        for defect in defects[:_FIRST_ERRORS]:
            say(f"{sample}: {defect}")
    raise typer.Exit(NOT_DONE if defects else DONE)


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


def _summary(dataset: Dataset, key: str) -> dict:
    summary = {"dataset": dataset.name, "key": key, "processor": dataset.processor}
    if dataset.target:
        return summary | {"mode": dataset.target.mode, "table": create_table(dataset)}
    return summary | {"result": dataset.result or f"{key}.{dataset.result_format}"}


def _lines(summary: dict, outcome: Outcome | None) -> Iterable[str]:
    for name in ("dataset", "key", "processor", "mode", "table", "result"):
        if name in summary:
            yield f"{name:9}  {summary[name]}"
    if not outcome:
        return
    yield f"{'rows':9}  {outcome.rows_good:,} good, {outcome.rows_rejected:,} rejected, {outcome.rows_blank:,} blank"
    yield f"{'state':9}  {outcome.state}: {outcome.reason}"
    yield from map(sentence, outcome.first_errors)
