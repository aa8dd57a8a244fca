"""Keyset paging: a cursor names the last row that was given, so nothing is lost or doubled while rows come in."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from stillopen.domain.errors import DomainError

M = TypeVar("M", bound=Model)
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


@dataclass(frozen=True)
class Key:
    """One column of the order. ``parse`` turns the cursor's text back into the column's type."""

    name: str
    parse: Callable[[str], Any] = str
    descending: bool = False


@dataclass(frozen=True)
class Order:
    """The order of a list; its keys together are unique. ``name`` keeps cursors of other lists out."""

    name: str
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Page(Generic[M]):
    rows: list[M]
    next: str | None


NEWEST_RECEIPTS = Order(
    "receipts", (Key("occurred_at", datetime.fromisoformat, True), Key("id", UUID, True))
)
NEWEST_EXCEPTIONS = Order(
    "exceptions", (Key("created_at", datetime.fromisoformat, True), Key("id", UUID, True))
)


def read_page(
    rows: QuerySet[M], order: Order, cursor: str | None, limit: int = DEFAULT_LIMIT
) -> Page[M]:
    """At most ``limit`` of ``rows`` behind ``cursor``. ``DomainError bad_cursor``, ``bad_limit``."""
    if not 1 <= limit <= MAX_LIMIT:
        raise DomainError("bad_limit", f"A limit is a number from 1 to {MAX_LIMIT}.")
    ordered = rows.order_by(*(f"-{k.name}" if k.descending else k.name for k in order.keys))
    if cursor:
        ordered = ordered.filter(_behind(order, _decode(order, cursor)))
    found = list(ordered[: limit + 1])
    more = len(found) > limit
    return Page(found[:limit], _encode(order, found[limit - 1]) if more else None)


def _behind(order: Order, values: Sequence[Any]) -> Q:
    """Rows after ``values``: (a, b) > (x, y) written out, with a ≥ x in front so that an index helps."""
    first = order.keys[0]
    condition = Q((f"{first.name}__{'lte' if first.descending else 'gte'}", values[0]))
    behind, same = Q(), Q()
    for key, value in zip(order.keys, values, strict=True):
        behind |= same & Q((f"{key.name}__{'lt' if key.descending else 'gt'}", value))
        same &= Q((key.name, value))
    return condition & behind


def _encode(order: Order, row: Model) -> str:
    values = [getattr(row, key.name) for key in order.keys]
    texts = [v.isoformat() if isinstance(v, datetime) else str(v) for v in values]
    raw = json.dumps([order.name, *texts], ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _decode(order: Order, cursor: str) -> list[Any]:
    try:
        raw = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        name, *texts = raw
        if name != order.name or len(texts) != len(order.keys):
            raise ValueError("a cursor of another list")
        values = [key.parse(text) for key, text in zip(order.keys, texts, strict=True)]
        if any(isinstance(v, datetime) and v.tzinfo is None for v in values):
            raise ValueError("a time without a zone")
    except (ValueError, TypeError, AttributeError):
        raise DomainError("bad_cursor", "This cursor was not given by this list.") from None
    return values
