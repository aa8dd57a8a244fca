"""Money is an ``int`` of minor units beside a currency. No floats come near it.

Every division names its rounding mode, and the mode is frozen into each sale, so that a sale
recomputed years later gives the same cents.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from stillopen.domain.errors import DomainError

# ISO 4217: currencies whose minor unit is not 1/100.
_DIGITS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}

#: No single amount may exceed this (minor units): far above any till, far below 64-bit overflow.
MAX_AMOUNT = 10**13
# Decimal() takes more than people mean: exponents, underscores, digits of other scripts.
_PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_MOST_DIGITS = 40


class Rounding(StrEnum):
    """How a fraction of a minor unit is settled."""

    HALF_UP = "half_up"  # half away from zero: refunds mirror sales
    HALF_EVEN = "half_even"  # banker's rounding
    DOWN = "down"  # towards zero


def minor_digits(currency: str) -> int:
    """Number of digits after the decimal point of ``currency`` (ISO 4217 code)."""
    return _DIGITS.get(currency, 2)


def divide(numerator: int, denominator: int, mode: Rounding = Rounding.HALF_UP) -> int:
    """``numerator / denominator`` as an integer, rounded by ``mode``; symmetric around zero."""
    if denominator <= 0:
        raise ValueError("denominator must be positive")
    if denominator == 1:
        return numerator
    quotient, rest = divmod(abs(numerator), denominator)
    if mode is Rounding.HALF_UP:
        quotient += 2 * rest >= denominator
    elif mode is Rounding.HALF_EVEN:
        quotient += 2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1)
    return quotient if numerator >= 0 else -quotient


def spread(amount: int, weights: Sequence[int]) -> list[int]:
    """Split ``amount`` over ``weights`` by largest remainder; the parts sum to ``amount`` exactly.

    Ties go to the larger weight, then to the earlier place. Weights must be of one sign; when all
    are zero the first place gets everything.
    """
    if not weights:
        if amount:
            raise ValueError("nothing to spread over")
        return []
    total = sum(weights)
    if total == 0:
        return [amount] + [0] * (len(weights) - 1)
    if total < 0:
        weights, total = [-w for w in weights], -total
    if min(weights) < 0:
        raise ValueError("weights must be of one sign")
    if amount == 0:
        return [0] * len(weights)
    size = abs(amount)
    parts = [size * w // total for w in weights]
    left = size - sum(parts)
    if left:
        order = [(-(size * w % total), -w, i) for i, w in enumerate(weights)]
        order.sort()
        for _, _, i in order[:left]:
            parts[i] += 1
    return parts if amount > 0 else [-p for p in parts]


def parse_major(text: str, currency: str) -> int:
    """``"3.99"`` (major units, decimal point) to minor units, exactly; or ``DomainError bad_amount``."""
    plain = text.strip()
    if len(plain) > _MOST_DIGITS or not _PLAIN.fullmatch(plain):
        raise DomainError("bad_amount", f"“{plain[:_MOST_DIGITS]}” is not an amount of money.")
    minor = Decimal(plain).scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        raise DomainError(
            "bad_amount", f"“{text}” has more digits after the point than {currency} has."
        )
    if abs(minor) > MAX_AMOUNT:
        raise DomainError("bad_amount", f"“{text}” is too large an amount.")
    return int(minor)


def to_major(amount: int, currency: str) -> Decimal:
    """Minor units to an exact decimal in major units."""
    return Decimal(amount).scaleb(-minor_digits(currency))


def format_plain(amount: int, currency: str) -> str:
    """``420`` → ``"4.20"``: digits only, decimal point, for machines and for receipts."""
    return f"{to_major(amount, currency):.{minor_digits(currency)}f}"
