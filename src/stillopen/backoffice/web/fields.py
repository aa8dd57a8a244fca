"""Reading what people typed into forms and searches."""

import math
from uuid import UUID

from django.http import HttpRequest

from stillopen.domain.errors import DomainError
from stillopen.domain.money import parse_major


def typed(request: HttpRequest, name: str) -> str:
    """A form's or a search's text field, trimmed; NUL characters are dropped, no database holds them."""
    values = request.POST if request.method == "POST" else request.GET
    return values.get(name, "").replace("\0", "").strip()


def typed_money(text: str, currency: str) -> int:
    """``3.99`` or ``3,99`` (major units, also below zero) to minor units; ``DomainError bad_amount``."""
    return parse_major(point_for_comma(text), currency)


def typed_seconds(text: str) -> float:
    """``2.6`` or ``2,6``; NaN, which lies within no bounds, for what is not a number."""
    try:
        return float(point_for_comma(text))
    except ValueError:
        return math.nan


def parse_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def required(text: str, what: str) -> str:
    """``DomainError bad_value`` for an empty field."""
    if not text:
        raise DomainError("bad_value", f"{what} is missing.")
    return text


def point_for_comma(text: str) -> str:
    """``3,99`` as many write it becomes ``3.99``; anything else stays as it is."""
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
