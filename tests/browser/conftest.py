"""What the tests of the page share: one browser, Debian's."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from local.programs import CHROMIUM, path_of


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running browser; skips the test where none is installed."""
    if reason := CHROMIUM.missing():
        pytest.skip(reason)
    with sync_playwright() as playwright:
        # Root has no sandbox in a container; the page is our own.
        browser = playwright.chromium.launch(executable_path=path_of("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab without a past. Fails the test where its script does, or where the policy refuses something."""
    context = browser.new_context(timezone_id="UTC", locale="en-GB", viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(5000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert not wrong
