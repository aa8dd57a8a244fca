"""Quantities: decimals with a fixed scale of 0.001 (pieces, kilograms, litres, metres)."""

from decimal import Decimal, InvalidOperation

from stillopen.domain.errors import DomainError

SCALE = Decimal("0.001")
MAX_QUANTITY = Decimal(1_000_000)


def parse_quantity(text: str | int | Decimal) -> Decimal:
    """A quantity other than zero with at most three decimals; ``DomainError bad_quantity`` otherwise."""
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        raise DomainError("bad_quantity", f"“{text}” is not a quantity.") from None
    if not value.is_finite() or value == 0 or abs(value) > MAX_QUANTITY:
        raise DomainError("bad_quantity", f"“{text}” is not a possible quantity.")
    if value != value.quantize(SCALE):
        raise DomainError("bad_quantity", "A quantity has at most three digits after the point.")
    return value.quantize(SCALE)


def to_milli(quantity: Decimal) -> int:
    """Thousandths, exact."""
    return int(quantity.scaleb(3))


def format_quantity(quantity: Decimal) -> str:
    """``Decimal("2.000")`` → ``"2"``, ``Decimal("0.074")`` → ``"0.074"``."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
