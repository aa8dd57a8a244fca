"""What fits into the ledger. A fact that does not is quarantined before it meets the database,
where it would be a database error and hold up everything behind it."""

import re
import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

import msgspec

from stillopen.backoffice.ingest.sql import utc
from stillopen.domain.errors import DomainError
from stillopen.domain.quantity import MAX_QUANTITY, SCALE

MAX_MONEY = 10**17  # minor units; a bigint holds 9.2 × 10**18, sums included
_MAX_RATE, _RATE_SCALE = Decimal(999), Decimal("0.0001")
_MAX_DIGITS = 20  # of a decimal's exponent: exact arithmetic with more could take forever


_CANONICAL = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def out_of_range(what: str) -> DomainError:
    return DomainError("out_of_range", f"The {what} of this entry is beyond what can be booked.")


def check_money(amounts: Iterable[int]) -> None:
    """Minor units."""
    if max(map(abs, amounts), default=0) > MAX_MONEY:
        raise out_of_range("amount")


def check_decimal(value: Decimal, limit: Decimal | int, what: str) -> None:
    """Finite, within ± ``limit``, and of a length that can be computed with."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _MAX_DIGITS or abs(value) > limit:
        raise out_of_range(what)


def quantity_text(value: Decimal) -> str:
    """``value`` at the scale of quantities; it must lose nothing by that."""
    if not value.is_finite():
        raise out_of_range("quantity")
    return _quantity_text(value)


def rate_text(value: Decimal) -> str:
    """A tax rate in percent, with at most four decimals."""
    if not value.is_finite() or value.is_signed():
        raise out_of_range("tax rate")
    return _rate_text(value)


@lru_cache(4096)
def _quantity_text(value: Decimal) -> str:
    return _at_scale(value, MAX_QUANTITY, SCALE, "quantity")


@lru_cache(4096)
def _rate_text(value: Decimal) -> str:
    return _at_scale(value, _MAX_RATE, _RATE_SCALE, "tax rate")


def _at_scale(value: Decimal, limit: Decimal, scale: Decimal, what: str) -> str:
    # Comparing is exact; arithmetic would overflow on a hostile exponent.
    if not -limit <= value <= limit:
        raise out_of_range(what)
    fitted = value.quantize(scale)
    if fitted != value:
        raise out_of_range(what)
    return str(fitted)


def in_utc(at: datetime) -> datetime:
    try:
        return utc(at)
    except OverflowError:
        raise out_of_range("time") from None


def canonical_id(text: str, what: str = "id") -> str:
    """A UUID in its canonical form; ``DomainError bad_entry`` when it is none."""
    if _CANONICAL(text):
        return text
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise DomainError("bad_entry", f"The {what} of this entry is not a UUID.") from None


def clip(text: str, length: int) -> str:
    """What fits the column; the entry itself keeps every letter. PostgreSQL's text has no NUL."""
    return (text.replace("\0", "") if "\0" in text else text)[:length]


def plain(value: object) -> object:
    """JSON-ready data that both databases take: strings without NUL, numbers within bounds."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        check_money((value,))
        return value
    if isinstance(value, dict):
        return {str(plain(k)): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return str(value)


def as_json(payload: msgspec.Struct) -> str:
    """A typed payload as JSON text."""
    return msgspec.json.encode(plain(msgspec.to_builtins(payload))).decode()
