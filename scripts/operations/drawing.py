"""Draws the panels of a dashboard as a picture, laid out as the console lays them out."""

import textwrap
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from operations.metrics import Panel

_COLUMNS = 24
# Inches of a column and of a row.
_COLUMN, _ROW = 0.62, 0.42
_TITLE = 0.5
# Of each panel's box, for its title and the labels of its axes: left, bottom, right and top, in inches.
_MARGINS = (0.55, 0.55, 0.3, 0.35)
_STYLE = {
    # A dollar sign or an underscore in a name is no formula.
    "text.parse_math": False,
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def draw(panels: Sequence[Panel], title: str, span: tuple[datetime, datetime], path: Path) -> None:
    """Draws the panels; `span` is the time that they show. Raises OSError where the file cannot be written."""
    rows = max((top + height for panel in panels for _, top, _, height in [panel.box]), default=1)
    width, height = _COLUMNS * _COLUMN, rows * _ROW + _TITLE
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        figure.text(0.01, 1 - 0.3 / height, title, fontsize=11, weight="bold", va="center")
        for panel in panels:
            _draw_panel(figure, panel, span, (width, height))
        # No version of the library, so that the same data is the same file.
        figure.savefig(path, dpi=110, format="png", metadata={"Software": None})


def _draw_panel(figure: Figure, panel: Panel, span: tuple[datetime, datetime], size: tuple[float, float]) -> None:
    column, row, columns, rows = panel.box
    left, bottom, right, top = _MARGINS
    x, y = column * _COLUMN + left, size[1] - _TITLE - (row + rows) * _ROW + bottom
    wide, high = columns * _COLUMN - left - right, max(rows * _ROW - bottom - top, 0.1)
    axes = figure.add_axes((x / size[0], y / size[1], wide / size[0], high / size[1]))
    axes.set_title(panel.title, loc="left")
    if panel.remark:
        _draw_text(axes, panel, wide)
    elif panel.view == "timeSeries":
        _draw_lines(axes, panel, span)
    else:
        _draw_numbers(axes, panel)


def _draw_text(axes: Axes, panel: Panel, wide: float) -> None:
    axes.set_axis_off()
    lines = [part for line in panel.remark.splitlines() for part in textwrap.wrap(line, int(wide * 14)) or [""]]
    grey = "#666666" if panel.type == "metric" else "#222222"
    axes.text(0, 1, "\n".join(lines), va="top", color=grey, transform=axes.transAxes)


def _draw_lines(axes: Axes, panel: Panel, span: tuple[datetime, datetime]) -> None:
    if panel.is_stacked:
        # In bars, as a lone value would be no area.
        width, below = timedelta(seconds=panel.period), defaultdict(float)
        for series in panel.series:
            times, values = zip(*series.points, strict=True)
            bottom = [below[time] for time in times]
            axes.bar(times, values, width, bottom, align="edge", label=series.label, alpha=0.7)
            for time, value in series.points:
                below[time] += value
    else:
        for series in panel.series:
            # One point alone would be no line.
            axes.plot(*zip(*series.points, strict=True), label=series.label, marker=".", markersize=4, linewidth=1.2)
    for value, label in panel.lines:
        axes.axhline(value, color="#b2182b", linewidth=1, linestyle="--")
        axes.annotate(label, (0.995, value), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7)
    axes.set_xlim(*span)
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    axes.set_ylabel(panel.y_label)
    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    axes.legend(loc="upper left", fontsize=7, framealpha=0.6, ncols=2)


def _draw_numbers(axes: Axes, panel: Panel) -> None:
    """The last value of each series, large, above its name."""
    axes.set_axis_off()
    for number, series in enumerate(panel.series):
        x = (number + 0.5) / len(panel.series)
        value = series.points[-1][1]
        axes.text(x, 0.6, f"{value:,.4g}", fontsize=16, weight="bold", ha="center", transform=axes.transAxes)
        axes.text(x, 0.25, series.label, fontsize=7, ha="center", transform=axes.transAxes)
