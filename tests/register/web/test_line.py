"""What the screens say of the line, and of a till program that is gone; blocked and unready registers."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from stillopen.register.linkview import LineState
from stillopen.register.till import SyncResult, Till
from stillopen.register.usecases.new_epoch import begin_epoch
from stillopen.register.web.pages import start
from stillopen.register.web.pages.hops import Hop, probe_hops
from stillopen.sync.messages import Ack, NotApplied
from tests.register import shop
from tests.register.web.conftest import (
    Serve,
    Served,
    burst,
    open_till,
    setting,
    sign_in,
    tap_digits,
)
from tests.support.process import Server

SOON = 5000  # ms, on a machine with a lot else to do


def indicator(page: Page, state: str, word: str) -> None:
    mark = page.locator("#indicator .indicator")
    expect(mark).to_have_attribute("data-state", state, timeout=SOON)
    expect(mark).to_contain_text(word)


def sell_one(page: Page) -> None:
    page.locator(".tile", has_text="Flat white").first.click()
    page.locator("#pay").click()
    page.get_by_role("button", name="Exact").click()
    expect(page.locator("#paid")).to_be_visible()


def places(page: Page) -> list[object]:
    parts = ("#work", "#search", ".who", "#indicator", ".nav a[href='/settings']")
    return [page.locator(x).bounding_box() for x in parts]


@pytest.mark.parametrize(
    ("state", "cause", "word", "said"),
    [
        (LineState.RECONNECTING, "", "Reconnecting", "Selling, receipts and reports work"),
        (LineState.UNSTABLE, "server_error", "Unstable", "reports an error"),
        (LineState.OFFLINE, "dns", "Offline", "name is not found"),
        (LineState.OFFLINE, "tls", "Offline", "secure connection"),
    ],
)
def test_the_line_is_shown_the_moment_it_changes(
    page: Page, served: Served, state: LineState, cause: str, word: str, said: str
) -> None:
    open_till(page, served)
    sell_one(page)
    place = places(page)
    served.line(state, cause)
    indicator(page, state.value, word)
    expect(page.locator("#line")).to_contain_text(said, timeout=SOON)
    expect(page.locator("#line")).to_contain_text(re.compile(r"since \d\d:\d\d"))
    expect(page.locator("#sync [data-sync]")).to_be_visible()
    assert places(page) == place  # nothing slides
    served.line(LineState.CONNECTED)
    expect(page.locator("#indicator .green")).to_be_visible(timeout=SOON)


@pytest.mark.parametrize("errored", [0, 2, 345])
def test_no_state_is_wider_than_its_place(page: Page, served: Served, errored: int) -> None:
    open_till(page, served)  # two entries wait to be sent
    place = places(page)
    held = [
        NotApplied(seq=1, id=str(n), status="quarantined", code="bad_hash") for n in range(errored)
    ]
    served.till.journal.sending.replace_not_applied(held)
    mark = page.locator("#indicator .indicator")
    for state in LineState:
        served.line(state)
        shown = "sending" if state is LineState.CONNECTED else state.value
        expect(mark).to_have_attribute("data-state", shown, timeout=SOON)
        expect(mark).to_contain_text(f"{errored} errored" if errored else "", timeout=SOON)
        cut = page.evaluate("""() => [...document.querySelectorAll(".top *")]
            .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline")
            .map((e) => e.className + e.textContent)""")
        assert (state, places(page), cut) == (state, place, [])


def test_offline_says_how_much_is_held(page: Page, served: Served) -> None:
    open_till(page, served)
    served.line(LineState.OFFLINE, "unreachable")
    sell_one(page)
    sell_one(page)
    expect(page.locator("#line .held")).to_have_text("2 sales, €2.04 not sent yet")
    page.locator("#indicator a").click()
    page.wait_for_url("**/sync/status")
    expect(page.locator("#body .note").first).to_contain_text(
        "2 sales worth €2.04 are saved here and not sent yet"
    )
    expect(page.locator("tbody a")).to_have_text(["S1-R1-000001", "S1-R1-000002"])
    page.goto(f"{served.url}/receipts")
    expect(page.locator("tbody")).to_contain_text("Not sent yet")


def test_sync_is_offered_while_there_is_something_to_do(page: Page, served: Served) -> None:
    page.goto(served.url)
    expect(page.locator("#sync button")).to_be_visible()  # on the sign-in screen always
    open_till(page, served)
    expect(page.locator("#sync .counts")).to_have_text("↑2")
    head = served.till.journal.head()
    served.till.journal.sending.set_ack(
        Ack(served.till.journal.sending.ack().epoch, head.seq, head.hash)
    )
    served.till.notify("sent")
    expect(page.locator("#sync button")).to_have_count(0, timeout=SOON)
    indicator(page, "synced", "Synced")
    served.line(LineState.OFFLINE, "timeout")
    expect(page.locator("#sync button")).to_be_visible(timeout=SOON)


def test_sync_tells_what_it_did(page: Page, served: Served) -> None:
    open_till(page, served)

    async def all_well(*, snapshot: bool = False, retry: bool = False) -> SyncResult:
        head = served.till.journal.head()
        served.till.journal.sending.set_ack(
            Ack(served.till.journal.sending.ack().epoch, head.seq, head.hash)
        )
        return SyncResult(sent=3, received=1)

    page.locator("#sync button").click()
    expect(page.locator(".toast.red")).to_contain_text("cannot be reached")
    expect(page.locator(".toast.red")).to_contain_text("Saved here: 2 entries")
    page.locator(".toast").click()
    served.till.sync_now = all_well
    page.locator("nav [data-sync]").click()
    toast = page.locator(".toast.green")
    expect(toast).to_contain_text("Synced successfully")
    expect(toast).to_contain_text("3 entries sent, 1 change received")
    box = toast.bounding_box()
    assert box and box["x"] > 600 and box["y"] < 150  # upper right


def test_five_wrong_pins_block_and_an_unblock_opens_by_itself(page: Page, served: Served) -> None:
    page.goto(served.url)
    for left in ("4 tries", "3 tries", "2 tries", "1 try"):
        page.get_by_text("Sol", exact=True).click()
        tap_digits(page, "0000")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("[role=alert]")).to_contain_text(left)
    tap_digits(page, "0000")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/blocked")
    expect(page.locator("main")).to_contain_text("Unblock register")
    page.goto(f"{served.url}/login")
    page.wait_for_url("**/blocked")
    shop.change(
        served.till,
        (
            shop.SCOPES[2],
            shop.REGISTER,
            shop.records.RegisterSettings(name="R1", unblock="now"),
        ),
    )
    page.wait_for_url("**/login")


def test_before_the_first_sync_the_screen_names_what_is_missing(page: Page, serve: Serve) -> None:
    served = serve(None)
    page.goto(served.url)
    page.wait_for_url("**/activate")
    expect(page.locator("#missing")).to_contain_text("Products")
    expect(page.locator("#missing .yellow")).to_have_count(4)
    hops = page.locator("#hops")
    expect(hops.locator("li", has_text="Network")).to_contain_text("OK")
    expect(hops.locator("li", has_text="Connection")).to_contain_text("Failed")
    expect(hops.locator("li", has_text="Back Office")).to_contain_text("Not tried")
    shop.publish(served.till, setting())
    page.wait_for_url("**/login")


def test_new_letters_in_the_receipt_numbers_are_explained(page: Page, served: Served) -> None:
    open_till(page, served)
    page.goto(f"{served.url}/settings")
    numbers = page.locator("dt", has_text="Receipts").locator("+ dd")
    expect(numbers).to_have_text("S1-R1-…")
    begin_epoch(served.till)
    page.goto(f"{served.url}/settings")
    expect(numbers).to_contain_text(re.compile(r"S1-R1[a-z]\d+-…"))
    expect(numbers).to_contain_text("restored, copied or replaced")


def test_a_check_that_takes_a_while_says_so(
    page: Page, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(url: str, till: Till | None = None) -> list[Hop]:
        await asyncio.sleep(1.5)
        return await probe_hops(url, till)

    monkeypatch.setattr(start, "probe_hops", slowly)
    open_till(page, served)
    for place, words in (("/sync", "Check each step"), ("/support", "Check")):
        page.goto(served.url + place)
        page.get_by_role("button", name=words).click()
        button = page.locator("[hx-get='/ui/hops']")
        expect(button).to_have_text("Checking…", timeout=1400)
        expect(page.locator("#hops li").first).to_be_visible()
        expect(button).to_have_text(words)


def test_a_new_device_asks_for_its_activation(page: Page, tmp_path: Path) -> None:
    till = Server(["register", "serve", "--data-dir", str(tmp_path)], "/activate", tmp_path / "log")
    till.start()
    try:
        page.goto(till.url)
        page.get_by_label("Back Office address").fill("nonsense")
        page.get_by_label("Account ID").fill("A-1")
        page.get_by_label("License Key").fill("K-1")
        page.get_by_role("button", name="Activate").click()
        expect(page.locator("[role=alert]")).to_contain_text("address looks like")
        expect(page.get_by_label("Account ID")).to_have_value("A-1")
        page.get_by_label("Back Office address").fill("http://127.0.0.1:1")
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("#hops li", has_text="Connection")).to_contain_text("refused")
        page.get_by_role("button", name="Activate").click()
        expect(page.locator("[role=alert]")).to_contain_text("does not answer")
    finally:
        till.close()


def test_a_till_that_is_killed_says_so_and_comes_back_to_the_sign_in(
    page: Page, tmp_path: Path
) -> None:
    folder = tmp_path / "till"
    prepared = Till.open(folder)
    shop.activate(prepared)
    shop.publish(prepared, setting())
    prepared.close()
    till = Server(["register", "serve", "--data-dir", str(folder)], "/login", tmp_path / "log")
    till.start()
    try:
        page.goto(till.url)
        page.get_by_text("Ada", exact=True).click()
        tap_digits(page, shop.PIN)
        page.get_by_role("button", name="Sign in").click()
        tap_digits(page, "10000")
        page.get_by_role("button", name="Open register").click()
        expect(page.locator("#search")).to_be_visible()
        burst(page, "4006381333931")
        expect(page.locator(".cl")).to_have_count(1)
        page.locator("#pay").click()
        page.get_by_role("button", name="5.00", exact=True).click()
        expect(page.locator("#paid .amount")).to_have_text("1.50")
        burst(page, "4002359000037")
        expect(page.locator(".cl")).to_have_count(1)

        till.kill()
        expect(page.locator("#line")).to_contain_text("does not answer", timeout=SOON)
        expect(page.locator("#indicator")).to_be_hidden()  # nothing old is said of the line
        page.get_by_role("link", name="Receipts").click()
        expect(page.locator(".toast")).to_contain_text("does not answer")
        assert page.url.endswith("/sell")  # and not on the browser's own error page
        till.start()
        page.wait_for_url("**/login")
        expect(page.locator(".people .note").first).to_contain_text(
            "Last sale S1-R1-000001: 3.50 paid, change 1.50"
        )
        page.get_by_text("Ada", exact=True).click()
        tap_digits(page, shop.PIN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".cl .name")).to_have_text(["Croissant"])  # the open cart survived
    finally:
        till.close()


def test_the_page_of_an_employee_who_was_switched_off_goes_to_the_sign_in(
    page: Page, served: Served
) -> None:
    sign_in(page, served, "Max")
    rows = [
        row
        for number, row in enumerate(shop.catalogue_records(setting()), start=1)
        if row[1] != "e-2"
    ]
    served.till.catalogue.begin(snapshot=True)
    served.till.catalogue.stage([shop.feed_row(n, *row) for n, row in enumerate(rows, start=1)])
    served.till.catalogue.switch(shop.heads(len(rows)), "server-1")
    page.wait_for_url("**/login")
    expect(page.get_by_text("Max", exact=True)).to_have_count(0)


def test_errored_sales_are_shown_with_their_reason_and_retried(page: Page, served: Served) -> None:
    open_till(page, served)
    for _ in range(3):
        sell_one(page)
    sending, head = served.till.journal.sending, served.till.journal.head()
    sales = [x for x in sending.unsent_items() if x.kind == "sale"]
    sending.set_ack(Ack(sending.ack().epoch, head.seq, head.hash))
    place = places(page)
    stuck = [
        NotApplied(seq=x.seq, id=x.id, status="quarantined", code="bad_entry", tries=n)
        for n, x in enumerate(sales, 2)
    ]
    sending.replace_not_applied(stuck)
    asked: list[bool] = []
    left = [[stuck[2]], []]

    async def syncer(*, snapshot: bool = False, retry: bool = False) -> SyncResult:
        asked.append(retry)
        if retry:
            sending.replace_not_applied(left.pop(0))
        return SyncResult(sent=0, received=0)

    served.till.sync_now = syncer
    expect(page.locator(".nav #errors")).to_have_text("3 errored", timeout=SOON)
    assert places(page) == place
    served.line(LineState.OFFLINE, "timeout")
    indicator(page, "offline", "Offline")
    expect(page.locator("#indicator")).to_contain_text("3 errored")
    expect(page.locator("#indicator a")).to_have_count(1)  # one target, large enough
    assert places(page) == place
    served.line(LineState.CONNECTED)
    page.goto(f"{served.url}/sync/status")
    expect(page.locator(".nav #errors")).to_have_text("3 errored")
    expect(page.locator("#indicator")).to_contain_text("3 errored")
    row = page.locator("tbody tr", has_text="S1-R1-000002")
    expect(row).to_contain_text("Cannot be read")
    expect(row).to_contain_text("set it aside")
    expect(row.locator("td").nth(4)).to_have_text("3")
    page.locator("main header [data-sync]").click()
    expect(page.locator(".toast.yellow")).to_contain_text("Synced in part")
    page.get_by_role("button", name="Retry errored sales").click()
    expect(page.locator(".toast.yellow").last).to_contain_text("2 of 3 entries applied")
    expect(page.locator(".toast.yellow").last).to_contain_text("1 still needs attention")
    page.get_by_role("button", name="Retry errored sales").click()
    expect(page.locator(".toast.green")).to_contain_text("Nothing is errored any more")
    expect(page.locator("#body")).to_contain_text("Nothing waits here")
    expect(page.locator(".nav #errors .pill")).to_have_count(0)
    assert asked == [False, True, True]


def test_what_is_held_back_and_not_here_is_not_called_nothing(page: Page, served: Served) -> None:
    open_till(page, served)
    sending, head = served.till.journal.sending, served.till.journal.head()
    sending.set_ack(Ack(head.epoch, head.seq, head.hash))
    gone = NotApplied(seq=1, id="gone", status="quarantined", code="bad_hash")
    sending.replace_not_applied([gone])
    page.goto(f"{served.url}/sync/status")
    expect(page.locator("#body")).to_contain_text("No longer on this till")
    expect(page.locator("#body")).not_to_contain_text("Nothing waits here")
    page.goto(f"{served.url}/sync")
    state = page.locator("dt", has_text=re.compile("^State$")).locator("+ dd")
    expect(state).to_have_text("1 errored")  # nothing is being sent
