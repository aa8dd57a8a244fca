"""Discounts: a percentage or an amount, on a line or on the whole sale."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.money import Rounding, divide


class DiscountKind(StrEnum):
    PERCENT = "percent"
    AMOUNT = "amount"


class Discount(msgspec.Struct, frozen=True, kw_only=True):
    """``value`` is a percentage (0–100) for PERCENT, minor units for AMOUNT."""

    kind: DiscountKind
    value: Decimal
    name: str = ""

    def __post_init__(self) -> None:
        limit = 100 if self.kind is DiscountKind.PERCENT else Decimal(10**13)
        if not self.value.is_finite() or not 0 < self.value <= limit:
            raise ValueError("a discount is above 0 and at most the whole")
        if self.kind is DiscountKind.AMOUNT and self.value != self.value.to_integral_value():
            raise ValueError("a discount amount is in whole minor units")


def discount_on(amount: int, discount: Discount | None, mode: Rounding) -> int:
    """How much ``discount`` takes off ``amount`` (minor units, ≥ 0); never more than the amount."""
    if discount is None:
        return 0
    if discount.kind is DiscountKind.AMOUNT:
        if amount < 0:
            raise DomainError("bad_discount", "An amount cannot be taken off a returned line.")
        return min(int(discount.value), amount)
    numerator, denominator = discount.value.as_integer_ratio()
    return divide(amount * numerator, 100 * denominator, mode)
