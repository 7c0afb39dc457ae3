"""`scripts/sluice dashboard`: the deployed dashboard as a picture, of live metrics."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from operations.deployment import Deployment, find
from operations.exits import CommandError
from operations.metrics import Metrics, Panel
from operations.options import EnvironmentOption, JsonOption, StackOption, parse_time
from operations.output import print_json, printable

_DASHBOARD = "AWS::CloudWatch::Dashboard"
# As the console does.
_SHOWN = timedelta(hours=3)


def dashboard(
    png: Annotated[Path, typer.Option("--png", metavar="FILE", dir_okay=False, help="Write the picture there.")],
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", parser=parse_time, metavar="TIME", help="Show the time from then on: ISO 8601, or 3h."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the deployed dashboard's widgets from live metrics; one without data says why it has none."""
    deployment = find(environment, stack)
    end = datetime.now(UTC)
    start = since or end - _SHOWN
    if start >= end:
        raise typer.BadParameter("--since is in the future")
    panels = _panels(deployment, start, end)
    # Slow to load, and no other command needs it.
    from operations.drawing import draw

    try:
        draw(panels, f"{deployment.stack}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC", (start, end), png)
    except OSError as error:
        raise CommandError(f"{png}: {error.strerror}: choose a file that can be written") from error
    if as_json:
        print_json({"stack": deployment.stack, "file": str(png), "widgets": [panel.as_dict() for panel in panels]})
        return
    for panel in panels:
        print(f"{printable(panel.title or panel.type)}: {printable(panel.remark) or f'{len(panel.series)} series'}")
    print(f"{png} shows {len(panels)} widgets")


def _panels(deployment: Deployment, start: datetime, end: datetime) -> list[Panel]:
    found = deployment.of_kind(_DASHBOARD)
    if not found:
        raise CommandError(f"{deployment.stack} has no dashboard: release a version whose monitoring.yaml has one")
    cloudwatch = deployment.client("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName=found[0].name)["DashboardBody"])
    metrics = Metrics(cloudwatch, start, end)
    return [metrics.panel(widget) for widget in body["widgets"]]
