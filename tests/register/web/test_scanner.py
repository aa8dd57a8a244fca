"""The scanner: a fast keyboard, whose codes are never lost, never doubled and never typed into a field."""

import time

import pytest
from playwright.sync_api import Page, expect

from tests.register import shop
from tests.register.web.conftest import (
    CODES,
    NAMES,
    Served,
    burst,
    key_in,
    open_till,
    sign_in,
    until,
)

pytestmark = pytest.mark.serial  # a scanner does not share its processor with other tests

#: Nobody takes the hand from the keys and pulls the trigger of a scanner faster than this (seconds).
PAUSE = 0.5


def scan_all(page: Page) -> None:
    for code in CODES:
        burst(page, code)
        time.sleep(0.02)


def test_twenty_codes_in_a_burst_give_twenty_lines_in_order(page: Page, served: Served) -> None:
    open_till(page, served)
    scan_all(page)
    until(lambda: len(served.lines()) >= 20, "all codes have arrived")
    assert served.lines() == list(NAMES)
    expect(page.locator(".cl .name")).to_have_text(list(NAMES))
    assert page.locator("#search").input_value() == ""


def test_nothing_is_lost_while_answers_are_slow(page: Page, served: Served) -> None:
    open_till(page, served)
    served.trouble.slow = 0.25
    scan_all(page)
    until(lambda: len(served.lines()) >= 20, "all codes have arrived", within=20)
    expect(page.locator(".cl .name")).to_have_text(list(NAMES))
    assert served.lines() == list(NAMES)
    assert served.trouble.posts < 20  # what waited went together


def test_lost_answers_are_asked_for_again_and_double_nothing(page: Page, served: Served) -> None:
    open_till(page, served)
    served.trouble.lose = 3
    scan_all(page)
    expect(page.locator(".cl .name")).to_have_text(list(NAMES))
    assert served.lines() == list(NAMES)
    assert set(served.quantities()) == {1}


def test_keys_that_a_page_makes_itself_are_a_scan_too(page: Page, served: Served) -> None:
    """Some scanners come through a driver that dispatches the events."""
    open_till(page, served)
    page.evaluate(
        """async (code) => {
          for (const key of [...code, "Enter"]) {
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
            await new Promise((resolve) => setTimeout(resolve, 2));
          }
        }""",
        CODES[4],
    )
    expect(page.locator(".cl .name")).to_have_text([NAMES[4]])


def test_tab_ends_a_scan_as_enter_does(page: Page, served: Served) -> None:
    open_till(page, served)
    page.keyboard.type(CODES[0], delay=2)
    page.keyboard.press("Tab")
    expect(page.locator(".cl .name")).to_have_text([NAMES[0]])


def test_a_pin_never_receives_a_scan(page: Page, served: Served) -> None:
    page.goto(served.url)
    page.get_by_text("Ada", exact=True).click()
    pin = page.locator("input[name=pin]")
    pin.focus()
    key_in(page, shop.PIN[:2])
    time.sleep(PAUSE)
    burst(page, CODES[0])
    expect(page.locator(".toast")).to_contain_text("sign in first")
    assert pin.input_value() == shop.PIN[:2]
    key_in(page, shop.PIN[2:])
    page.keyboard.press("Enter")
    page.wait_for_url("**/open")


def test_a_money_field_never_receives_a_scan(page: Page, served: Served) -> None:
    sign_in(page, served)
    amount = page.locator("input[name=float]")
    key_in(page, "50")
    expect(amount).to_have_value("0.50")
    time.sleep(PAUSE)
    burst(page, CODES[0])
    expect(page.locator(".toast")).to_contain_text("open the register first")
    expect(amount).to_have_value("0.50")


def test_a_burst_that_a_busy_machine_stretched_is_taken_back(page: Page, served: Served) -> None:
    """The first keys were typed into the amount already when the rest of the burst came."""
    sign_in(page, served)
    amount = page.locator("input[name=float]")
    key_in(page, "77")
    time.sleep(PAUSE)
    for key in CODES[0][:5]:
        page.keyboard.press(key)
    time.sleep(0.06)
    burst(page, CODES[0][5:])
    expect(page.locator(".toast")).to_be_visible()
    expect(amount).to_have_value("0.77")


def test_during_payment_a_scan_asks_to_finish_or_go_back(page: Page, served: Served) -> None:
    open_till(page, served)
    burst(page, CODES[0])
    expect(page.locator("#total")).to_have_text("1.01")
    page.locator("#pay").click()
    expect(page.locator("#due")).to_have_text("1.01")
    burst(page, CODES[1])
    expect(page.locator(".toast")).to_contain_text("finish or go back first")
    expect(page.locator("input[name=amount]")).to_have_value("")
    assert served.lines() == [NAMES[0]]


def test_a_scan_on_another_page_goes_to_the_open_sale(page: Page, served: Served) -> None:
    open_till(page, served)
    page.get_by_role("link", name="Receipts").click()
    page.wait_for_url("**/receipts")
    burst(page, CODES[2])
    expect(page.locator(".toast")).to_contain_text(NAMES[2])
    assert served.lines() == [NAMES[2]]
    assert page.locator("#search").input_value() == ""


def test_an_unknown_code_shows_a_card_and_leaves_the_sale_alone(page: Page, served: Served) -> None:
    open_till(page, served)
    burst(page, CODES[0])
    burst(page, "5999999999999")
    card = page.get_by_role("alertdialog")
    expect(card).to_contain_text("5999999999999")
    expect(page.locator(".cl")).to_have_count(1)
    page.get_by_role("button", name="Ignore").click()
    expect(card).to_have_count(0)


def test_three_of_the_next_scan(page: Page, served: Served) -> None:
    open_till(page, served)
    key_in(page, "3*")
    burst(page, CODES[0])
    expect(page.locator(".cl .qty")).to_have_text("3 ×")
    expect(page.locator("#search")).to_have_value("")
    burst(page, CODES[1])
    expect(page.locator(".cl .qty")).to_have_text(["3 ×", "1 ×"])


@pytest.mark.parametrize("fast", [0, 2])
def test_a_pin_typed_very_fast_is_no_scan(page: Page, served: Served, fast: int) -> None:
    page.goto(served.url)
    page.get_by_text("Ada", exact=True).click()
    page.keyboard.type(shop.PIN, delay=fast)
    page.keyboard.press("Enter")
    page.wait_for_url("**/open")


def test_scans_of_the_time_the_till_was_gone_are_added_after_it(page: Page, served: Served) -> None:
    """The browser keeps what was not answered and repeats it, also over a change of the page."""
    open_till(page, served)
    page.route("**/ui/scan", lambda route: route.abort())
    scan_all(page)
    time.sleep(0.4)
    assert served.lines() == []
    page.reload()
    page.unroute("**/ui/scan")
    expect(page.locator(".cl .name")).to_have_text(list(NAMES))
    assert served.lines() == list(NAMES)
