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
from matplotlib.ticker import FuncFormatter, MaxNLocator

from operations.metrics import Panel, Series

_COLUMNS = 24
# Inches of a column and of a row.
_COLUMN, _ROW = 0.62, 0.42
_TITLE = 0.5
# Of each panel's box, for its title, the labels of its axes and what its lines are called: left, bottom, right and top,
# in inches.
_MARGINS = (0.55, 0.6, 0.4, 0.35)
# Of a legend's line.
_ENTRIES = 5
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
        figure.savefig(path, dpi=85, format="png", metadata={"Software": None}, pil_kwargs={"optimize": True})


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
    right = axes
    if any(series.is_right for series in panel.series):
        right = axes.twinx()
        right.grid(visible=False)
    if panel.is_stacked:
        _draw_bars(axes, panel)
    else:
        for number, series in enumerate(panel.series):
            (right if series.is_right else axes).plot(
                *zip(*_line(series, panel.period, span), strict=True),
                label=series.label,
                color=series.color or f"C{number}",
                marker=".",
                markersize=4,
                linewidth=1.2,
            )
    for value, label in panel.lines:
        axes.axhline(value, color="#b2182b", linewidth=1, linestyle="--")
        axes.annotate(label, (0.995, value), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7)
    axes.set_xlim(*span)
    for scale in {axes, right}:
        _begin_at_zero(scale)
    axes.set_ylabel(panel.y_label)
    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    # The day is in the title.
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC, show_offset=False))
    drawn = [axes.get_legend_handles_labels(), *([right.get_legend_handles_labels()] if right is not axes else [])]
    handles, labels = (sum(parts, []) for parts in zip(*drawn, strict=True))
    # Below, where it hides nothing.
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(-0.02, -0.14), fontsize=7, frameon=False, ncols=_ENTRIES,
        borderaxespad=0, columnspacing=1, handlelength=1.2,
    )  # fmt: skip


def _line(series: Series, period: float, span: tuple[datetime, datetime]) -> list[tuple[datetime, float]]:
    """The points of a series within the span, before which a period may have begun; of a lone one, all its period."""
    points = [(max(time, span[0]), value) for time, value in series.points]
    if len(points) == 1:
        [(began, value)] = series.points
        points.append((min(began + timedelta(seconds=period), span[1]), value))
    return points


def _draw_bars(axes: Axes, panel: Panel) -> None:
    """In bars, as a lone value would be no area."""
    width, below = timedelta(seconds=panel.period), defaultdict(float)
    for number, series in enumerate(panel.series):
        times, values = zip(*series.points, strict=True)
        bottom = [below[time] for time in times]
        axes.bar(times, values, width, bottom, align="edge", label=series.label, color=series.color or f"C{number}")
        for time, value in series.points:
            below[time] += value


def _begin_at_zero(axes: Axes) -> None:
    """A scale from 0 on, or from below where values are; zeros alone are at its foot."""
    low, high = axes.dataLim.ymin, axes.dataLim.ymax
    top = max(high, 0) * 1.05 or 1
    # A little below, where what lies on it is seen.
    axes.set_ylim(min(low * 1.05, -0.03 * top), top)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=_are_whole(axes), steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _are_whole(axes: Axes) -> bool:
    """Whether all that is drawn are whole numbers: counts."""
    values = [*(value for line in axes.lines for value in line.get_ydata())]
    values += [side for bar in axes.patches for side in (bar.get_y(), bar.get_height())]
    return all(float(value).is_integer() for value in values)


def _draw_numbers(axes: Axes, panel: Panel) -> None:
    """The last value of each series, large, above its name."""
    axes.set_axis_off()
    for number, series in enumerate(panel.series):
        x = (number + 0.5) / len(panel.series)
        value = series.points[-1][1]
        axes.text(x, 0.6, f"{value:,.4g}", fontsize=16, weight="bold", ha="center", transform=axes.transAxes)
        axes.text(x, 0.25, series.label, fontsize=7, ha="center", transform=axes.transAxes)
