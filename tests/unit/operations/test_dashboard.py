"""`scripts/sluice dashboard`: the picture and what is said of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from operations.drawing import draw
from operations.metrics import Panel, Series

END = datetime(2026, 11, 28, 12, tzinfo=UTC)
SPAN = (END - timedelta(hours=3), END)
SERIES = [
    Series(r"good $\frac$", [(END - timedelta(minutes=30), 5.0), (END - timedelta(minutes=20), 7.5)]),
    Series("rejected", [(END - timedelta(minutes=20), 1.0)]),
]


def inked(path: Path, box: tuple[float, float, float, float]) -> float:
    """Which share of the points in a part of a picture (left, top, right, bottom from 0 to 1) is not white."""
    picture = imread(path)
    height, width = picture.shape[:2]
    left, top, right, bottom = box
    part = picture[int(top * height) : int(bottom * height), int(left * width) : int(right * width), :3]
    return float((part.min(axis=2) < 0.99).mean())


@pytest.fixture
def deployed(stacks):
    """A dashboard with two widgets, of which one has data."""
    cloudwatch = boto3.client("cloudwatch")
    widgets = [
        {"type": "metric", "width": 12, "properties": {"title": "Uploads", "metrics": [["Sluice", "Uploads"]]}},
        {"type": "metric", "x": 12, "width": 12, "properties": {"title": "Database", "metrics": [["AWS/RDS", "Load"]]}},
    ]
    cloudwatch.put_dashboard(DashboardName="board", DashboardBody=json.dumps({"widgets": widgets}))
    now = datetime.now(UTC) - timedelta(minutes=1)
    cloudwatch.put_metric_data(Namespace="Sluice", MetricData=[{"MetricName": "Uploads", "Timestamp": now, "Value": 1}])
    stacks.nested["Monitoring"] = {"Dashboard": ("AWS::CloudWatch::Dashboard", "board")}


def test_the_deployed_dashboard_is_drawn_and_what_has_no_data_says_so(sluice, deployed, tmp_path):
    path = tmp_path / "board.png"

    answer = sluice("dashboard", "--png", path)

    assert answer.out.splitlines() == [
        "Uploads: 1 series",
        "Database: no source: nothing here reports AWS/RDS Load",
        f"{path} shows 2 widgets",
    ]
    assert path.read_bytes().startswith(b"\x89PNG")
    document = sluice("dashboard", "--png", path, "--json").document
    assert [(one["title"], len(one["series"])) for one in document["widgets"]] == [("Uploads", 1), ("Database", 0)]


def test_a_deployment_without_a_dashboard_is_an_error(sluice, tmp_path):
    assert "sluice-staging has no dashboard" in sluice("dashboard", "--png", tmp_path / "x.png", code=1).err


def test_a_file_that_cannot_be_written_is_an_error(sluice, deployed, tmp_path):
    assert "choose a file that can be written" in sluice("dashboard", "--png", tmp_path / "no" / "x.png", code=1).err


def test_a_time_in_the_future_is_refused(sluice, deployed, tmp_path):
    assert "in the future" in sluice("dashboard", "--png", tmp_path / "x", "--since", "2126-01-01", code=2).err


def test_each_widget_stands_in_its_box(tmp_path):
    """The left half is full of lines and numbers, the right half but for one remark empty."""
    path = tmp_path / "board.png"
    panels = [
        Panel("metric", "Rows", (0, 0, 12, 6), series=SERIES, lines=[(6, "too many")], y_label="rows"),
        Panel("metric", "Stacked", (0, 6, 12, 6), series=SERIES, is_stacked=True),
        Panel("metric", "Last", (0, 12, 12, 6), view="singleValue", series=SERIES),
        Panel("metric", "", (12, 12, 12, 6), remark="no data: $ x_" + "word " * 60),
    ]

    draw(panels, "sluice-staging", SPAN, path)

    for top in (0.05, 0.37, 0.68):
        assert inked(path, (0.0, top, 0.5, top + 0.3)) > 0.005
    assert inked(path, (0.55, 0.05, 1, 0.65)) == 0
    assert 0 < inked(path, (0.5, 0.68, 1, 1)) < 0.2


def coloured(path: Path, color: tuple[float, float, float]) -> list[float]:
    """How far down a picture (from 0 to 1) the points of a colour are."""
    picture = imread(path)
    rows = (abs(picture[:, :, :3] - color) < 0.02).all(axis=2).any(axis=1).nonzero()[0]
    return [float(row / picture.shape[0]) for row in rows]


@pytest.mark.parametrize("is_stacked", [True, False])
def test_a_line_has_the_colour_of_the_widget(tmp_path, is_stacked):
    series = [replace(SERIES[0], color="#7b1fa2"), SERIES[1]]

    draw([Panel("metric", "Rows", (0, 0, 24, 6), series=series, is_stacked=is_stacked)], "x", SPAN, tmp_path / "x.png")

    assert coloured(tmp_path / "x.png", (0x7B / 255, 0x1F / 255, 0xA2 / 255))


def test_a_line_on_the_right_has_a_scale_of_its_own(tmp_path):
    """Else the small values would lie at the foot of the large ones."""
    small = Series("sessions", [(END - timedelta(minutes=30), 1.0), (END, 0.6)], "#7b1fa2")
    large = Series("%", [(END - timedelta(minutes=30), 100.0), (END, 100.0)], is_right=True)

    draw([Panel("metric", "Load", (0, 0, 24, 6), series=[small, large])], "x", SPAN, tmp_path / "x.png")

    assert min(coloured(tmp_path / "x.png", (0x7B / 255, 0x1F / 255, 0xA2 / 255))) < 0.4


def test_zeros_lie_at_the_foot(tmp_path):
    zeros = Series("dead letters", [(END - timedelta(minutes=30), 0.0), (END, 0.0)], "#7b1fa2")

    draw([Panel("metric", "Dead", (0, 0, 24, 6), series=[zeros])], "x", SPAN, tmp_path / "x.png")

    assert min(coloured(tmp_path / "x.png", (0x7B / 255, 0x1F / 255, 0xA2 / 255))) > 0.7


def test_a_value_of_an_hour_that_began_before_is_seen(tmp_path):
    hourly = Series("overdue", [(SPAN[0] - timedelta(minutes=50), 1.0)], "#7b1fa2")

    draw([Panel("metric", "Overdue", (0, 0, 24, 6), series=[hourly], period=3600)], "x", SPAN, tmp_path / "x.png")

    # And not only its name, below.
    assert min(coloured(tmp_path / "x.png", (0x7B / 255, 0x1F / 255, 0xA2 / 255))) < 0.5


def test_large_numbers_are_readable(tmp_path, monkeypatch):
    labels = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: labels.extend(figure.axes[0].get_yticklabels()))
    rows = Series("rows", [(END - timedelta(minutes=30), 200_000.0)])
    few = Series("uploads", [(END - timedelta(minutes=30), 2.0)])

    for series in (rows, few):
        draw([Panel("metric", "Rows", (0, 0, 24, 6), series=[series])], "x", SPAN, tmp_path / "x.png")

    texts = [label.get_text() for label in labels]
    assert "200,000" in texts and {"0", "1", "2"} <= set(texts) and "0.5" not in texts


def test_the_same_data_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        draw([Panel("metric", "Rows", (0, 0, 24, 6), series=SERIES)], "x", SPAN, tmp_path / name)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_dashboard_without_widgets_is_a_picture_too(tmp_path):
    draw([], "sluice-staging", SPAN, tmp_path / "x.png")

    assert (tmp_path / "x.png").stat().st_size > 0
