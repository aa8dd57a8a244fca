"""From a cart to money: line discounts, the sale's discount spread over the lines, then tax."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from stillopen.domain.cart import CartLine
from stillopen.domain.discount import Discount, discount_on
from stillopen.domain.money import Rounding, spread
from stillopen.domain.tax import Taxed, TaxRounding, tax_lines


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force when a sale was made; frozen into it and never looked up again."""

    currency: str
    tax_inside: bool = True
    tax_rounding: TaxRounding = TaxRounding.TOTAL
    rounding: Rounding = Rounding.HALF_UP
    cash_rounding: int = 0  # smallest cash step in minor units; 0: none


class LineTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Minor units. ``before − discount − sale_discount`` is what is taxed."""

    before: int  # quantity × price
    discount: int  # taken off by the line's own discount
    sale_discount: int  # this line's share of the sale's discount
    net: int
    tax: int
    gross: int  # what the customer pays for the line


class TaxTotal(msgspec.Struct, frozen=True, kw_only=True):
    tax: str  # record id of the rate
    name: str
    rate: Decimal  # percent
    net: int
    amount: int  # the tax itself
    gross: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Minor units; ``total = Σ lines.gross = Σ taxes.gross`` and ``tax = Σ taxes.amount``."""

    lines: tuple[LineTotal, ...]
    taxes: tuple[TaxTotal, ...]
    subtotal: int  # before all discounts
    discount: int  # all discounts together
    net: int
    tax: int
    total: int


def compute_totals(
    lines: Sequence[CartLine], sale_discount: Discount | None, rules: Rules
) -> Totals:
    """All figures of a sale, from its lines and rules alone."""
    mode = rules.rounding
    before = [line.amount(mode) for line in lines]
    own = [discount_on(b, line.discount, mode) for b, line in zip(before, lines, strict=True)]
    after_own = [b - d for b, d in zip(before, own, strict=True)]
    # A sale's discount lies on what is sold; returned lines were discounted when they were sold.
    weights = [max(a, 0) for a in after_own]
    share = spread(discount_on(sum(weights), sale_discount, mode), weights) if lines else []
    amounts = [a - s for a, s in zip(after_own, share, strict=True)]
    rates = [(line.tax, line.tax_rate) for line in lines]
    parts = tax_lines(amounts, rates, rules.tax_inside, rules.tax_rounding, mode)
    return Totals(
        lines=tuple(
            LineTotal(before=b, discount=d, sale_discount=s, net=t.net, tax=t.tax, gross=t.gross)
            for b, d, s, t in zip(before, own, share, parts, strict=True)
        ),
        taxes=_by_rate(lines, parts),
        subtotal=sum(before),
        discount=sum(own) + sum(share),
        net=sum(t.net for t in parts),
        tax=sum(t.tax for t in parts),
        total=sum(t.gross for t in parts),
    )


def _by_rate(lines: Sequence[CartLine], parts: Sequence[Taxed]) -> tuple[TaxTotal, ...]:
    sums: dict[tuple[str, Decimal], list[Taxed]] = {}
    names: dict[tuple[str, Decimal], str] = {}
    for line, part in zip(lines, parts, strict=True):
        key = (line.tax, line.tax_rate)
        names.setdefault(key, line.tax_name)
        sums.setdefault(key, []).append(part)
    return tuple(
        TaxTotal(
            tax=key[0],
            name=names[key],
            rate=key[1],
            net=sum(p.net for p in group),
            amount=sum(p.tax for p in group),
            gross=sum(p.gross for p in group),
        )
        for key, group in sums.items()
    )
