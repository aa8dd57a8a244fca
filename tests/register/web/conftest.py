"""A till that is really being served, and a Chromium in front of it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Page, expect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stillopen.register.app import build_app
from stillopen.register.clock import SystemClock
from stillopen.register.linkview import LineState, LinkView
from stillopen.register.till import Till
from stillopen.sync import records
from tests.register import shop
from tests.support.browser import browser, page

__all__ = ["browser", "page"]

WITHIN = 5000  # ms

#: Twenty goods with distinct 13-digit codes, for bursts of the scanner.
CODES = [f"40{n:011d}" for n in range(1, 21)]
NAMES = (
    "Espresso",
    "Flat white",
    "Oat milk latte with an extra shot of espresso",
    "Croissant",
    "Sourdough bread, sliced, 750 g",
    *(f"Item {n}" for n in range(6, 21)),
)


def products() -> dict[str, records.ProductRecord]:
    goods = {
        f"p-{n}": shop.product(
            f"A{n:03d}",
            NAMES[n - 1],
            100 + n,
            [CODES[n - 1]],
            category="c-drinks",
            picture="coffee",
        )
        for n in range(1, 21)
    }
    return goods | shop.PRODUCTS


def setting(**changes: Any) -> shop.Setting:
    return shop.Setting(products=products(), **changes)


def quick_keys(*ids: str) -> tuple[str, str, records.QuickKeysRecord]:
    return (shop.SCOPES[0], "q-1", records.QuickKeysRecord(name="All day", products=ids))


class Troubled:
    """Between browser and till: holds scans up, or carries them out and loses the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.slow = 0.0  # seconds before a scan is looked at
        self.lose = 0  # how many answers to scans still get lost
        self.posts = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/ui/scan":
            await self._app(scope, receive, send)
            return
        self.posts += 1
        time.sleep(self.slow)  # the till does nothing else meanwhile, like a machine that is busy
        if self.lose > 0:
            self.lose -= 1
            await self._app(scope, receive, _nowhere)
            await _unavailable(send)
        else:
            await self._app(scope, receive, send)


async def _nowhere(message: Message) -> None:
    """The answer that nobody hears."""


async def _unavailable(send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Served:
    """A till on a port of this machine; ``till`` may be looked at while it is being served."""

    def __init__(self, folder: Path, wanted: shop.Setting | None) -> None:
        self.till = Till.open(folder, SystemClock())
        shop.activate(self.till)
        if wanted is not None:
            shop.publish(self.till, wanted)
            shop.change(self.till, quick_keys(*list(wanted.products)[:24]))
        # Bound from here on: another test's program may come to the same number in between.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.trouble = Troubled(build_app(self.till, None))
        config = uvicorn.Config(self.trouble, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), daemon=True
        )
        self.line(LineState.CONNECTED)

    def start(self) -> None:
        self._thread.start()
        until(lambda: self._server.started, "the till is served")

    def stop(self) -> None:
        self.till.notify("stop")
        self._server.should_exit = True
        self._thread.join(10)

    def line(self, state: LineState, cause: str = "") -> None:
        """What the syncer would say of the line."""
        now = self.till.clock.now()
        self.till.set_link(LinkView(state=state, cause=cause, since=now, feed_behind=False))

    def lines(self) -> list[str]:
        """Names in the open cart, in order."""
        cart = self.till.journal.carts.open_cart()
        return [line.name for line in cart.lines] if cart else []

    def quantities(self) -> list[Decimal]:
        cart = self.till.journal.carts.open_cart()
        return [line.quantity for line in cart.lines] if cart else []

    def sales(self) -> list[int]:
        """Totals of all sales made, the newest first."""
        return [row.total or 0 for row in self.till.journal.entries.sales("", 1000, None)]


def until(what: Callable[[], object], why: str, within: float = 10.0) -> None:
    """Wait until ``what`` is true, looking every 20 ms."""
    deadline = time.monotonic() + within
    while not what():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {why}")
        time.sleep(0.02)


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve a till of the given setting; all of them end with the test."""
    running: list[Served] = []

    def begin(wanted: shop.Setting | None = setting()) -> Served:  # noqa: B008  (frozen)
        served = Served(tmp_path / f"till-{len(running)}", wanted)
        running.append(served)
        served.start()
        return served

    yield begin
    for served in running:
        served.stop()


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()


def sign_in(page: Page, served: Served, name: str = "Ada") -> None:
    """By touch, from the sign-in screen on."""
    page.goto(served.url)
    page.get_by_text(name, exact=True).click()
    tap_digits(page, shop.PIN)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)


def open_till(page: Page, served: Served) -> None:
    """Signed in, the register opened with 100.00, the order screen shown."""
    sign_in(page, served)
    tap_digits(page, "10000")
    page.get_by_role("button", name="Open register").click()
    expect(page.locator(".tile").first).to_be_visible()


def tap_digits(page: Page, digits: str) -> None:
    page.wait_for_load_state("load")  # before that the pad cannot know which field was focused
    for digit in digits:
        page.locator(f".pad [data-key='{digit}']").click()


def burst(page: Page, code: str, end: str = "\n") -> None:
    """One scan: real key events, 2 ms apart."""
    page.keyboard.type(code + end, delay=2)


def key_in(page: Page, text: str) -> None:
    """Typed by a person: 60 ms from key to key."""
    page.keyboard.type(text, delay=60)
