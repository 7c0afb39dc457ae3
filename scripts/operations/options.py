"""Options that commands have in common."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from delivery.bootstrap import ENVIRONMENTS
from sluice.upload import FINAL_STATES, PROCESSING

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Environment = StrEnum("Environment", {name: name for name in ENVIRONMENTS})
STATES = frozenset({PROCESSING, *FINAL_STATES})


def parse_time(text: str) -> datetime:
    """A time as options take it: ISO 8601, UTC unless it says, or how long ago (30m, 2h, 7d)."""
    if ago := re.fullmatch(r"([0-9]{1,6})([smhd])", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-11-20T08:00 (UTC), or how long ago, as 2h") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def parse_states(text: str) -> tuple[str, ...]:
    """States separated by commas."""
    states = tuple(state.strip().upper() for state in text.split(","))
    if unknown := [state for state in states if state not in STATES]:
        raise typer.BadParameter(f"{', '.join(unknown)}: the states are {', '.join(sorted(STATES))}")
    return states


EnvironmentOption = Annotated[
    Environment | None,
    typer.Option("--environment", help="The deployment sluice-<environment>; needed only where there are several."),
]
StackOption = Annotated[str | None, typer.Option("--stack", help="The root stack's name, where it is another one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="An upload's key, or the id it was announced by.")]
VersionOption = Annotated[
    str | None, typer.Option("--version-id", metavar="ID", help="This version of the key instead of the newest.")
]
DatasetOption = Annotated[str | None, typer.Option("--dataset", metavar="NAME", help="Only uploads of this dataset.")]
StatesOption = Annotated[
    tuple | None,
    typer.Option("--state", metavar="STATE,...", parser=parse_states, help="Only uploads in one of these states."),
]
