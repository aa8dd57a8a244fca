"""What the fields of a product may hold: each check returns the value as it is stored, or names the fault."""

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from stillopen.backoffice.accounts.models import Account
from stillopen.backoffice.catalogue.models import TaxRate
from stillopen.domain.errors import DomainError
from stillopen.domain.money import MAX_AMOUNT, format_plain, parse_major

SKU_LENGTH, NAME_LENGTH, UNIT_LENGTH, CATEGORY_LENGTH = 64, 200, 10, 80
MAX_BARCODES = 50
# Decimal() takes more than people mean: exponents, underscores, digits of other scripts.
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_BARCODE = re.compile(r"[!-~]{1,64}")


def clean_text(text: str, what: str, length: int, needed: bool = True) -> str:
    """Without blanks around it and control characters in it. Error: ``bad_value``."""
    value = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if (needed and not value) or len(value) > length:
        least = 1 if needed else 0
        raise DomainError("bad_value", f"The {what} has {least} to {length} letters.")
    return value


def clean_price(amount: int, what: str = "price") -> int:
    """Minor units. Error: ``bad_price``."""
    if not 0 <= amount <= MAX_AMOUNT:
        raise DomainError(
            "bad_price", f"The {what} is not below zero and not above a hundred billion."
        )
    return amount


def read_price(text: str, currency: str, what: str = "price") -> int:
    """Major units with a decimal point, as people write them, to minor units.

    Errors: ``bad_amount``, ``bad_price``.
    """
    text = text.strip()
    if not _PLAIN.fullmatch(text):
        raise DomainError(
            "bad_amount", f"“{text}” is not a {what}: write digits with a decimal point, like 3.99."
        )
    return clean_price(parse_major(text, currency), what)


def clean_barcodes(codes: Iterable[str]) -> list[str]:
    """Each once, in order. Error: ``bad_barcode``."""
    found = list(dict.fromkeys(code.strip() for code in codes if code.strip()))
    for code in found:
        if not _BARCODE.fullmatch(code):
            raise DomainError(
                "bad_barcode", f"“{code}” is not a barcode: it has 1 to 64 plain letters."
            )
    if len(found) > MAX_BARCODES:
        raise DomainError("bad_barcode", f"A product has at most {MAX_BARCODES} barcodes.")
    return found


def find_tax(text: str, rates: Iterable[TaxRate]) -> TaxRate:
    """The rate named ``text``, or the one whose percentage it is (``19``, ``19 %``). Error: ``unknown_tax``."""
    wanted = text.strip()
    rates = list(rates)
    by_name = [rate for rate in rates if rate.name.casefold() == wanted.casefold()]
    found = by_name or _by_percent(wanted, rates)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"“{rate.name}”" for rate in found)
        raise DomainError("unknown_tax", f"Several tax rates have {wanted}: name one of {names}.")
    names = ", ".join(f"“{rate.name}”" for rate in rates)
    raise DomainError("unknown_tax", f"There is no tax rate “{wanted}”; there are: {names}.")


def _by_percent(text: str, rates: Iterable[TaxRate]) -> list[TaxRate]:
    number = text.removesuffix("%").strip()
    if not _PLAIN.fullmatch(number):
        return []
    try:
        percent = Decimal(number)
    except InvalidOperation:
        return []
    return [rate for rate in rates if rate.rate == percent]


def check_rate(rate: Decimal) -> None:
    """``DomainError bad_tax`` unless ``rate`` is a possible percentage."""
    if not rate.is_finite() or not 0 <= rate <= 100 or rate != rate.quantize(Decimal("0.0001")):
        raise DomainError(
            "bad_tax", "A tax rate is a percentage from 0 to 100 with at most 4 decimals."
        )


def money_words(account: Account, amount: int | None) -> str:
    """For the words of a draft change: ``3.50``, or ``none``."""
    return "none" if amount is None else format_plain(amount, account.currency)
