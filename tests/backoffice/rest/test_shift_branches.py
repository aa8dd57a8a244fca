"""Two tills from one disk, both with its open shift: each keeps its own row, its own Z, its own receipts."""

import re
from datetime import UTC, datetime, timedelta

from django.test import Client

from stillopen.backoffice.ingest.models import ExceptionItem
from stillopen.backoffice.ledger.models import CashMovement, Shift
from stillopen.backoffice.reports.scope import whole_account
from stillopen.backoffice.reports.shifts import expected_now, get_shift
from stillopen.domain.shift import CashKind
from stillopen.sync.facts import CashMovement as Moved
from tests.backoffice.ingest.till import Till
from tests.backoffice.rest.conftest import Api
from tests.backoffice.web.market import Market

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_each_branch_has_its_own_shift(market: Market, api: Api) -> None:
    seller = market.seller()
    seller.open(NOON - timedelta(hours=1))
    till = seller.till
    seller.sell(NOON, [(market.products[0], "1")])
    seller.send(NOON)
    copy = Till(till.register, key=till.key, nonce=till.nonce, shift=till.shift, receipts=900)
    copy.sell(700)
    copy.add("cash_movement", Moved(kind=CashKind.PAY_IN, amount=50))
    copy.send()
    carried_on(market, till, copy)
    copy.close_shift(z_number=1, counted=10_000, difference=0)
    copy.send()
    till.nonce = copy.nonce
    seller.sell(NOON + timedelta(hours=1), [(market.products[0], "1")])
    seller.send(NOON)
    shifts = {s.branch: s for s in Shift.objects.filter(id=till.shift)}
    assert set(shifts) == {till.epoch, copy.epoch}
    opened, carried = shifts[till.epoch], shifts[copy.epoch]
    assert (opened.closed_at, opened.opened_at is None) == (None, False)
    assert (carried.z_number, carried.counted) == (1, 10_000)
    rows = {r["epoch"]: r for r in api.rows("/shifts")}
    assert [rows[b]["receipts"] for b in (till.epoch, copy.epoch)] == [2, 1]
    assert rows[copy.epoch]["total"] == 700 and rows[copy.epoch]["label"] == "b"
    assert rows[till.epoch]["also_in"] == [copy.epoch] and rows[till.epoch]["state"] == "open"
    assert CashMovement.objects.get().branch == copy.epoch
    scope = whole_account(market.account)
    assert get_shift(scope, opened.id).shift.branch == till.epoch
    detail = get_shift(scope, opened.id, copy.epoch)
    assert (detail.arrived.sales_total, detail.arrived.pay_in, detail.receipts) == (700, 50, 1)
    assert expected_now(scope, opened) == opened.float + 2 * rows[till.epoch]["total"] // 2
    seller.close(NOON + timedelta(hours=2))
    seller.send(NOON)
    assert {s.z_number for s in Shift.objects.filter(id=opened.id)} == {1}
    told = ExceptionItem.objects.get(code="shift_closed_twice")
    assert "both Z reports stand" in told.message
    pages(market, opened, copy.epoch)


def carried_on(market: Market, till: Till, copy: Till) -> None:
    """Its opening is in the other branch: the register's page says so, and when that was."""
    client = Client()
    client.force_login(market.user)
    page = client.get(f"/registers/{till.register.id}").content.decode()
    link = rf'/shifts/{till.shift}\?branch={copy.epoch}">Carried on, opened 2 Mar (2026 )?12:00<'
    assert re.search(link, page)


def pages(market: Market, shift: Shift, branch: str) -> None:
    """The list has both rows; each row's page leads to the other and to its own receipts."""
    client = Client()
    client.force_login(market.user)
    listed = client.get("/shifts").content.decode()
    assert len(set(re.findall(rf"/shifts/{shift.id}\?branch=[0-9a-f]+", listed))) == 2
    one = client.get(f"/shifts/{shift.id}?branch={branch}").content.decode()
    assert f"/receipts?shift={shift.id}&amp;branch={branch}" in one
    assert f"/shifts/{shift.id}?branch={shift.branch}" in one
    receipts = client.get(f"/receipts?shift={shift.id}&branch={branch}").content.decode()
    assert '<strong class="figure">1</strong> receipt' in receipts
    assert client.get(f"/shifts/{shift.id}?branch=nothing").status_code == 404
