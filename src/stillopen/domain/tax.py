"""Tax: inside the price or on top of it, rounded per line or on the total of each rate.

Worked examples: docs/money.md, executed by tests/domain/test_money_examples.py.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from stillopen.domain.money import Rounding, divide, spread


class TaxRounding(StrEnum):
    LINE = "line"  # each line's tax is rounded, the total is their sum
    TOTAL = "total"  # each rate's tax is rounded once, then spread over its lines


class Taxed(msgspec.Struct, frozen=True):
    """An amount with its tax, minor units. ``net + tax = gross``: anything else cannot be built."""

    net: int
    tax: int
    gross: int

    def __post_init__(self) -> None:
        if self.net + self.tax != self.gross:
            raise ValueError(f"net {self.net} + tax {self.tax} is not gross {self.gross}")

    def __neg__(self) -> "Taxed":
        return Taxed(-self.net, -self.tax, -self.gross)


def taxed(amount: int, rate: Decimal, inside: bool, mode: Rounding) -> Taxed:
    """``amount`` at ``rate`` percent; the amount holds the tax already when ``inside``."""
    rate_num, rate_den = rate.as_integer_ratio()
    hundred = 100 * rate_den
    if inside:
        net = divide(amount * hundred, hundred + rate_num, mode)
        return Taxed(net, amount - net, amount)
    tax = divide(amount * rate_num, hundred, mode)
    return Taxed(amount, tax, amount + tax)


def tax_lines(
    amounts: Sequence[int],
    rates: Sequence[tuple[str, Decimal]],
    inside: bool,
    tax_rounding: TaxRounding,
    mode: Rounding,
) -> list[Taxed]:
    """Tax each of ``amounts`` (minor units, after discounts) at its ``(rate id, percent)``.

    In the *total* mode the tax of each rate is rounded once and spread over its lines by largest
    remainder of their amounts, so the lines still sum to the rate and the rates to the receipt.
    """
    if tax_rounding is TaxRounding.LINE:
        return [
            taxed(a, percent, inside, mode) for a, (_, percent) in zip(amounts, rates, strict=True)
        ]
    result: list[Taxed | None] = [None] * len(amounts)
    groups: dict[tuple[str, Decimal], list[int]] = {}
    for i, rate in enumerate(rates):
        groups.setdefault(rate, []).append(i)
    for (_, percent), places in groups.items():
        whole = taxed(sum(amounts[i] for i in places), percent, inside, mode)
        for i, tax in zip(
            places, _spread_signed(whole.tax, [amounts[i] for i in places]), strict=True
        ):
            net = amounts[i] - tax if inside else amounts[i]
            result[i] = Taxed(net, tax, net + tax)
    return [t for t in result if t is not None]


def _spread_signed(amount: int, weights: Sequence[int]) -> list[int]:
    """Spread over weights of mixed sign (an exchange): returned lines keep a share of their own sign."""
    if all(w >= 0 for w in weights) or all(w <= 0 for w in weights):
        return spread(amount, weights)
    total = sum(weights)
    if total == 0:  # what came and went cancels out: the tax of both sides is the same
        parts = [0] * len(weights)
        parts[0] = amount
        return parts
    parts = [divide(amount * w * (1 if total > 0 else -1), abs(total)) for w in weights]
    parts[max(range(len(weights)), key=lambda i: abs(weights[i]))] += amount - sum(parts)
    return parts
