"""Overview, receipts, shifts, registers, stock: do the pages say what has happened?"""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.utils import timezone

from stillopen.backoffice.accounts.opening import open_store
from stillopen.backoffice.devices import verbs
from stillopen.domain.shift import CashKind
from stillopen.domain.tender import Tender, TenderType
from stillopen.sync.chain import StoredEntry
from tests.backoffice.web.conftest import Visitor
from tests.backoffice.web.market import Market, Seller, card, make_busy, percent_off

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def text(html: str) -> str:
    """What a person reads: without tags, blanks folded."""
    body = re.sub(r"<(script|style|title)\b.*?</\1>", " ", html, flags=re.S)
    plain = unescape(re.sub(r"<[^>]*>", " ", body)).replace("\u2060", "")
    return " ".join(plain.split())


@pytest.fixture
def seller(market: Market) -> Seller:
    seller = market.seller()
    seller.open(NOON - timedelta(hours=1))
    return seller


def test_an_empty_shop_says_so_on_every_page(market: Market, owner: Visitor) -> None:
    assert "No sales yet today" in owner.get("/")
    assert "No register yet" in owner.get("/")
    assert "No receipts yet" in owner.get("/receipts")
    assert "No shift found" in owner.get("/shifts")
    assert "No register yet" in owner.get("/registers")
    assert "No exceptions" in owner.get("/exceptions")
    assert "Everything is published" in owner.get("/changes")


def test_every_page_of_a_busy_shop(market: Market, owner: Visitor) -> None:
    make_busy(market, timezone.now())
    for path in ("/", "/receipts", "/shifts", "/registers", "/exceptions", "/products", "/stock"):
        assert 'aria-current="page"' in owner.get(path)
    overview = text(owner.get("/"))
    assert "Not complete" in overview
    assert re.search(r"S1-R2 is not heard of, with 3 entries \(€15\.60\) unsent", overview)
    assert "2 of 21 shifts differed, together +€3.50" in overview
    assert "Cash difference −€1.50 on S1-R1" in overview
    registers = text(owner.get("/registers"))
    assert re.search(r"3 not received yet \(of \d+\) worth €15\.60", registers)
    assert re.search(r"open, last heard \d\d:\d\d", text(owner.get("/shifts")))


def test_the_overview_adds_today_up(market: Market, owner: Visitor) -> None:
    now = timezone.now()
    seller = market.seller()
    seller.open(now - timedelta(days=7))
    seller.sell(now - timedelta(days=7), [(market.products[1], "1")])
    made = [seller.sell(now, [(market.products[0], str(n))]) for n in (1, 2)]
    seller.send(now)
    page = text(owner.get("/"))
    assert f"€{sum(r.total for r in made) / 100:.2f} 2 receipts" in page
    assert "whole day €2.20" in page
    assert "Complete as of" in page
    assert "Nothing. All is as it should be." in page


def test_a_receipt_reads_as_it_was_printed(market: Market, seller: Seller, owner: Visitor) -> None:
    market.store.vat_number, market.store.receipt_footer = "DE000000000", "Thank you"
    market.store.save()
    coffee, cheese = market.products[0], market.products[13]
    made = seller.sell(
        NOON,
        [(coffee, "2"), (cheese, "0.214")],
        [card(500, "7712"), Tender(type=TenderType.CASH, amount=1000)],
        market.employees[1],
        percent_off(10),
        customer="C117",
        note="Birthday order",
    )
    seller.send(NOON)
    page = text(owner.get(f"/receipts/{made.number}"))
    for words in (
        "Corner Shop",
        "VAT no. DE000000000",
        made.number,
        "2 Mar 2026, 13:00:00 CET",
        "Milan Novak",
        "Customer C117",
        "2 × Flat white at €3.50 €7.00",
        "0.214 kg × Mountain cheese at €19.90 / kg €4.26",
        "Discount on the sale −€1.13",
        f"Total €{made.total / 100:.2f}",
        "External card 7712 €5.00",
        "Cash €10.00",
        f"Change €{made.change / 100:.2f}",
        "Birthday order",
        "Thank you",
    ):
        assert words in page
    for tax in made.taxes:
        assert f"€{tax.net / 100:.2f} €{tax.amount / 100:.2f} €{tax.gross / 100:.2f}" in page


