"""`scripts/sluice`: what operators do with a deployment, with your usual AWS configuration, and with datasets."""

import sys

import typer
from typer.core import TyperGroup

from delivery.advice import AWS_ERRORS, advice
from operations import (
    again,
    dashboard,
    datasets,
    destroy,
    doctor,
    logs,
    row_errors,
    status,
    subscribe,
    taskcat,
    upload,
)
from operations.exits import EPILOG, INTERRUPTED, NOT_DONE, RIGHTS, CommandError
from operations.output import say
from sluice.errors import TransientError


class _Commands(TyperGroup):
    """Commands whose errors end them with a message that says what to do, and with an exit code."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except CommandError as error:
            raise self._told(ctx, str(error), error.code) from error
        except AWS_ERRORS as error:
            raise self._told(ctx, advice(error, RIGHTS), NOT_DONE) from error
        except TransientError as error:
            raise self._told(ctx, f"{error}. Do it again", NOT_DONE) from error
        except KeyboardInterrupt as error:
            raise self._told(ctx, "interrupted", INTERRUPTED) from error

    def _told(self, ctx: typer.Context, message: str, code: int) -> typer.Exit:
        say(f"scripts/sluice {ctx.invoked_subcommand}: {message}")
        return typer.Exit(code)


app = typer.Typer(
    name="scripts/sluice",
    cls=_Commands,
    help=__doc__,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Square brackets in help texts are what they are.
    rich_markup_mode=None,
)
for name, command in {
    "upload": upload.upload,
    "status": status.status,
    "watch": status.watch,
    "errors": row_errors.errors,
    "logs": logs.logs,
    "subscribe": subscribe.subscribe,
    "redrive": again.redrive,
    "replay": again.replay,
    "doctor": doctor.doctor,
    "dashboard": dashboard.dashboard,
    "destroy": destroy.destroy_command,
    "taskcat": taskcat.taskcat_command,
}.items():
    app.command(name)(command)
app.add_typer(datasets.app, name="dataset")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code (exits.py)."""
    try:
        app(arguments, prog_name="scripts/sluice")
    except SystemExit as ended:
        return ended.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
