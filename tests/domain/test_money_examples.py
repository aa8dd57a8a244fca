"""The worked examples of docs/money.md, with exactly these figures."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from stillopen.domain.barcode import Carries, check_digit_ok, quantity_for_price, read_embedded
from stillopen.domain.businessday import business_day, zone
from stillopen.domain.errors import DomainError
from stillopen.domain.pricing import Price, price_at
from stillopen.domain.receipt import recompute
from stillopen.domain.refund import refund_part
from stillopen.domain.shift import CashKind, ShiftTotals, expected_cash, with_cash, with_receipt
from stillopen.domain.tax import Taxed, TaxRounding
from stillopen.domain.tender import round_cash, settle
from stillopen.domain.totals import Rules, compute_totals
from tests.domain.builders import EUR, amount_off, card, cash, line, receipt


@pytest.mark.parametrize(
    ("rounding", "net", "tax"), [(TaxRounding.LINE, 42015, 7985), (TaxRounding.TOTAL, 42017, 7983)]
)
def test_1_tax_inside_the_price(rounding: TaxRounding, net: int, tax: int) -> None:
    totals = compute_totals(
        [line(10000) for _ in range(5)], None, Rules(currency="EUR", tax_rounding=rounding)
    )
    assert (totals.net, totals.tax, totals.total) == (net, tax, 50000)


@pytest.mark.parametrize(
    ("rounding", "tax", "total"), [(TaxRounding.LINE, 196, 1133), (TaxRounding.TOTAL, 197, 1134)]
)
def test_2_tax_on_top(rounding: TaxRounding, tax: int, total: int) -> None:
    rules = Rules(currency="EUR", tax_inside=False, tax_rounding=rounding)
    lines = [line(148, "4", "21"), line(152, rate="21"), line(154, rate="21"), line(39, rate="21")]
    totals = compute_totals(lines, None, rules)
    assert (totals.net, totals.tax, totals.total) == (937, tax, total)


@pytest.mark.parametrize("rounding", list(TaxRounding))
def test_3_mixed_rates_inside(rounding: TaxRounding) -> None:
    rules = Rules(currency="EUR", tax_rounding=rounding)
    totals = compute_totals([line(2890, rate="22"), line(125, rate="10")], None, rules)
    assert totals.total == 3015
    assert [t.gross - t.amount for t in totals.taxes] == [t.net for t in totals.taxes]


def test_4_cash_rounding() -> None:
    assert round_cash(198, 5) == 200
    assert round_cash(-198, 5) == -200
    mixed = settle(1237, [card(500), cash(735)], 5)
    assert (mixed.rounding, mixed.change) == (-2, 0)
    assert settle(1237, [card(1237)], 5).rounding == 0
    assert settle(198, [cash(200)], 5).rounding == 2


def test_5_spreading_a_discount() -> None:
    totals = compute_totals([line(999), line(999), line(1001)], amount_off(1000), EUR)
    assert [x.sale_discount for x in totals.lines] == [333, 333, 334]
    assert totals.total == 1999


def test_6_partial_refund() -> None:
    sold = receipt(cash(1000), lines=[line(1000, "3", "20", fixed_amount=1000)]).lines[0]
    assert (sold.gross, sold.tax) == (1000, 167)
    parts = [refund_part(sold, Decimal(n), Decimal(1)) for n in range(3)]
    assert [(p.gross, p.tax) for p in parts] == [(333, 56), (334, 55), (333, 56)]
    with pytest.raises(DomainError, match="More would come back"):
        refund_part(sold, Decimal(3), Decimal(1))


def test_7_refund_keeps_the_old_tax() -> None:
    sold = receipt(cash(1190), lines=[line(1190, rate="19")]).lines[0]
    assert refund_part(sold, Decimal(0), Decimal(1)) == Taxed(1000, 190, 1190)


def test_13_expected_cash() -> None:
    totals = with_receipt(ShiftTotals(), receipt(cash(30000), lines=[line(25000)]))
    totals = with_receipt(totals, receipt(cash(-2000), lines=[line(2000, "-1")]))
    for kind, amount in [(CashKind.PAY_IN, 3000), (CashKind.PAY_OUT, 1500), (CashKind.DROP, 20000)]:
        totals = with_cash(totals, kind, amount)
    assert (totals.cash_sales, totals.cash_refunds) == (25000, 2000)
    assert expected_cash(10000, totals) == 14500


def test_16_business_day() -> None:
    cutoff = time(4, 0)
    late = datetime(2026, 10, 25, 2, 59, 59, tzinfo=UTC)
    assert business_day(late, "Europe/Berlin", cutoff) == date(2026, 10, 24)
    assert business_day(late + timedelta(seconds=1), "Europe/Berlin", cutoff) == date(2026, 10, 25)
    begin = datetime(2026, 10, 24, 4, 0, tzinfo=zone("Europe/Berlin"))
    end = datetime(2026, 10, 25, 4, 0, tzinfo=zone("Europe/Berlin"))
    assert end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=25)


def test_17_price_change_at_midnight() -> None:
    midnight = datetime(2026, 11, 23)  # noqa: DTZ001 - the wall clock of the store
    prices = [Price(amount=1000), Price(amount=800, since=midnight)]
    assert price_at(prices, midnight - timedelta(seconds=10)) == 1000
    assert price_at(prices, midnight) == 800
    assert price_at([Price(amount=5, since=midnight)], midnight - timedelta(days=1)) is None


def test_20_price_inside_a_barcode() -> None:
    prefixes = {"21": Carries.PRICE, "22": Carries.WEIGHT}
    code = read_embedded("2112345003320", prefixes, "EUR")
    assert code is not None and (code.item, code.price) == ("12345", 332)
    quantity = quantity_for_price(332, 4500)
    assert quantity == Decimal("0.074")
    item = line(4500, str(quantity), unit="kg", fixed_amount=332)
    assert compute_totals([item], None, EUR).total == 332
    assert read_embedded("2000008190480", prefixes, "EUR") is None
    assert read_embedded("2112345003321", prefixes, "EUR") is None  # wrong check digit
    assert check_digit_ok("2000008190480")


def test_a_receipt_recomputes_to_itself() -> None:
    made = receipt(cash(3000), card(100), lines=[line(999, "2"), line(250, rate="7")])
    assert recompute(made) == made
