"""Figures as people read them."""

from datetime import datetime

from babel.dates import format_datetime, format_time
from babel.numbers import format_currency

from stillopen.domain.money import minor_digits, to_major

LOCALE = "en"


def money(amount: int, currency: str) -> str:
    """``4120, "EUR"`` → ``€41.20``."""
    digits = minor_digits(currency)
    pattern = "¤#,##0" + ("." + "0" * digits if digits else "")
    return format_currency(
        to_major(amount, currency), currency, pattern, locale=LOCALE, currency_digits=False
    )


def figures(amount: int, currency: str) -> str:
    """``123450, "EUR"`` → ``1,234.50``."""
    return f"{to_major(amount, currency):,.{minor_digits(currency)}f}"


def clock_time(local: datetime) -> str:
    """``14:02``"""
    return format_time(local, "HH:mm", locale=LOCALE)


def date_time(local: datetime) -> str:
    """``3 Mar 2026, 14:02``"""
    return format_datetime(local, "d MMM y, HH:mm", locale=LOCALE)


def counted(number: int, one: str, many: str) -> str:
    """``1 sale``, ``3 sales``."""
    return f"{number:,} {one if number == 1 else many}"
