"""Quantities: decimals with a fixed scale of 0.001 (pieces, kilograms, litres, metres)."""

import re
from decimal import Decimal

from stillopen.domain.errors import DomainError

SCALE = Decimal("0.001")
MAX_QUANTITY = Decimal(1_000_000)
# Decimal() takes more than people mean: exponents, underscores, digits of other scripts.
_PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_MOST_DIGITS = 40


def parse_quantity(text: str | int | Decimal) -> Decimal:
    """A quantity other than zero with at most three decimals; ``DomainError bad_quantity`` otherwise.

    Text is plain digits with a decimal point.
    """
    value = _read(text) if isinstance(text, str) else Decimal(text)
    if not value.is_finite() or value == 0 or abs(value) > MAX_QUANTITY:
        raise DomainError("bad_quantity", f"“{text}” is not a possible quantity.")
    if value != value.quantize(SCALE):
        raise DomainError("bad_quantity", "A quantity has at most three digits after the point.")
    return value.quantize(SCALE)


def _read(text: str) -> Decimal:
    plain = text.strip()
    if len(plain) > _MOST_DIGITS or not _PLAIN.fullmatch(plain):
        raise DomainError("bad_quantity", f"“{plain[:_MOST_DIGITS]}” is not a quantity.")
    return Decimal(plain)


def to_milli(quantity: Decimal) -> int:
    """Thousandths, exact."""
    return int(quantity.scaleb(3))


def format_quantity(quantity: Decimal) -> str:
    """``Decimal("2.000")`` → ``"2"``, ``Decimal("0.074")`` → ``"0.074"``."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