def test_a_receipt_that_is_held_back_is_not_called_unknown(
    market: Market, seller: Seller, owner: Visitor
) -> None:
    made = seller.sell(NOON, [(market.products[0], "1")])
    sound = seller.till.entries.pop()
    damaged = sound.body.replace(b"Flat", b"Fiat")
    seller.till.entries.append(StoredEntry(sound.seq, sound.prev_hash, sound.hash, damaged))
    seller.send(NOON)
    page = text(owner.get("/receipts", number=made.number[-6:]))
    assert f"{made.number} has arrived and is not booked yet" in page
    assert "No receipt found" in text(owner.get("/receipts", number="000999"))


def test_receipts_are_found_by_each_field(market: Market, seller: Seller, owner: Visitor) -> None:
    anna, milan = market.employees
    seller.sell(NOON, [(market.products[0], "1")], cashier=anna, customer="C1")
    seller.sell(NOON + timedelta(days=1), [(market.products[1], "1")], cashier=milan)
    other = market.seller("R2")
    other.open(NOON)
    other.sell(NOON, [(market.products[1], "2")], cashier=anna)
    for one in (seller, other):
        one.send(NOON + timedelta(days=1))

    def found(**search: str) -> set[str]:
        return set(re.findall(r"S1-R\d-\d{6}(?=</a>)", owner.get("/receipts", **search)))

    first, second, third = "S1-R1-000001", "S1-R1-000002", "S1-R2-000001"
    assert found() == {first, second, third}
    assert found(number="R1-000002") == {second}
    assert found(register="S1-R2") == {third}
    assert found(employee="novak") == {second}
    assert found(customer="c1") == {first}
    assert found(amount="4.40") == {third}
    assert found(amount="4,40") == {third}
    assert found(**{"from": "2026-03-03"}) == {second}
    assert found(to="2026-03-02") == {first, third}
    assert found(shift=str(other.till.shift)) == {third}
    assert found(register="S1-R1", employee="berg", amount="3.50") == {first}
    assert found(number="nothing") == set()
    assert "No receipt found" in owner.get("/receipts", number="nothing")


def test_a_search_that_cannot_be_read_says_why(market: Market, owner: Visitor) -> None:
    assert "is not an amount of money" in owner.get("/receipts", amount="many")
    assert "is a day" in owner.get("/receipts", **{"from": "soon"})
    assert "There is no register" in owner.get("/receipts", register="R9")
    assert "was not given by this list" in owner.get("/receipts", cursor="x")
    owner.get("/receipts", number="\0'\"<b>")
    assert "<b>" not in owner.get("/receipts", number="<b>x")


