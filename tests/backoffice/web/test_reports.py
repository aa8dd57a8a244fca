"""The reports behind the pages: hours of a day, sums of a shift, charts and words."""

import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from django.utils import timezone

from stillopen.backoffice.accounts.opening import open_store
from stillopen.backoffice.ledger.models import Payment
from stillopen.backoffice.reports.health import cash_view, completeness
from stillopen.backoffice.reports.registers import live_registers
from stillopen.backoffice.reports.scope import whole_account
from stillopen.backoffice.reports.shifts import get_shift
from stillopen.backoffice.reports.takings import Hour, day_takings
from stillopen.backoffice.web import words
from stillopen.backoffice.web.charts import hour_chart, scale_step
from stillopen.domain.shift import CashKind, ShiftTotals, expected_cash
from stillopen.domain.tender import Tender, TenderType
from tests.backoffice.web.market import Market, Seller, card, work_a_day

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def sorted_sums(totals: ShiftTotals) -> ShiftTotals:
    """Taxes and tenders in one order: the register keeps them as they came."""
    return ShiftTotals(
        **{
            **{name: getattr(totals, name) for name in totals.__struct_fields__},
            "taxes": tuple(sorted(totals.taxes, key=lambda t: t.rate)),
            "tenders": tuple(sorted(totals.tenders, key=lambda t: t.type)),
        }
    )


def test_a_shift_summed_here_is_the_shift_as_the_till_summed_it(market: Market) -> None:
    """Figure by figure, over random days with discounts, mixed payments and cash movements."""
    chance = random.Random(7)
    for day in range(4):
        seller = market.seller(f"R{day}")
        work_a_day(market, seller, date(2026, 3, 2), NOON + timedelta(hours=9), 25, seed=day)
        _split_payments(market, seller)
        for kind in CashKind:
            seller.move_cash(NOON, kind, chance.randint(1, 5000), "why")
        seller.send(NOON + timedelta(hours=10))
        detail = get_shift(whole_account(market.account), UUID(seller.till.shift or ""))
        assert sorted_sums(detail.arrived) == sorted_sums(seller.totals)
        assert detail.expected == expected_cash(seller.opening, seller.totals)
        assert detail.receipts == len(seller.receipts)


def _split_payments(market: Market, seller: Seller) -> None:
    """One sale by two notes with more change than the second, one by card and cash."""
    coffee = market.products[0]
    notes = [Tender(type=TenderType.CASH, amount=300), Tender(type=TenderType.CASH, amount=1000)]
    seller.sell(NOON, [(coffee, "1")], notes)
    seller.sell(NOON, [(coffee, "2")], [card(300), notes[1]])


def test_a_day_by_the_hour_in_each_stores_own_time(market: Market) -> None:
    harbour = open_store(market.account, "S2", "Harbour", "America/New_York", None)
    here, there = market.seller(), market.seller("R1", harbour)
    for seller in (here, there):
        seller.open(NOON - timedelta(days=8))
    espresso = [(market.products[1], "1")]
    here.sell(NOON, espresso)  # 13:00 in Berlin
    here.sell(NOON + timedelta(minutes=59), espresso)
    there.sell(NOON, espresso)  # 07:00 in New York
    here.sell(NOON - timedelta(days=7, hours=2), espresso)  # 11:00 a week ago
    here.sell(NOON - timedelta(days=7) + timedelta(hours=5), espresso)  # 18:00, later than now
    here.sell(NOON - timedelta(days=1), espresso)
    for seller in (here, there):
        seller.send(NOON + timedelta(hours=1))
    takings = day_takings(whole_account(market.account), NOON + timedelta(hours=1))
    assert takings.day == date(2026, 3, 2)
    assert (takings.count, takings.total) == (3, 660)
    assert (takings.total_before, takings.total_before_by_now) == (440, 220)
    hours = {h.hour: h for h in takings.hours}
    assert list(hours) == list(range(7, 19))
    assert hours[13] == Hour(hour=13, count=2, total=440, before=0)
    assert hours[7].total == 220 and hours[11].before == 220 and hours[12].total == 0


def test_after_midnight_it_is_still_the_same_business_day(market: Market) -> None:
    market.store.cutoff = time(4)
    market.store.save()
    seller = market.seller()
    seller.open(NOON)
    late = datetime(2026, 3, 3, 1, 30, tzinfo=UTC)  # 02:30 in Berlin
    seller.sell(NOON, [(market.products[1], "1")])
    seller.sell(late, [(market.products[1], "1")])
    seller.send(late)
    takings = day_takings(whole_account(market.account), late + timedelta(minutes=1))
    assert takings.day == date(2026, 3, 2)
    assert takings.total == 440
    assert [h.hour for h in takings.hours][0] == 13 and takings.hours[-1].hour == 2
    after = day_takings(whole_account(market.account), late + timedelta(hours=2))
    assert (after.day, after.total) == (date(2026, 3, 3), 0)


