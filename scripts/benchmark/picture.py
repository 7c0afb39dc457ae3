"""Draws a report: `python -m benchmark.picture REPORT.json PICTURE.png`, rows per second of each contender."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

_EXACT, _INEXACT, _FLOOR = "#1b7837", "#b2182b", "#999999"


def draw(report: dict, path: Path) -> None:
    """One panel a file, one bar a contender, coloured by whether it tells good rows from bad ones."""
    races = list(dict.fromkeys(row["file"] for row in report["contenders"]))
    heights = [sum(row["file"] == race for row in report["contenders"]) for race in races]
    figure, panels = pyplot.subplots(
        len(races), figsize=(11, 0.55 * sum(heights) + 1.2), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for race, panel in zip(races, panels[:, 0], strict=True):
        rows = [row for row in report["contenders"] if row["file"] == race]
        rows.sort(key=lambda row: row["rows_per_second"])
        rates = [row["rows_per_second"] / 1e6 for row in rows]
        bars = panel.barh([row["title"] for row in rows], rates, color=[_colour(row) for row in rows])
        labels = [f" {rate:.2f} M" + _remark(row) for rate, row in zip(rates, rows, strict=True)]
        panel.bar_label(bars, labels, fontsize=9)
        panel.set_xlim(0, max(rates) * 2.2)
        panel.set_title(f"{race}: million rows a second on one core", loc="left", fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _colour(row: dict) -> str:
    if row["contender"].endswith("_floor"):
        return _FLOOR
    return _EXACT if row["exact"] else _INEXACT


def _remark(row: dict) -> str:
    if row["contender"].endswith("_floor"):
        return ", checks nothing"
    if row["exact"]:
        return ", every row right"
    return f", wrong on {len(row['missed'])} of {row['kinds']} kinds of bad row"


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
