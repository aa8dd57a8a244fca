"""Barcodes: EAN/UPC check digits, and in-store EAN-13 that carry a price or a weight."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from stillopen.domain.money import minor_digits
from stillopen.domain.quantity import SCALE


class Carries(StrEnum):
    PRICE = "price"
    WEIGHT = "weight"


class EmbeddedCode(msgspec.Struct, frozen=True, kw_only=True):
    """``21 12345 00332 0``: prefix, item code, value, check digit. Price in minor units, weight in kg."""

    item: str
    price: int | None = None
    weight: Decimal | None = None


def check_digit_ok(code: str) -> bool:
    """Whether the last digit of an EAN-8, UPC-A or EAN-13 is right."""
    if not (code.isascii() and code.isdigit() and len(code) in (8, 12, 13)):
        return False
    digits = [int(c) for c in reversed(code)]
    return (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0


def read_embedded(code: str, prefixes: Mapping[str, Carries], currency: str) -> EmbeddedCode | None:
    """The item and value inside ``code`` if its two-digit prefix is one of ``prefixes``, else None.

    The five value digits are hundredths of the major unit (whole units where the currency has no
    minor ones), or grams.
    """
    if len(code) != 13 or not check_digit_ok(code):
        return None
    carries = prefixes.get(code[:2])
    value = int(code[7:12])
    if carries is Carries.PRICE:
        extra = max(minor_digits(currency) - 2, 0)
        return EmbeddedCode(item=code[2:7], price=value * 10**extra)
    if carries is Carries.WEIGHT:
        return EmbeddedCode(item=code[2:7], weight=Decimal(value).scaleb(-3).quantize(SCALE))
    return None


def quantity_for_price(price: int, unit_price: int) -> Decimal:
    """The weight that ``price`` stands for at ``unit_price`` per unit (minor units), to 0.001."""
    if unit_price <= 0:
        return Decimal("1.000")
    return max((Decimal(price) / Decimal(unit_price)).quantize(SCALE), SCALE)