def test_figures_are_complete_only_when_every_till_was_heard(market: Market) -> None:
    now = timezone.now()
    scope = whole_account(market.account)
    seller = market.seller()
    seller.open(now - timedelta(hours=2))
    seller.send(now)
    view = completeness(scope, live_registers(scope, now), now)
    assert view.complete and view.complete_until == now

    scope = whole_account(market.account)
    later = now + timedelta(hours=1)
    view = completeness(scope, live_registers(scope, later), later)
    assert not view.complete
    assert abs(view.complete_until - now) < timedelta(seconds=1)

    seller.till.add_bytes(b"nonsense")
    seller.send(later)
    scope = whole_account(market.account)
    view = completeness(scope, live_registers(scope, later), later)
    assert (view.not_applied, view.silent, view.complete) == (1, [], False)


def test_what_the_last_message_brought_is_no_longer_unsent(market: Market) -> None:
    """A register speaks of what is unsent before it sends it, in the same message."""
    now = timezone.now()
    seller = market.seller()
    seller.open(now)
    everything = seller.till.entries
    unsent = seller.till.request().unsent.__class__(count=1, value=500, oldest_at=now)
    seller.till.post(seller.till.request(everything, unsent=unsent), now)
    scope = whole_account(market.account)
    (till,) = live_registers(scope, now)
    assert till.register.unsent_count == 1
    assert (till.unsent_count, till.unsent_value, till.unsent_oldest_at) == (0, 0, None)


def test_cash_differences(market: Market) -> None:
    seller = market.seller()
    for off in (0, -150, 500):
        seller.open(NOON)
        seller.close(NOON + timedelta(hours=1), off=off)
    seller.send(NOON + timedelta(hours=2))
    scope = whole_account(market.account)
    view = cash_view(scope, NOON.date())
    assert (view.closed, view.difference) == (3, 350)
    assert sorted(s.difference or 0 for s in view.off) == [-150, 500]
    assert cash_view(scope, NOON.date() + timedelta(days=1)).closed == 0


def test_payments_in_the_ledger_keep_their_change(market: Market) -> None:
    seller = market.seller()
    seller.open(NOON)
    _split_payments(market, seller)
    seller.send(NOON)
    kept = sum(p.amount - p.change for p in Payment.objects.filter(type="cash"))
    assert kept == seller.totals.cash_sales


def test_the_scale_of_a_chart_is_round_and_covers_all() -> None:
    for largest, currency, step in ((0, "EUR", 100), (1, "EUR", 100), (12_345, "EUR", 5000),
                                    (80_000, "EUR", 20_000), (7, "JPY", 2), (10**12, "EUR", 5 * 10**11)):  # fmt: skip
        assert scale_step(largest, currency) == step
        assert step * 4 >= largest


def test_a_chart_is_drawn_to_its_scale() -> None:
    hours = [Hour(9, 1, 400, 0), Hour(10, 1, 200, 400), Hour(11, 1, -50, 0)]
    chart = hour_chart(hours, "EUR")
    full, half, refunds, *to_come = chart.bars
    assert full.top == chart.lines[-1][0] and chart.lines[-1][1] == 400
    assert half.height * 2 == full.height and half.before_height == full.height
    assert refunds.height == 0
    assert [b.hour for b in to_come] == [12, 13, 14, 15, 16]
    assert full.left + full.width < half.before_left
    assert half.before_left + half.width < 100
    assert hour_chart([], "EUR").bars == []


def test_words() -> None:
    now = timezone.now()
    assert words.money(123450, "EUR") == "€1,234.50"
    assert words.money(-150, "EUR") == "−\u2060€1.50"
    assert words.money(500, "JPY") == "JP¥500"
    assert words.money(1234, "BHD").endswith("1.234")
    assert words.money(None, "EUR") == "–"
    assert words.signed(150, "EUR") == "+\u2060€1.50"
    assert words.signed(0, "EUR") == "€0.00"
    assert words.number(Decimal("-1204.5")) == "−1,204.5"
    assert words.count(1, "entry", "entries") == "1 entry"
    assert words.count(1204, "sale") == "1,204 sales"
    assert words.seconds(0.01) == "0 s"
    assert words.seconds(-0.44) == "−0.4 s"
    assert words.seconds(7200) == "+120 min"
    assert words.ago(None) == "never"
    assert words.ago(now - timedelta(minutes=5)) == "5 min ago"
    assert words.ago(now - timedelta(hours=30)) == "30 h ago"
    assert words.ago(now - timedelta(days=4)) == "4 days ago"
    assert words.ago(now + timedelta(minutes=5)) == "0 s ago"
    assert words.when(datetime(2020, 3, 2, 12, tzinfo=UTC), "Europe/Berlin") == "2 Mar 2020 13:00"
    assert words.clock(NOON, "America/New_York") == "07:00"
    assert words.round_money(50_000, "EUR") == "€500"
    assert words.round_money(150_000_000, "EUR") == "€1.5M"
