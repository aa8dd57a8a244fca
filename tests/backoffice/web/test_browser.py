"""The pages in a real browser: what htmx, keys and style add to them."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from stillopen.backoffice.accounts.opening import open_store
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.models import Head
from tests.backoffice.web.market import EMAIL, PASSWORD, Market, make_busy
from tests.support.browser import DESK, TILL


@pytest.fixture
def signed_in(page: Page, site: str) -> Page:
    page.goto(f"{site}/products")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Products")).to_be_visible()
    return page


def test_a_price_by_keyboard_from_search_to_publish(signed_in: Page, market: Market) -> None:
    page = signed_in
    page.keyboard.press("/")
    page.keyboard.type("flat")
    expect(page.locator("tbody tr")).to_have_count(1)
    price = page.get_by_label("Price of Flat white")
    price.fill("9.99")
    page.keyboard.press("Escape")
    expect(price).to_have_value("3.50")
    price.fill("dear")
    price.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("write digits")
    price.fill("1234567.89")
    assert price.evaluate("(field) => field.scrollWidth <= field.clientWidth")
    price.fill("3,80")
    price.press("Enter")
    expect(page.get_by_text("price 3.50 → 3.80")).to_be_visible()
    expect(page.locator("#changes-bar")).to_contain_text("1 change not published")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator(".toast")).to_contain_text("Published as number")
    expect(page.locator("#changes-bar")).to_be_empty()


def test_what_stands_alone_stands_in_the_middle(page: Page, site: str) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    for path in ("/login", "/no-such-page"):
        page.goto(site + path)
        box = page.locator(".sign-in .card").bounding_box()
        assert box is not None and abs(box["x"] + box["width"] / 2 - 960) <= 1


def test_a_phone_shows_each_page_without_sideways_scrolling(
    signed_in: Page, site: str, market: Market
) -> None:
    """A blocked register is unblocked from one, and an owner looks at the day on one."""
    make_busy(market, timezone.now())
    page, till = signed_in, Register.objects.order_by("name")[0]
    page.set_viewport_size({"width": 390, "height": 844})
    for path in (*PAGES, f"registers/{till.id}"):
        page.goto(f"{site}/{path}")
        box = page.locator("main").bounding_box()
        assert box is not None and box["width"] >= 380
        assert (path, page.evaluate("document.documentElement.scrollWidth")) == (path, 390)
        assert (path, page.evaluate(FRAMES_THAT_SCROLL)) == (path, 0)


def test_a_badge_stays_in_its_place_of_the_navigation(
    signed_in: Page, site: str, market: Market
) -> None:
    seller = market.seller()
    seller.open(timezone.now())
    for _ in range(120):
        seller.till.add_bytes(b"{}")
    seller.send(timezone.now())
    page = signed_in
    page.goto(f"{site}/exceptions")
    place = page.locator(".nav a", has_text="Exceptions").bounding_box()
    badge = page.locator(".nav .badge").bounding_box()
    assert place is not None and badge is not None
    assert badge["x"] + badge["width"] <= place["x"] + place["width"]


def test_sold_out_with_one_press(signed_in: Page) -> None:
    row = signed_in.get_by_role("row", name="Croissant")
    row.get_by_role("button", name="Mark sold out").click()
    expect(row.get_by_text("Sold out")).to_be_visible()
    row.get_by_role("button", name="Sell again").click()
    expect(row.get_by_role("button", name="Mark sold out")).to_be_visible()


def test_a_refresh_leaves_the_focus_where_it_was(
    signed_in: Page, site: str, market: Market
) -> None:
    make_busy(market, timezone.now())
    page = signed_in
    for path, link in (("/registers", "a.row-link"), ("/", "a.till"), ("/", "details > summary")):
        page.goto(site + path)
        page.locator(f"#live {link}").last.focus()
        page.evaluate("document.getElementById('live').dataset.old = 'yes'")
        page.evaluate("htmx.ajax('GET', location.pathname, {source: '#live', target: '#live'})")
        expect(page.locator("#live[data-old]")).to_have_count(0)
        expect(page.locator(f"#live {link}").last).to_be_focused()


def test_registers_refresh_by_themselves(signed_in: Page, site: str, market: Market) -> None:
    page = signed_in
    seller = market.seller()
    page.goto(f"{site}/registers")
    expect(page.get_by_text("Never synced")).to_be_visible()
    seller.open(timezone.now())
    seller.send(timezone.now())
    expect(page.get_by_text("Connected")).to_be_visible(timeout=8000)
    expect(page.get_by_text("all 1 received")).to_be_visible()


def test_a_publication_is_followed_to_the_registers(
    signed_in: Page, site: str, market: Market
) -> None:
    page = signed_in
    seller = market.seller()
    seller.open(timezone.now())
    seller.send(timezone.now())
    page.goto(f"{site}/changes")
    expect(page.locator("#applied")).to_contain_text("behind")
    heads = Head.objects.filter(account_id=market.account.id)
    seller.register.refresh_from_db()
    seller.register.cursors = dict(heads.values_list("scope", "seq"))
    seller.register.save(update_fields=["cursors"])
    expect(page.locator("#applied")).to_contain_text("Applied")


def test_receipts_are_found_while_typing(signed_in: Page, site: str, market: Market) -> None:
    page = signed_in
    seller, now = market.seller(), timezone.now()
    seller.open(now)
    for i in range(3):
        seller.sell(now + timedelta(seconds=i), [(market.products[i], "1")])
    seller.send(now)
    page.goto(f"{site}/receipts")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Number").fill("000002")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("number=000002"))
    page.get_by_role("link", name="S1-R1-000002").click()
    expect(page.locator(".receipt-paper")).to_contain_text("Espresso")
    page.emulate_media(media="print")
    expect(page.locator(".nav")).to_be_hidden()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    expect(page.locator(".receipt-paper")).to_be_visible()


def test_the_store_is_chosen_at_the_top(signed_in: Page, market: Market) -> None:
    open_store(market.account, "S2", "Harbour", "Europe/Berlin", None)
    page = signed_in
    page.reload()
    page.get_by_label("Store", exact=True).select_option(label="S2 Harbour")
    page.wait_for_load_state()
    expect(page.get_by_label("Store", exact=True)).to_have_value(
        str(market.account.stores.get(code="S2").id)
    )


PAGES = ("", "receipts", "shifts", "registers", "products", "stock", "employees", "exceptions",
         "changes", "registers/new", "employees/new")  # fmt: skip


FRAMES_THAT_SCROLL = """() => [...document.querySelectorAll(".table-box, .card")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1).length"""
#: What acts and is lower than a finger; links within a sentence and boxes beside their words do not count.
TOO_LOW = """() => [...document.querySelectorAll("button, a, summary, input, select, label.tick")]
  .filter((e) => e.offsetParent && !e.closest(".hidden-label, .skip, p") && !e.matches(".tick input"))
  .filter((e) => Math.round(e.getBoundingClientRect().height) < 40)
  .map((e) => `${e.tagName} ${e.textContent.trim() || e.name}`)"""


@pytest.mark.parametrize(("size", "scheme"), [(TILL, "light"), (DESK, "dark")])
def test_no_page_is_wider_than_the_screen_or_loads_from_elsewhere(
    browser: Browser, site: str, market: Market, size: dict[str, int], scheme: str
) -> None:
    make_busy(market, timezone.now())
    context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda r: None if r.url.startswith((site, "data:")) else wrong.append(r.url))
    page.goto(f"{site}/login")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site}/")
    for name in PAGES:
        page.goto(f"{site}/{name}")
        width = page.evaluate("document.documentElement.scrollWidth")
        boxes = page.evaluate(FRAMES_THAT_SCROLL)
        assert (name, width, boxes) == (name, size["width"], 0)
        if size == TILL:
            assert (name, page.evaluate(TOO_LOW)) == (name, [])
    context.close()
    assert wrong == []
