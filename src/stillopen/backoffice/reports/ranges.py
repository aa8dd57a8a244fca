"""Time ranges as people and programs give them: a day (the business day) or a moment (RFC 3339)."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from stillopen.domain.errors import DomainError

M = TypeVar("M", bound=Model)
Bound = date | datetime

# "+" of an offset arrives as a space where a client did not escape it.
_LOST_PLUS = re.compile(r"(T[0-9:.]+) (\d\d:\d\d)$")


def parse_bound(text: str, name: str) -> Bound | None:
    """``2026-03-01`` is a business day, ``2026-03-01T10:00:00Z`` a moment; ``""`` is None.

    ``DomainError bad_date`` with the parameter's ``name`` for anything else.
    """
    if not text:
        return None
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
        if moment.tzinfo is not None and moment.year > 1:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise DomainError(
        "bad_date",
        f"“{name}” is a day (2026-03-01) or a time with its offset (2026-03-01T10:00:00Z).",
        parameter=name,
    )


def within(rows: QuerySet[M], since: Bound | None, until: Bound | None) -> QuerySet[M]:
    """Rows with ``occurred_at`` and ``business_day`` in the range: days are inclusive, a moment is half-open."""
    if since is not None:
        rows = rows.filter(_from(since))
    if until is not None:
        rows = rows.filter(_until(until))
    return rows


def _from(bound: Bound) -> Q:
    if isinstance(bound, datetime):
        return Q(occurred_at__gte=bound)
    return Q(business_day__gte=bound)


def _until(bound: Bound) -> Q:
    if isinstance(bound, datetime):
        return Q(occurred_at__lt=bound)
    return Q(business_day__lte=bound)


def around(day: date) -> Q:
    """A business day's receipts, told to the index on ``occurred_at`` too: no zone and no cut-off moves
    a day by more than two."""
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    near = Q(occurred_at__gte=start - timedelta(days=2), occurred_at__lt=start + timedelta(days=3))
    return near & Q(business_day=day)
