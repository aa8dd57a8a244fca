"""From a cart to money: line discounts, the sale's discount spread over the lines, then tax."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from stillopen.domain.cart import CartLine
from stillopen.domain.discount import Discount, discount_on
from stillopen.domain.money import Rounding, spread
from stillopen.domain.tax import Group, Taxed, TaxRounding, group, tax_lines


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force when a sale was made; frozen into it and never looked up again."""

    currency: str
    tax_inside: bool = True
    tax_rounding: TaxRounding = TaxRounding.TOTAL
    rounding: Rounding = Rounding.HALF_UP
    cash_rounding: int = 0  # smallest cash step in minor units; 0: none


class LineTotal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Minor units. ``before − discount − sale_discount`` is what is taxed."""

    before: int  # quantity × price
    discount: int  # taken off by the line's own discount
    sale_discount: int  # this line's share of the sale's discount
    net: int
    tax: int
    gross: int  # what the customer pays for the line


class TaxTotal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    own = [
        0 if line.discount is None else discount_on(b, line.discount, mode)
        for b, line in zip(before, lines, strict=True)
    ]
    amounts = [b - d for b, d in zip(before, own, strict=True)] if any(own) else before
    share = _shares(amounts, sale_discount, mode)
    if any(share):
        amounts = [a - s for a, s in zip(amounts, share, strict=True)]
    groups = group([(line.tax, line.tax_rate) for line in lines])
    parts = tax_lines(amounts, groups, rules.tax_inside, rules.tax_rounding, mode)
    taxes = _by_rate(lines, groups, parts)
    return Totals(
        lines=tuple(
            [
                LineTotal(
                    before=b, discount=d, sale_discount=s, net=t.net, tax=t.tax, gross=t.gross
                )
                for b, d, s, t in zip(before, own, share, parts, strict=True)
            ]
        ),
        taxes=taxes,
        subtotal=sum(before),
        discount=sum(own) + sum(share),
        net=sum([t.net for t in taxes]),
        tax=sum([t.amount for t in taxes]),
        total=sum([t.gross for t in taxes]),
    )


def _shares(amounts: list[int], discount: Discount | None, mode: Rounding) -> list[int]:
    """Of the sale's discount. It lies on what is sold; returned lines were discounted when they were sold."""
    if discount is None or not amounts:
        return [0] * len(amounts)
    weights = [max(a, 0) for a in amounts]
    return spread(discount_on(sum(weights), discount, mode), weights)


def _by_rate(
    lines: Sequence[CartLine], groups: Sequence[Group], parts: Sequence[Taxed]
) -> tuple[TaxTotal, ...]:
    """A rate that is named differently on several lines has the name of the first."""
    return tuple(
        [
            TaxTotal(
                tax=tax,
                name=lines[places[0]].tax_name,
                rate=rate,
                net=sum([parts[i].net for i in places]),
                amount=sum([parts[i].tax for i in places]),
                gross=sum([parts[i].gross for i in places]),
            )
            for (tax, rate), places in groups
        ]
    )
