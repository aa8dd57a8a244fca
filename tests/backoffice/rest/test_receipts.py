"""Receipts and shifts over the REST API."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from stillopen.backoffice.accounts.opening import open_store
from stillopen.backoffice.ledger.models import Receipt
from stillopen.domain.shift import CashKind
from tests.backoffice.rest.conftest import Api, read, refused
from tests.backoffice.web.market import Market, Seller, card, percent_off

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def seller(market: Market) -> Seller:
    seller = market.seller()
    seller.open(NOON - timedelta(hours=1))
    return seller


def sell(market: Market, seller: Seller, count: int, start: datetime = NOON) -> None:
    """``count`` sales, three to a second, so that times alone do not order them."""
    for i in range(count):
        at = start + timedelta(seconds=i // 3)
        seller.sell(at, [(market.products[i % 4], str(1 + i % 3))])
    seller.send(start + timedelta(hours=1))


def test_a_receipt_has_the_figures_it_was_printed_with(
    market: Market, seller: Seller, api: Api
) -> None:
    coffee, croissant, cheese = market.products[0], market.products[4], market.products[13]
    made = seller.sell(
        NOON,
        [(coffee, "2"), (croissant, "1"), (cheese, "0.214")],
        cashier=market.employees[1],
        discount=percent_off(10),
        customer="C7",
        note="for the office",
    )
    seller.send(NOON)
    row = read(api.get("/receipts"))["results"][0]
    expected = {
        "receipt": made.number,
        "register": "R1",
        "store": "S1",
        "total": made.total,
        "tax": made.tax,
        "net": made.net,
        "change": made.change,
        "discount": made.discount_total,
        "currency": "EUR",
        "occurred_at": "2026-03-02T12:00:00Z",
        "business_day": "2026-03-02",
        "cashier": "Milan Novak",
        "customer": "C7",
        "epoch": seller.till.epoch,
        "seq": 2,
        "shift": seller.till.shift,
    }
    assert {name: row[name] for name in expected} == expected

    full = read(api.get(f"/receipts/{made.number}"))
    assert {name: full[name] for name in row} == row
    assert [x["gross"] for x in full["lines"]] == [x.gross for x in made.lines]
    assert [x["quantity"] for x in full["lines"]] == ["2", "1", "0.214"]
    assert full["lines"][2]["unit"] == "kg"
    assert full["lines"][0]["tax_rate"] == "19"
    assert {(t["rate"], t["tax"]) for t in full["taxes"]} == {
        (str(t.rate), t.amount) for t in made.taxes
    }
    assert full["payments"] == [
        {
            "type": "cash",
            "amount": made.tenders[0].amount,
            "change": made.change,
            "reference": "",
        }
    ]
    assert full["note"] == "for the office"
    assert read(api.get(f"/receipts/{row['id']}")) == full


def test_pages_lead_through_every_receipt_once_while_more_come_in(
    market: Market, seller: Seller, api: Api
) -> None:
    sell(market, seller, 45)
    before = {r.number for r in seller.receipts}
    seen: list[str] = []
    cursor = ""
    while True:
        page = read(api.get("/receipts", limit=7, cursor=cursor))
        assert len(page["results"]) <= 7
        seen += [r["receipt"] for r in page["results"]]
        if page["next"] is None:
            break
        cursor = page["next"]
        # one newer than everything, and one from a time the pages have passed or not yet reached
        seller.sell(NOON + timedelta(days=1, seconds=len(seen)), [(market.products[0], "1")])
        seller.sell(NOON + timedelta(seconds=5), [(market.products[0], "1")])
        seller.send(NOON + timedelta(days=2))
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def test_they_come_newest_first_and_a_default_page_is_a_hundred(
    market: Market, seller: Seller, api: Api
) -> None:
    sell(market, seller, 103)
    page = read(api.get("/receipts"))
    assert len(page["results"]) == 100
    times = [r["occurred_at"] for r in api.rows("/receipts")]
    assert len(times) == 103
    assert times == sorted(times, reverse=True)


def test_by_register_named_in_three_ways(market: Market, seller: Seller, api: Api) -> None:
    second = open_store(market.account, "S2", "Harbour", "Europe/Berlin", None)
    others = [market.seller("R2"), market.seller("R1", second)]
    for one in (seller, *others):
        one.sell(NOON, [(market.products[0], "1")])
        one.send(NOON)

    def found(name: str) -> set[tuple[str, str]]:
        return {(r["store"], r["register"]) for r in api.rows("/receipts", register=name)}

    assert found("R2") == {("S1", "R2")}
    assert found("R1") == {("S1", "R1"), ("S2", "R1")}
    assert found("S2-R1") == {("S2", "R1")}
    assert found(str(seller.register.id)) == {("S1", "R1")}
    assert refused(api.get("/receipts", register="R9"), 422, "unknown_register") == {
        "register": "R9"
    }


def test_days_are_business_days_and_times_are_half_open(
    market: Market, seller: Seller, api: Api
) -> None:
    night = datetime(2026, 3, 3, 2, 30, tzinfo=UTC)  # 03:30 in Berlin, before the cut-off
    morning = datetime(2026, 3, 3, 9, tzinfo=UTC)
    made = [seller.sell(at, [(market.products[0], "1")]) for at in (NOON, night, morning)]
    seller.send(morning)
    first, late, third = (r.number for r in made)

    def found(**query: str) -> list[str]:
        return [r["receipt"] for r in api.rows("/receipts", **query)]

    assert found(**{"from": "2026-03-02", "to": "2026-03-02"}) == [late, first]
    assert found(**{"from": "2026-03-03"}) == [third]
    assert found(**{"from": "2026-03-03T02:30:00Z", "to": "2026-03-03T09:00:00Z"}) == [late]
    assert found(**{"from": "2026-03-03T03:30:00+01:00"}) == [third, late]
    assert found(**{"from": "2026-03-03T03:30:00+01:00", "to": "9999-12-31T23:59:59Z"}) == [
        third,
        late,
    ]
    assert found(**{"from": "9999-12-31T00:00:00Z"}) == []
    assert found(to="2026-03-03T03:30:00 01:00") == [first]


def test_bad_dates_and_cursors_are_named(api: Api) -> None:
    for wrong in (
        "yesterday",
        "2026-13-01",
        "2026-03-01T10:00:00",
        "2026-03-01T25:00:00Z",
        "0001-01-01T00:00:00Z",
    ):
        details = refused(api.get("/receipts", **{"from": wrong}), 422, "bad_date")
        assert details == {"parameter": "from"}
    for wrong in ("x", "!!!!", "WyJyZWNlaXB0cyJd", "WyJzaGlmdHMiLCIxIiwiMiJd", "é", "WzFd"):
        refused(api.get("/receipts", cursor=wrong), 400, "bad_cursor")


def test_limits(api: Api) -> None:
    for wrong in (0, -1, 1001):
        refused(api.get("/receipts", limit=wrong), 422, "bad_limit")
    assert "limit" in refused(api.get("/receipts", limit="ten"), 422, "bad_request")["fields"]
    assert read(api.get("/receipts", limit=1000)) == {"results": [], "next": None}


def test_no_such_receipt(api: Api) -> None:
    refused(api.get("/receipts/S1-R1-999999"), 404, "not_found")
    refused(api.get(f"/receipts/{uuid4()}"), 404, "not_found")


def test_a_sale_under_the_nil_id_is_not_found_by_other_numbers(
    market: Market, seller: Seller, api: Api
) -> None:
    seller.sell(NOON, [(market.products[0], "1")])
    seller.send(NOON)
    Receipt.objects.update(id=UUID(int=0))
    refused(api.get("/receipts/nonsense"), 404, "not_found")


def test_shifts_open_and_closed(market: Market, seller: Seller, api: Api) -> None:
    seller.sell(NOON, [(market.products[0], "2")])
    seller.sell(NOON, [(market.products[1], "1")], [card(220)])
    seller.move_cash(NOON, CashKind.PAY_OUT, 250, "flowers")
    z = seller.close(NOON + timedelta(hours=6), off=-150)
    seller.open(NOON + timedelta(hours=7), opening=5000)
    seller.sell(NOON + timedelta(hours=8), [(market.products[4], "1")])
    seller.move_cash(NOON + timedelta(hours=8), CashKind.PAY_IN, 1000, "change")
    seller.send(NOON + timedelta(hours=8))

    running, closed = api.rows("/shifts")
    assert closed["state"] == "closed"
    assert closed["z_number"] == 1
    assert (closed["expected"], closed["counted"], closed["difference"]) == (
        z.expected,
        z.counted,
        -150,
    )
    assert z.expected == 10_000 + 700 - 250
    assert (closed["receipts"], closed["total"]) == (2, 920)
    assert closed["currency"] == "EUR"
    assert running["state"] == "open"
    assert running["closed_at"] is running["counted"] is running["difference"] is None
    assert running["expected"] == 5000 + 190 + 1000
    assert [s["id"] for s in api.rows("/shifts", state="open")] == [running["id"]]
    assert [s["id"] for s in api.rows("/shifts", state="closed", register="S1-R1")] == [
        closed["id"]
    ]
    assert [s["id"] for s in api.rows("/shifts", limit=1)] == [running["id"], closed["id"]]
    refused(api.get("/shifts", state="ajar"), 422, "bad_request")


def test_a_shift_whose_opening_has_not_arrived_is_listed(
    market: Market, seller: Seller, api: Api
) -> None:
    seller.till.entries.clear()  # its opening was never sent
    seller.sell(NOON, [(market.products[0], "1")])
    seller.send(NOON)
    (shift,) = api.rows("/shifts")
    assert shift["opened_at"] is None
    assert (shift["state"], shift["receipts"], shift["total"]) == ("open", 1, 350)
