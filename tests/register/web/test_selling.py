"""A sale by touch, a sale by the keys alone, and what happens around them."""

import re

from playwright.sync_api import Page, Route, expect

from stillopen.domain.pricing import Price
from stillopen.domain.totals import Rules
from tests.register import shop
from tests.register.web.conftest import (
    CODES,
    Serve,
    Served,
    burst,
    key_in,
    open_till,
    products,
    quick_keys,
    setting,
    sign_in,
    tap_digits,
    until,
)


def tile(page: Page, name: str) -> None:
    page.locator(".tile", has_text=name).first.click()


def total(page: Page, text: str) -> None:
    expect(page.locator("#total")).to_have_text(text)


def change(page: Page, text: str) -> None:
    expect(page.locator("#paid .amount")).to_have_text(text)


def test_a_sale_by_touch(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    tile(page, "Flat white")
    tile(page, "Croissant")
    total(page, "3.08")
    page.locator("#pay").click()
    page.get_by_role("button", name="5.00", exact=True).click()
    change(page, "1.92")
    assert served.sales() == [308]
    tile(page, "Espresso")  # the next sale begins: no tap to close the last one
    expect(page.locator("#paid")).to_have_count(0)
    expect(page.locator(".cl")).to_have_count(1)


def test_change_is_the_largest_thing_on_the_screen(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    page.locator("#pay").click()
    page.get_by_role("button", name="2.00", exact=True).click()
    change(page, "0.98")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
          .filter((e) => e.offsetParent && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
          .map((e) => [parseFloat(getComputedStyle(e).fontSize), e.className])"""
    )
    assert max(sizes)[1].strip() == "amount"


def test_a_whole_shift_by_the_keys_alone(page: Page, served: Served) -> None:
    page.goto(served.url)
    page.locator("input[value='1']").focus()  # as the Tab key reaches it
    page.keyboard.press("Space")
    key_in(page, shop.PIN)
    page.keyboard.press("Enter")
    page.wait_for_url("**/open")
    key_in(page, "100.")
    page.keyboard.press("Enter")
    expect(page.locator(".tile").first).to_be_visible()

    key_in(page, CODES[0])
    page.keyboard.press("Enter")
    total(page, "1.01")
    key_in(page, "3*A002")
    page.keyboard.press("Enter")
    total(page, "4.07")
    key_in(page, CODES[5])
    page.keyboard.press("Enter")
    total(page, "5.13")
    page.keyboard.press("Backspace")
    total(page, "4.07")
    key_in(page, "/croi")
    expect(page.locator(".tile .name")).to_have_text(["Croissant", "Croissant"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    total(page, "5.11")
    page.keyboard.press("F2")
    expect(page.locator("#due")).to_have_text("5.11")
    key_in(page, "2000")
    page.keyboard.press("Enter")
    change(page, "14.89")
    assert served.sales() == [511]

    key_in(page, CODES[1])
    page.keyboard.press("Enter")
    total(page, "1.02")
    page.keyboard.press("F2")
    expect(page.locator("#due")).to_be_visible()
    page.keyboard.press("F2")
    page.keyboard.press("Enter")
    expect(page.locator("#paid")).to_contain_text("Paid")
    assert served.sales() == [102, 511]


def test_typing_finds_products_and_escape_clears(page: Page, served: Served) -> None:
    open_till(page, served)
    key_in(page, "sour")
    expect(page.locator(".tile")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".tile")).to_have_count(24)
    expect(page.locator("#search")).to_have_value("")


def test_a_line_is_edited_in_place(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    page.locator(".cl .open").click()
    tap_digits(page, "4")
    page.get_by_role("button", name="Set quantity").click()
    total(page, "4.08")
    page.locator(".cl .open").click()
    page.get_by_role("tab", name="Discount").click()
    expect(page.get_by_role("button", name="Give discount")).to_be_visible()
    tap_digits(page, "50")
    page.get_by_role("button", name="Give discount").click()
    total(page, "2.04")
    page.locator(".cl .open").click()
    page.get_by_role("tab", name="Note").click()
    page.get_by_label("Note on this line").fill("no sugar")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".cl")).to_contain_text("no sugar")
    page.locator(".cl .open").click()
    page.get_by_role("button", name="Remove this line").click()
    expect(page.locator(".cl")).to_have_count(0)
    total(page, "0.00")


def test_a_scan_leaves_an_open_editor_as_it_is(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    page.locator(".cl .open").click()
    tap_digits(page, "7")
    burst(page, CODES[9])
    expect(page.locator(".cl")).to_have_count(2)
    expect(page.locator("input[name=quantity]")).to_have_value("7")
    page.get_by_role("button", name="Set quantity").click()
    expect(page.locator(".cl .qty")).to_have_text(["7 ×", "1 ×"])


def test_discount_customer_and_note_of_the_sale(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    page.get_by_role("button", name="More…").click()
    page.get_by_role("button", name="Discount on the sale").click()
    page.get_by_role("button", name="50 %").click()
    total(page, "0.51")
    page.get_by_role("button", name="More…").click()
    page.get_by_role("button", name="Customer code").click()
    expect(page.locator("[data-scan-here]")).to_be_visible()
    burst(page, "CARD-0042")
    expect(page.locator(".cart .head")).to_contain_text("CARD-0042")
    page.locator("#pay").click()
    page.get_by_role("button", name="Exact").click()
    expect(page.locator("#paid")).to_be_visible()
    number = page.locator("#paid").get_attribute("data-number")
    page.goto(f"{served.url}/receipts/{number}")
    expect(page.locator(".paper")).to_contain_text("CARD-0042")
    expect(page.locator(".paper")).to_contain_text("Discount on the sale")


def test_parking_and_taking_up_again(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    total(page, "1.02")
    page.keyboard.press("F4")
    total(page, "0.00")
    page.get_by_role("button", name="1 parked").click()
    page.get_by_role("button", name="Take up").click()
    total(page, "1.02")


def test_cash_and_card_together(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    tile(page, "Croissant")
    page.locator("#pay").click()
    tap_digits(page, "100")
    page.get_by_role("button", name="Cash", exact=True).click()
    expect(page.locator("#due")).to_have_text("1.06")
    page.get_by_role("button", name=re.compile("External card")).click()
    expect(page.locator(".due .amount")).to_have_text("1.06")
    page.get_by_label("Reference").fill("SLIP 77")
    page.get_by_role("button", name="Accepted").click()
    expect(page.locator("#paid")).to_contain_text("card 1.06 · cash 1.00")
    page.goto(f"{served.url}/receipts/S1-R1-000001")
    expect(page.locator(".paper")).to_contain_text("SLIP 77")


def test_a_declined_card_leaves_the_sale_open(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    page.locator("#pay").click()
    page.get_by_role("button", name=re.compile("External card")).click()
    page.get_by_role("button", name="Declined").click()
    expect(page.locator("[role=alert]")).to_contain_text("not charged")
    page.get_by_role("button", name="Exact").click()
    expect(page.locator("#paid")).to_be_visible()
    assert served.sales() == [102]


def test_a_card_payment_that_was_interrupted_is_asked_about(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    page.locator("#pay").click()
    page.get_by_role("button", name=re.compile("External card")).click()
    expect(page.get_by_role("button", name="Accepted")).to_be_visible()
    page.goto(f"{served.url}/sell")
    expect(page.locator(".note.yellow")).to_contain_text("was it paid?")
    page.get_by_role("button", name="Accepted").click()
    expect(page.locator("#paid")).to_be_visible()
    assert served.sales() == [102]


def test_an_amount_ten_times_too_large_is_asked_about_once(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    page.locator("#pay").click()
    tap_digits(page, "5000")
    page.get_by_role("button", name="Cash", exact=True).click()
    expect(page.locator(".sure")).to_contain_text("50.00 is more than ten times")
    assert served.sales() == []
    page.get_by_role("button", name="Yes, take 50.00").click()
    change(page, "48.98")


def test_cash_is_rounded_where_the_shop_says_so(page: Page, serve: Serve) -> None:
    served = serve(setting(rules=Rules(currency="EUR", cash_rounding=5)))
    open_till(page, served)
    tile(page, "Flat white")
    page.locator("#pay").click()
    page.get_by_role("button", name="Exact 1.00").click()
    expect(page.locator("#paid")).to_contain_text("€1.00 paid")


def test_sold_out_says_so_and_adds_nothing(page: Page, serve: Serve) -> None:
    served = serve(shop.Setting(products=shop.PRODUCTS))
    open_till(page, served)
    tile(page, "Strawberries")
    expect(page.locator(".toast")).to_contain_text("sold out")
    assert served.lines() == []


def test_a_new_price_reaches_the_tiles_without_a_touch(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Croissant")
    total(page, "1.04")
    key_in(page, "fla")
    price = page.locator("#p-p-2 .price")
    expect(price).to_have_text("1.02")
    dearer = shop.product("A002", "Flat white", 199, [CODES[1]], category="c-drinks")
    shop.change(served.till, (shop.SCOPES[0], "p-2", dearer))
    expect(price).to_have_text("1.99")
    expect(page.locator("#search")).to_have_value("fla")  # what is being typed stands
    total(page, "1.04")  # and so does the cart
    page.keyboard.press("Escape")
    expect(page.locator(".tile")).to_have_count(24)
    shop.change(served.till, (shop.SCOPES[0], "p-2", products()["p-2"]), quick_keys("p-2", "p-3"))
    expect(page.locator(".tile")).to_have_count(2)
    expect(price).to_have_text("1.02")


def test_tiles_that_nobody_may_see_any_more_stay_until_the_page_goes(
    page: Page, served: Served
) -> None:
    """The answer to a page of someone who is signed out has no tiles: it only leads elsewhere."""
    open_till(page, served)

    def leads_elsewhere(route: Route) -> None:
        route.fulfill(status=200, body="", headers={"HX-Redirect": "/login"})

    address = str(page.locator("#tiles").get_attribute("data-refresh"))
    page.route(lambda url: url.endswith(address), leads_elsewhere)
    changed = shop.product("A002", "Flat white", 500, prices=(Price(amount=500),))
    with page.expect_response(lambda answer: answer.url.endswith(address)):
        shop.change(served.till, (shop.SCOPES[0], "p-2", changed))
    page.wait_for_timeout(200)  # for what the page makes of it
    expect(page.locator(".tile").first).to_be_visible()


def test_a_price_that_changes_while_the_page_does_not_listen_is_shown_once_it_does(
    page: Page, served: Served
) -> None:
    open_till(page, served)
    page.route("**/ui/events", lambda route: route.abort())
    page.reload()
    price = page.locator("#p-p-2 .price")
    expect(price).to_have_text("1.02")
    dearer = shop.product("A002", "Flat white", 199, [CODES[1]], category="c-drinks")
    shop.change(served.till, (shop.SCOPES[0], "p-2", dearer))
    expect(price).to_have_text("1.02")
    page.unroute("**/ui/events")
    expect(price).to_have_text("1.99")


def test_a_price_change_does_not_touch_a_payment_under_way(page: Page, served: Served) -> None:
    open_till(page, served)
    tile(page, "Flat white")
    page.locator("#pay").click()
    tap_digits(page, "12")
    changed = shop.product("A002", "Flat white", 500, prices=(Price(amount=500),))
    shop.change(served.till, (shop.SCOPES[0], "p-2", changed))
    page.wait_for_timeout(400)
    expect(page.locator("input[name=amount]")).to_have_value("0.12")
    expect(page.locator("#due")).to_have_text("1.02")


def test_several_employees_sign_in_for_each_sale_and_the_change_stays(
    page: Page, serve: Serve
) -> None:
    served = serve(setting(several_employees=True))
    open_till(page, served)
    tile(page, "Flat white")
    page.locator("#pay").click()
    page.get_by_role("button", name="2.00", exact=True).click()
    page.wait_for_url("**/login")
    change(page, "0.98")
    sign_in(page, served, "Max")
    change(page, "0.98")
    tile(page, "Espresso")
    expect(page.locator("#paid")).to_have_count(0)


def test_two_quick_taps_are_two(page: Page, served: Served) -> None:
    open_till(page, served)
    page.locator(".tile", has_text="Flat white").first.dblclick()
    expect(page.locator(".cl .qty")).to_have_text("2 ×")
    page.locator("#pay").click()
    page.get_by_role("button", name="Exact").dblclick()
    expect(page.locator("#paid")).to_be_visible()
    until(lambda: served.sales() == [204], "one sale")


def test_pay_waits_for_the_first_item(page: Page, served: Served) -> None:
    open_till(page, served)
    served.trouble.slow = 0.5
    page.locator(".tile", has_text="Flat white").first.click()
    page.keyboard.press("F2")
    expect(page.locator("#due")).to_be_visible()


def test_parking_waits_for_the_first_item(page: Page, served: Served) -> None:
    open_till(page, served)
    served.trouble.slow = 0.5
    page.locator(".tile", has_text="Flat white").first.click()
    page.keyboard.press("F4")
    expect(page.get_by_role("button", name="1 parked")).to_be_visible()


def test_taps_and_keys_before_the_scripts_are_there_are_carried_out_in_their_order(
    page: Page, served: Served
) -> None:
    open_till(page, served)
    scripts: list[Route] = []
    page.route("**/static/till/main.js", lambda route: scripts.append(route))
    page.reload(wait_until="commit")
    page.locator(".tile", has_text="Flat white").first.click()
    page.keyboard.press("F4")
    burst(page, CODES[3])
    total(page, "0.00")
    for script in scripts:
        script.continue_()
    expect(page.get_by_role("button", name="1 parked")).to_be_visible()
    expect(page.locator(".cl")).to_have_count(1)
    total(page, "1.04")


def test_an_address_that_leads_nowhere_leads_back(page: Page, served: Served) -> None:
    open_till(page, served)
    answer = page.goto(served.url + "/nonsense")
    assert answer is not None
    assert answer.status == 404
    page.get_by_role("link", name="Go back to the till").click()
    expect(page.locator("#cart")).to_be_visible()
