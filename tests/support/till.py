"""The till as a cashier sees it: a page in a real browser."""

import re
import time

from playwright.sync_api import Locator, Page, expect

from tests.support.shop import PIN, Register


class TillScreen:
    """The screens of ``register`` in ``page``; every method leaves the till where a cashier would be."""

    def __init__(self, page: Page, register: Register) -> None:
        self.page = page
        self._url = register.server.url

    def open(self, path: str = "/") -> None:
        self.page.goto(self._url + path)

    def sign_in(self, name: str, pin: str = PIN) -> None:
        self.page.get_by_role("radiogroup", name="Employees").get_by_text(name).first.click()
        self.page.get_by_label("PIN", exact=True).last.fill(pin)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page).not_to_have_url(re.compile("/login"))

    def open_register(self, amount: str) -> None:
        self.page.get_by_label("Cash in the drawer").last.fill(amount)
        self.page.get_by_role("button", name="Open register").click()
        expect(self.page.locator("#cart")).to_be_visible()

    def tap(self, product: str) -> None:
        """One more of ``product``; waits until it stands in the cart."""
        self.page.wait_for_load_state("load")  # a new page has no script yet that hears a tap
        lines = self.page.locator("#lines .cl")
        before = lines.count()
        self.tile(product).click()
        line = self.page.locator(f'#lines .cl:has(.name:text-is("{product}"))')
        expect(line.first).to_be_visible()
        assert lines.count() in (before, before + 1)

    def tile(self, product: str) -> Locator:
        return self.page.locator(f'.tile:has(.name:text-is("{product}"))')

    def pay_exact(self) -> str:
        """Pay in cash, exactly; the receipt number."""
        self.page.locator("#pay").click()
        self.page.locator("[data-exact]").click()
        paid = self.page.locator("#paid")
        expect(paid).to_be_visible()
        return paid.get_attribute("data-number") or ""

    def sell(self, product: str) -> str:
        self.tap(product)
        return self.pay_exact()

    def expect_state(self, state: str, within: float) -> None:
        """``within`` seconds, without touching anything. Looked at every 50 ms: what ``expect`` sees every
        half second can be late by that much."""
        shown = self.page.locator(f'#indicator [data-state="{state}"]')
        deadline = time.monotonic() + within
        while not shown.is_visible():
            assert time.monotonic() < deadline, (
                f"{state} within {within} s: {self.page.locator('#indicator').inner_text()}"
            )
            self.page.wait_for_timeout(50)

    def x_report(self) -> str:
        """The text of the X report; afterwards the order screen again."""
        self.page.get_by_role("link", name="Operations").click()
        self.page.get_by_role("link", name=re.compile("X report")).click()
        expect(self.page.get_by_role("heading", name=re.compile("X report"))).to_be_visible()
        text = self.page.locator("#main").inner_text()
        self.page.get_by_role("link", name="Sell").click()
        expect(self.page.locator("#cart")).to_be_visible()
        return text
