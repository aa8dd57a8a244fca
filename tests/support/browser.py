"""A real Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

TILL = {"width": 1024, "height": 768}
DESK = {"width": 1920, "height": 1080}
#: ms, for a machine with a lot else to do; what must be quick says so itself.
PATIENCE = 15_000
_ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]


def launch() -> Iterator[Browser]:
    """The machine's own Chromium, closed after use."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("chromium is not here (on Debian: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One per module: while Playwright runs, its event loop keeps others out of the thread."""
    yield from launch()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh till screen, 1024×768, that fails the test on a JavaScript error."""
    context = browser.new_context(viewport=TILL)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == [], errors
