"""Prices with effective dates, given in the store's wall-clock time so that they flip offline."""

from collections.abc import Sequence
from datetime import datetime

import msgspec


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` in minor units, in force from the store's local time ``since`` (None: always)."""

    amount: int
    since: datetime | None = None  # naive: the wall clock of whichever store


def price_at(prices: Sequence[Price], local: datetime) -> int | None:
    """The amount in force at ``local`` (naive store time): the latest that has begun; None if none has."""
    begun = [p for p in prices if p.since is None or p.since <= local]
    if not begun:
        return None
    return max(begun, key=lambda p: p.since or datetime.min).amount