def test_older_receipts_are_behind_a_link(market: Market, seller: Seller, owner: Visitor) -> None:
    for i in range(120):
        seller.sell(NOON + timedelta(seconds=i // 7), [(market.products[0], "1")])
    seller.send(NOON + timedelta(hours=1))
    seen: list[str] = []
    address = "/receipts?employee=anna"
    for rows in (50, 50, 20):
        page = owner.get(address)
        numbers = re.findall(r"S1-R1-\d{6}(?=</a>)", page)
        assert len(numbers) == rows
        assert '<strong class="figure">120</strong> receipts' in page
        seen += numbers
        links = re.findall(r'href="(/receipts\?[^"]*cursor=[^"]*)"', page)
        address = unescape(links[0]) if links else ""
    assert address == ""
    assert sorted(seen) == sorted(r.number for r in seller.receipts)


def test_a_z_is_shown_beside_what_has_arrived(
    market: Market, seller: Seller, owner: Visitor
) -> None:
    seller.sell(NOON, [(market.products[0], "2")])
    seller.sell(NOON, [(market.products[1], "1")], [card(220)])
    seller.move_cash(NOON, CashKind.PAY_OUT, 250, "flowers")
    shift = seller.till.shift
    seller.close(NOON + timedelta(hours=6), off=-150)
    seller.send(NOON + timedelta(hours=6))
    page = text(owner.get(f"/shifts/{shift}"))
    for words in (
        "S1-R1 · Z 1",
        "Sales 2 2",
        "Sales total €9.20 €9.20",
        "Cash sales €7.00 €7.00",
        "Pay-outs €2.50 €2.50",
        "External card €2.20 €2.20",
        "Expected €104.50",
        "Counted €103.00",
        "Difference −€1.50",
        "Pay-out flowers −€2.50",
    ):
        assert words in page
    assert "differ." not in page
    listed = text(owner.get("/shifts", difference="1"))
    assert "Z 1" in listed and "−€1.50" in listed
    assert "No shift found" in owner.get("/shifts", state="open")


def test_a_z_whose_receipts_did_not_all_arrive_says_so(
    market: Market, seller: Seller, owner: Visitor
) -> None:
    """The close of a shift came through the Back Office of a restored server, say: a receipt is missing."""
    seller.sell(NOON, [(market.products[0], "2")])
    lost = seller.till.entries.pop()
    seller.close(NOON + timedelta(hours=6))
    seller.send(NOON + timedelta(hours=6))
    assert lost not in seller.till.entries
    (shift,) = re.findall(r'href="/shifts/([0-9a-f-]{36})"', owner.get("/shifts"))
    page = owner.get(f"/shifts/{shift}")
    assert "The Z as printed and what has arrived differ." in text(page)
    assert page.count('class="differs"') == 4  # sales, their total, the cash of them, the tender


def test_an_open_shift_has_running_figures(market: Market, seller: Seller, owner: Visitor) -> None:
    seller.sell(NOON, [(market.products[0], "2")])
    seller.sell(NOON, [(market.products[1], "1")])
    seller.send(NOON, keep=1, value=220)
    page = text(owner.get(f"/shifts/{seller.till.shift}"))
    assert "running figures" in page
    assert re.search(r"open, last heard 2 Mar", page)
    assert "Sales total €7.00" in page
    assert "Expected €107.00" in page
    assert "1 more, worth €2.20, are not sent yet" in page


def test_registers_say_what_they_said_last(market: Market, owner: Visitor) -> None:
    now = timezone.now()
    seller = market.seller()
    seller.open(now)
    seller.send(now)
    verbs.add_register(market.store, "R2", None)
    page = text(owner.get("/registers"))
    assert re.search(
        r"S1-R1 Connected last contact \d+ s ago all 1 received \d+ records behind 0\.1\.0", page
    )
    assert "S1-R2 Not activated last contact never" in page
    detail = text(owner.get(f"/registers/{seller.register.id}"))
    assert "Its whole journal is here: 1 entry." in detail
    owner.get("/registers/00000000-0000-0000-0000-000000000000", 404)


def test_stock_per_store(market: Market, owner: Visitor) -> None:
    second = open_store(market.account, "S2", "Harbour", "Europe/Berlin", None)
    seller = market.seller("R1", second)
    seller.open(NOON)
    seller.sell(NOON, [(market.products[13], "0.25")])
    seller.send(NOON)
    page = text(owner.get("/stock", q="cheese"))
    assert "Mountain cheese – −0.25 kg" in page
    assert "Flat white" not in page
    assert "No product found" in owner.get("/stock", q="hammer")


def test_an_address_that_does_not_exist(owner: Visitor) -> None:
    assert "There is nothing at this address" in owner.get("/nothing/here", 404)


def test_pages_load_and_run_nothing_from_elsewhere(owner: Visitor) -> None:
    response = owner.client.get("/")
    assert "default-src 'self'" in response["Content-Security-Policy"]
    body = response.content.decode()
    assert set(re.findall(r'(?:src|href)="(https?:)?//', body)) == set()
    assert "<style" not in body and " style=" not in body
    assert re.findall(r"<script(?![^>]* src=)", body) == []
