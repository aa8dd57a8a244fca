"""Tax: inside the price or on top of it, rounded per line or on the total of each rate.

Worked examples: docs/money.md, executed by tests/domain/test_money_examples.py.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from stillopen.domain.money import Rounding, divide, spread

#: (rate id, percent)
Rate = tuple[str, Decimal]
#: A rate and the places of its lines.
Group = tuple[Rate, Sequence[int]]


class TaxRounding(StrEnum):
    LINE = "line"  # each line's tax is rounded, the total is their sum
    TOTAL = "total"  # each rate's tax is rounded once, then spread over its lines


class Taxed(msgspec.Struct, frozen=True, gc=False):
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


def group(rates: Sequence[Rate]) -> list[Group]:
    """The lines of each rate; rates in the order in which they come first."""
    if rates and rates.count(rates[0]) == len(rates):  # most sales; a Decimal is slow to hash
        return [(rates[0], range(len(rates)))]
    places: dict[Rate, list[int]] = {}
    for i, rate in enumerate(rates):
        places.setdefault(rate, []).append(i)
    return list(places.items())


def tax_lines(
    amounts: Sequence[int],
    groups: Sequence[Group],
    inside: bool,
    tax_rounding: TaxRounding,
    mode: Rounding,
) -> list[Taxed]:
    """Tax each of ``amounts`` (minor units, after discounts) at the rate whose group it is in.

    In the *total* mode the tax of each rate is rounded once and spread over its lines by largest
    remainder of their amounts, so the lines still sum to the rate and the rates to the receipt.
    """
    of_group = _each if tax_rounding is TaxRounding.LINE else _together
    if len(groups) == 1:
        taxes = of_group(amounts, groups[0][0][1], inside, mode)
    else:
        taxes = [0] * len(amounts)
        for (_, percent), places in groups:
            parts = of_group([amounts[i] for i in places], percent, inside, mode)
            for i, tax in zip(places, parts, strict=True):
                taxes[i] = tax
    if inside:
        return [Taxed(a - t, t, a) for a, t in zip(amounts, taxes, strict=True)]
    return [Taxed(a, t, a + t) for a, t in zip(amounts, taxes, strict=True)]


def _each(amounts: Sequence[int], percent: Decimal, inside: bool, mode: Rounding) -> list[int]:
    return [taxed(a, percent, inside, mode).tax for a in amounts]


def _together(amounts: Sequence[int], percent: Decimal, inside: bool, mode: Rounding) -> list[int]:
    return _spread_signed(taxed(sum(amounts), percent, inside, mode).tax, amounts)


def _spread_signed(amount: int, weights: Sequence[int]) -> list[int]:
    """Spread over weights of mixed sign (an exchange): returned lines keep a share of their own sign."""
    if min(weights) >= 0 or max(weights) <= 0:
        return spread(amount, weights)
    total = sum(weights)
    if total == 0:  # what came and went cancels out: the tax of both sides is the same
        parts = [0] * len(weights)
        parts[0] = amount
        return parts
    parts = [divide(amount * w * (1 if total > 0 else -1), abs(total)) for w in weights]
    parts[max(range(len(weights)), key=lambda i: abs(weights[i]))] += amount - sum(parts)
    return parts
