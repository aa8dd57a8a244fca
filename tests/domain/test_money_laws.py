"""Laws that hold for every sale: sums agree at every level, and refunds undo what was sold."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stillopen.domain.cart import CartLine
from stillopen.domain.discount import Discount
from stillopen.domain.money import Rounding, divide, format_plain, parse_major, spread
from stillopen.domain.receipt import Receipt, is_as_computed, recompute
from stillopen.domain.refund import refund_part
from stillopen.domain.shift import ShiftTotals, with_receipt
from stillopen.domain.tax import TaxRounding
from stillopen.domain.tender import cash_due
from stillopen.domain.totals import Rules, compute_totals
from tests.domain.builders import amount_off, card, cash, line, percent_off, receipt

rules = st.builds(
    Rules,
    currency=st.just("EUR"),
    tax_inside=st.booleans(),
    tax_rounding=st.sampled_from(TaxRounding),
    rounding=st.sampled_from(Rounding),
    cash_rounding=st.sampled_from([0, 5, 10, 100]),
)
discounts: st.SearchStrategy[Discount | None] = st.one_of(
    st.none(),
    st.integers(1, 5000).map(amount_off),
    st.integers(1, 100).map(lambda p: percent_off(str(p))),
)
lines: st.SearchStrategy[CartLine] = st.builds(
    line,
    st.integers(0, 50_000),
    st.integers(1, 9000).map(lambda q: str(Decimal(q) / 1000)),
    st.sampled_from(["0", "7", "19", "5.5", "21"]),
    discount=discounts,
)
carts = st.lists(lines, min_size=1, max_size=8)


def pay(
    items: list[CartLine], rule: Rules, sale_discount: Discount | None, by_card: int
) -> Receipt:
    """Pay in full: ``by_card`` percent with a card, the rest in cash with a little over."""
    total = compute_totals(items, sale_discount, rule).total
    on_card = total * by_card // 100
    tenders = [card(on_card)] if on_card else []
    due = cash_due(total, on_card, rule.cash_rounding)
    if on_card < total:
        tenders.append(cash(due + 37 if due else 0))
    return receipt(*tenders, lines=items, rules=rule, discount=sale_discount)


@given(carts, rules, discounts, st.integers(0, 100))
def test_sums_agree(
    items: list[CartLine], rule: Rules, sale_discount: Discount | None, by_card: int
) -> None:
    made = pay(items, rule, sale_discount, by_card)
    assert made.total == sum(x.gross for x in made.lines) == sum(t.gross for t in made.taxes)
    assert made.tax == sum(x.tax for x in made.lines) == sum(t.amount for t in made.taxes)
    assert made.net + made.tax == made.total
    assert made.total + made.rounding == sum(t.amount for t in made.tenders) - made.change
    for rate in made.taxes:
        own = [x for x in made.lines if (x.item.tax, x.item.tax_rate) == (rate.tax, rate.rate)]
        assert rate.amount == sum(x.tax for x in own)
        assert rate.net == sum(x.net for x in own)
    assert all(x.before - x.discount - x.sale_discount >= 0 for x in made.lines)
    assert recompute(made) == made and is_as_computed(made)


FIGURES = ("subtotal", "discount_total", "net", "tax", "total", "rounding", "change")
OF_A_LINE = ("before", "discount", "sale_discount", "net", "tax", "gross")


@given(carts, rules, discounts, st.data())
def test_one_figure_that_was_altered_is_found(
    items: list[CartLine], rule: Rules, sale_discount: Discount | None, data: st.DataObject
) -> None:
    made = pay(items, rule, sale_discount, 0)
    altered = data.draw(st.sampled_from([*FIGURES, "taxes", "lines"]))
    by = data.draw(st.sampled_from([-1, 1, 100]))
    if altered in FIGURES:
        changes: dict[str, object] = {altered: getattr(made, altered) + by}
    elif altered == "taxes":
        first = replace(made.taxes[0], amount=made.taxes[0].amount + by)
        changes = {"taxes": (first, *made.taxes[1:])}
    else:
        at = data.draw(st.integers(0, len(made.lines) - 1))
        line_of = list(made.lines)
        name = data.draw(st.sampled_from(OF_A_LINE))
        line_of[at] = replace(line_of[at], **{name: getattr(line_of[at], name) + by})
        changes = {"lines": tuple(line_of)}
    assert not is_as_computed(replace(made, **changes))


@given(lines, rules, st.lists(st.integers(1, 9000), min_size=1, max_size=6))
def test_any_split_of_a_refund_gives_back_what_was_paid(
    item: CartLine, rule: Rules, cuts: list[int]
) -> None:
    sold = pay([item], rule, None, 0).lines[0]
    parts, back = [], Decimal(0)
    for cut in cuts:
        step = min(Decimal(cut) / 1000, item.quantity - back)
        if step > 0:
            parts.append(refund_part(sold, back, step))
            back += step
    if back < item.quantity:
        parts.append(refund_part(sold, back, item.quantity - back))
    assert sum(p.gross for p in parts) == sold.gross
    assert sum(p.tax for p in parts) == sold.tax


@given(st.lists(st.tuples(carts, rules, discounts), min_size=1, max_size=5))
def test_shift_sums_are_the_sums_of_its_receipts(
    sales: list[tuple[list[CartLine], Rules, Discount | None]],
) -> None:
    made = [pay(items, rule, off, 40) for items, rule, off in sales]
    totals = ShiftTotals()
    for one in made:
        totals = with_receipt(totals, one)
    assert totals.sales_total - totals.refunds_total == sum(r.total for r in made)
    assert sum(t.amount for t in totals.tenders) == sum(r.total + r.rounding for r in made)
    assert sum(t.tax for t in totals.taxes) == sum(r.tax for r in made)
    assert totals.cash_sales == sum(r.cash for r in made)


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_spread_gives_everything_and_nothing_more(amount: int, weights: list[int]) -> None:
    parts = spread(amount, weights)
    assert sum(parts) == amount
    if sum(weights):
        total = sum(weights)
        assert all(abs(p - amount * w / total) < 1 for p, w in zip(parts, weights, strict=True))


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6), st.sampled_from(Rounding))
def test_division_is_symmetric(numerator: int, denominator: int, mode: Rounding) -> None:
    assert divide(-numerator, denominator, mode) == -divide(numerator, denominator, mode)
    assert abs(divide(numerator, denominator, mode) * denominator - numerator) < denominator


@given(st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "JPY", "BHD"]))
def test_money_as_text_comes_back(amount: int, currency: str) -> None:
    assert parse_major(format_plain(amount, currency), currency) == amount
