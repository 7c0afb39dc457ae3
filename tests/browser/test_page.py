"""The page in a real browser, served by the function itself: numbers, charts, and the way in."""

import importlib
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from playwright.sync_api import Page, expect

import sluice.windows
from support.http import serve
from support.temperatures import FakeWindows

# A second ago at most, whatever the hour: the page asks for the last one.
NOW = datetime.now(UTC)


def minutes(sensor: str, *degrees: str) -> list[tuple]:
    """Readings of a sensor, a minute apart, the last one now."""
    return [(sensor, NOW - timedelta(minutes=len(degrees) - 1 - number), one) for number, one in enumerate(degrees)]


def row(page: Page) -> list[str]:
    return [page.locator(f"#{name}").inner_text() for name in ("average", "min", "max", "count")]


def brightness(page: Page) -> float:
    """Of the page's background, from 0 to 255."""
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall("[0-9]+", color)[:3])) / 3


@pytest.fixture
def windows() -> FakeWindows:
    return FakeWindows(
        [
            *minutes("greenhouse", "20", "21", "22.5"),
            # Nothing in the minute before: a line in two parts.
            *minutes("roof", "-4.5", "-4", "0", "0")[:2],
            *minutes("roof", "8"),
            *minutes("boiler", "29", "31"),
        ]
    )


@pytest.fixture
def function(windows: FakeWindows, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The query function of a deployment that has a stream."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "WINDOWS_TABLE": "windows", "AUTHORIZATION": "JWT"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sluice.windows, "Windows", lambda *_: windows)
    sys.modules.pop("sluice.handlers.query", None)
    return importlib.import_module("sluice.handlers.query")


@pytest.fixture
def url(function: ModuleType) -> Iterator[str]:
    with serve(function.handler) as url:
        yield url


def test_the_page_shows_the_average_and_a_chart_of_every_sensor(page: Page, url: str):
    page.goto(url)

    expect(page.locator("#state")).to_contain_text("Live")
    # The sum of all readings by their count: the average of the sensors' averages is another one.
    assert row(page) == ["15.38 °C", "−4.5 °C", "31.0 °C", "8"]
    expect(page.locator("#all-chart svg .line")).to_have_count(1)
    cards = page.locator("article")
    expect(cards).to_have_count(3)
    for number in range(3):
        expect(cards.nth(number).locator("svg .line").first).to_be_visible()
    roof = page.locator("article", has_text="roof")
    expect(roof.locator("svg .line")).to_have_count(2)
    expect(roof).to_contain_text("8.0 °C")
    expect(roof).to_contain_text("−4.5 to 8.0 °C · 3 readings")


def test_what_the_api_answers_is_text_whatever_it_is(page: Page, url: str):
    name = "<img src=x onerror=alert(1)>"
    page.route("**/sensors?*", lambda route: route.fulfill(json={"day": "2026-11-28", "sensors": [name]}))
    page.goto(url)

    card = page.locator("article")
    expect(card.locator("h2")).to_have_text(name)
    # One that is not answered leaves the others as they are.
    expect(card).to_contain_text("Not answered (400)")
    expect(page.locator("#state")).to_contain_text("Live")


def test_the_page_is_readable_on_a_phone_and_in_the_dark(page: Page, url: str):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="light")
    page.goto(url)
    expect(page.locator("article svg .line").first).to_be_attached()
    light = brightness(page)
    page.emulate_media(color_scheme="dark")

    assert light > 200 and brightness(page) < 50
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.querySelector('#all-chart svg').getBoundingClientRect().right") <= 360


def test_the_page_goes_on_asking(page: Page, url: str, windows: FakeWindows):
    page.clock.install()
    page.goto(url)
    expect(page.locator("#count")).to_have_text("8")

    windows.add(*minutes("greenhouse", "23", "24"))
    page.clock.run_for(16_000)

    expect(page.locator("#count")).to_have_text("10")


def test_another_time_is_asked_for_with_a_coarser_resolution(page: Page, url: str):
    page.goto(url)
    expect(page.locator("#state")).to_contain_text("Live")

    with page.expect_request(lambda request: "/series?" in request.url and "resolution=hour" in request.url):
        page.get_by_role("button", name="1 week").click()

    expect(page.get_by_role("button", name="1 week")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#count")).to_have_text("8")


def test_where_the_api_is_closed_the_page_asks_for_a_token(page: Page, function: ModuleType):
    with serve(function.handler, token="good") as url:
        page.goto(url)
        expect(page.get_by_label("Token")).to_be_visible()
        expect(page.locator("#live")).to_be_hidden()

        page.get_by_label("Token").fill("another")
        page.get_by_role("button", name="Show temperatures").click()
        expect(page.get_by_role("alert")).to_contain_text("not accepted")

        page.get_by_label("Token").fill("good")
        page.keyboard.press("Enter")
        expect(page.locator("#average")).to_have_text("15.38 °C")
        expect(page.get_by_label("Token")).to_be_hidden()
        # The tab remembers it, the browser does not.
        page.reload()
        expect(page.locator("#average")).to_have_text("15.38 °C")
        assert page.evaluate("localStorage.length") == 0 and "good" not in page.url


def test_without_readings_the_page_says_so(page: Page, url: str, windows: FakeWindows):
    windows.items.clear()
    page.goto(url)

    expect(page.locator("#all-chart")).to_contain_text("No readings in this time")
    expect(page.locator("#sensors")).to_contain_text("No sensor has sent readings")
    assert row(page) == ["–", "–", "–", "0"]


def test_without_a_stream_the_page_says_so(page: Page, function: ModuleType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WINDOWS_TABLE")
    sys.modules.pop("sluice.handlers.query")
    with serve(importlib.import_module("sluice.handlers.query").handler) as url:
        page.goto(url)
        expect(page.locator("#state")).to_have_text("This deployment has no stream of temperatures.")
