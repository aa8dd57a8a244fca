"""Form: nothing overflows or hides at both sizes, targets are large enough, pages work as they should."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from stillopen.register.linkview import LineState
from stillopen.sync import records
from tests.register import shop
from tests.register.web.conftest import (
    CODES,
    Serve,
    Served,
    burst,
    key_in,
    open_till,
    products,
    setting,
    sign_in,
    tap_digits,
)
from tests.support.browser import DESK, TILL

PAGES = (
    "/sell",
    "/receipts",
    "/receipts/S1-R1-000001",
    "/sync",
    "/sync/status",
    "/operations",
    "/operations/pay_in",
    "/operations/pay_out",
    "/operations/drop",
    "/operations/no-sale",
    "/operations/x-report",
    "/operations/close",
    "/settings",
    "/help",
    "/support",
)

#: Elements that stick out of the window, or text that sticks out of its box, as short words.
STICKING_OUT = """() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page is too wide");
  for (const e of document.querySelectorAll("body *")) {
    const box = e.getBoundingClientRect();
    if (!box.width || e.closest(".cats, .sr, template, svg")) continue;
    if (box.right > innerWidth + 1 || box.left < -1) found.push(`${e.className} leaves the window`);
    const { overflowX, display } = getComputedStyle(e);
    const cut = e.clientWidth && e.scrollWidth > e.clientWidth + 1;
    if (cut && overflowX === "visible" && display !== "inline")
      found.push(`${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 40)} is too wide`);
  }
  return found;
}"""

#: Buttons and links smaller than a finger.
TOO_SMALL = """(least) => [...document.querySelectorAll("button, a, summary, label.btn, label.face")]
  .filter((e) => e.offsetParent && !e.closest(".sr"))
  .map((e) => [e, e.getBoundingClientRect()])
  .filter(([e, box]) => Math.round(Math.min(box.height, Math.max(box.width, box.height))) < least)
  .map(([e, box]) => `${e.textContent.trim()} ${box.width}×${box.height}`)"""


@pytest.fixture(params=[TILL, DESK], ids=["1024", "1920"])
def screen(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(viewport=request.param)
    yield context.new_page()
    context.close()


def check(page: Page) -> None:
    assert page.evaluate(STICKING_OUT) == []
    assert page.evaluate(TOO_SMALL, 44) == []


def test_every_page_fits_and_can_be_touched(screen: Page, served: Served) -> None:
    screen.goto(served.url)
    check(screen)
    open_till(screen, served)
    for code in CODES[:3]:
        burst(screen, code)
    expect(screen.locator(".cl")).to_have_count(3)
    screen.locator("#pay").click()
    screen.get_by_role("button", name="Exact").click()
    expect(screen.locator("#paid")).to_be_visible()
    served.line(LineState.OFFLINE, "unreachable")
    for path in PAGES:
        screen.goto(served.url + path)
        expect(screen.locator("#line .red")).to_be_visible()
        assert screen.evaluate(STICKING_OUT) == [], path
        assert screen.evaluate(TOO_SMALL, 44) == [], path


def test_the_order_screen_fits_in_all_its_states(screen: Page, served: Served) -> None:
    open_till(screen, served)
    for code in CODES:
        burst(screen, code)
    expect(screen.locator(".cl")).to_have_count(20)
    check(screen)
    heights = [
        box["height"] for box in (t.bounding_box() for t in screen.locator(".tile").all()) if box
    ]
    assert min(heights) >= 64
    screen.locator(".cl .open").nth(2).click()
    expect(screen.locator(".editor")).to_be_visible()
    check(screen)
    screen.get_by_role("button", name="More…").click()
    expect(screen.get_by_role("heading", name="More")).to_be_visible()
    check(screen)
    screen.locator("#pay").click()
    expect(screen.locator("#due")).to_be_visible()
    check(screen)
    pay, window = screen.locator("#pay").bounding_box(), screen.viewport_size
    assert pay and window
    assert pay["y"] + pay["height"] <= window["height"]  # always in sight, bottom right
    tap_digits(screen, "1000000")
    screen.get_by_role("button", name="Cash", exact=True).click()
    expect(screen.locator(".sure")).to_be_visible()
    check(screen)
    screen.get_by_role("button", name="Yes, take").click()
    expect(screen.locator("#paid")).to_be_visible()
    check(screen)


LONG = "Stone-oven sourdough bread with pumpkin seeds, sliced, from the organic mill, 1250 g"
ONE_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


def test_long_names_and_large_amounts_fit(screen: Page, serve: Serve) -> None:
    goods = products() | {
        "p-1": shop.product("A001", LONG, 123_456_789, [CODES[0]], picture="coffee"),
        "p-2": shop.product("A002", ONE_WORD, 99_999_999, [CODES[1]], picture="coffee"),
    }
    served = serve(shop.Setting(products=goods))
    owner = records.EmployeeRecord(
        code="9",
        name="Maximiliane-Alexandrina",
        last_name=ONE_WORD,
        role="role-Administrator",
        pin_hash=shop.pin_hash(shop.PIN),
    )
    store = records.StoreSettings(code="S1", name=LONG, timezone="Europe/Berlin")
    shop.change(served.till, (shop.SCOPES[1], shop.STORE, store), (shop.SCOPES[1], "e-9", owner))
    sign_in(screen, served, "Maximiliane-Alexandrina")
    tap_digits(screen, "123456789")
    check(screen)
    screen.get_by_role("button", name="Open register").click()
    expect(screen.locator(".tile").first).to_be_visible()
    for code in CODES[:3]:
        burst(screen, code)
    expect(screen.locator(".cl")).to_have_count(3)
    check(screen)
    search = screen.locator("#search").bounding_box()
    assert search and search["width"] > 180
    screen.locator(".cl .open").first.click()
    expect(screen.get_by_role("button", name="Set quantity")).to_be_in_viewport(ratio=1)
    screen.locator("#pay").click()
    expect(screen.locator("#due")).to_be_visible()
    check(screen)
    tap_digits(screen, "999999999")
    screen.get_by_role("button", name="Cash", exact=True).click()
    expect(screen.locator("#paid .amount")).to_be_visible()
    check(screen)
    screen.goto(f"{served.url}/receipts/S1-R1-000001")
    check(screen)


def test_by_keys_alone_the_focus_goes_into_what_opens_and_back(page: Page, served: Served) -> None:
    open_till(page, served)
    burst(page, CODES[0])
    expect(page.locator(".cl")).to_have_count(1)
    page.get_by_role("button", name="More…").press("Enter")
    expect(page.get_by_role("button", name="Back", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Discount on the sale")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Discount", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".tile").first).to_be_visible()
    menu = page.locator("details.menu > summary")
    menu.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Clear cache")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    page.goto(f"{served.url}/settings/deactivate")
    page.keyboard.press("Escape")
    page.wait_for_url("**/settings")


def test_the_count_fills_the_amount_and_the_z_shows_the_difference(
    page: Page, served: Served
) -> None:
    open_till(page, served)
    burst(page, CODES[0])
    page.locator("#pay").click()
    page.get_by_role("button", name="Exact").click()
    expect(page.locator("#paid")).to_be_visible()
    page.goto(f"{served.url}/operations/pay_out")
    page.get_by_text("Postage").click()
    page.locator("input[name=amount]").focus()
    tap_digits(page, "500")
    page.get_by_role("button", name="Pay out").click()
    expect(page.locator(".toast")).to_contain_text("€5.00 paid out")
    page.get_by_role("link", name="Close register").click()
    expect(page.locator("main")).to_contain_text("Expected: €96.01")
    page.wait_for_load_state("load")
    page.get_by_label("Number of 50.00", exact=True).focus()
    tap_digits(page, "1")
    page.get_by_label("Number of 20.00", exact=True).focus()
    tap_digits(page, "2")
    expect(page.locator("input[name=counted]")).to_have_value("90.00")
    page.get_by_role("button", name="Close register").click()
    expect(page.get_by_role("heading", name="Z report 1")).to_be_visible()
    expect(page.locator(".note.yellow")).to_contain_text("€6.01 is missing")
    page.get_by_role("link", name="Done").click()
    page.wait_for_url("**/open")
    page.get_by_role("link", name="Operations").click()
    page.get_by_role("link", name="Z report 1").click()
    expect(page.get_by_role("heading", name="Z report 1")).to_be_visible()


def test_a_blind_close_hides_what_is_expected(page: Page, serve: Serve) -> None:
    served = serve(setting(blind_close=True))
    open_till(page, served)
    page.goto(f"{served.url}/operations/close")
    expect(page.locator("main")).to_contain_text("shown after the count")
    tap_digits(page, "10000")
    page.get_by_role("button", name="Close register").click()
    expect(page.locator(".note.green")).to_contain_text("right to the cent")


def test_what_is_printed_is_the_report_alone(page: Page, served: Served) -> None:
    open_till(page, served)
    page.goto(f"{served.url}/operations/x-report")
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name="X report")).to_be_visible()
    expect(page.locator(".printed .sum").first).to_be_visible()
    for hidden in (".nav", ".top", "#line", ".printed .btn"):
        assert not page.locator(hidden).first.is_visible(), hidden


def test_receipts_are_searched_paged_and_printed_again(page: Page, served: Served) -> None:
    open_till(page, served)
    for code in CODES[:2]:
        burst(page, code)
        page.locator("#pay:enabled").click()
        page.get_by_role("button", name="Exact").click()
        expect(page.locator("#paid")).to_be_visible()
    page.get_by_role("link", name="Receipts").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    key_in(page, "0002")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody tr").click()
    expect(page.locator(".paper")).to_contain_text("Flat white")
    before = served.till.journal.head().seq
    page.get_by_role("button", name="Print again").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator(".paper")).to_contain_text("COPY")
    assert served.till.journal.head().seq == before + 1


#: Writing and the ground it stands on, as names of tokens.
INK = (
    ("--ink", "--bg"),
    ("--ink", "--surface"),
    ("--ink-2", "--bg"),
    ("--ink-2", "--surface"),
    ("--ink-2", "--surface-2"),
    ("--accent-ink", "--accent"),
    ("--accent-text", "--accent-soft"),
    ("--accent-text", "--surface"),
    ("--green-text", "--green-soft"),
    ("--yellow-text", "--yellow-soft"),
    ("--red-text", "--red-soft"),
    ("--red-text", "--surface"),
    ("--gray-text", "--gray-soft"),
)

#: Pairs of tokens → the contrast of each pair (WCAG 2).
CONTRAST = """(pairs) => {
  const probe = document.body.appendChild(document.createElement("p"));
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (token) => {
    probe.style.setProperty("color", `var(${token})`);
    const rgb = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3);
    const [r, g, b] = rgb.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  return pairs.map(([ink, ground]) => ratio(light(ink), light(ground)));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_ink_is_readable(browser: Browser, served: Served, scheme: str) -> None:
    context = browser.new_context(viewport=TILL, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(served.url)
    found = page.evaluate(CONTRAST, [list(pair) for pair in INK])
    context.close()
    assert {pair: round(c, 2) for pair, c in zip(INK, found, strict=True) if c < 4.5} == {}
