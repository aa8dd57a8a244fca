"""Takings of a business day by the hour, beside another day's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Q, Sum
from django.db.models.functions import ExtractHour

from stillopen.backoffice.accounts.models import Store
from stillopen.backoffice.ledger.models import Receipt
from stillopen.backoffice.reports.ranges import around
from stillopen.backoffice.reports.scope import Scope
from stillopen.domain.businessday import business_day, zone

_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Hour:
    """One hour of the stores' wall clocks. Minor units."""

    hour: int
    count: int
    total: int
    before: int  # total of the same hour, a week earlier


@dataclass(frozen=True)
class DayTakings:
    """``total_before_by_now`` is last week's total up to the present hour, so that like is compared with like."""

    day: date
    hours: list[Hour]
    count: int
    total: int
    total_before: int
    total_before_by_now: int


Counted = dict[int, tuple[int, int]]  # hour → (count, total)


def day_takings(scope: Scope, now: datetime) -> DayTakings:
    """Today (each store's own business day) by hour, and the same day of the week before."""
    today: Counted = {}
    before: Counted = {}
    for stores in _same_clock(scope.stores):
        day = business_day(now, stores[0].timezone, stores[0].cutoff)
        _add(today, _by_hour(scope, stores, day))
        _add(before, _by_hour(scope, stores, day - _WEEK))
    first = scope.stores[0]
    local = now.astimezone(zone(first.timezone))
    order = _hours_from(first.cutoff.hour, set(today) | set(before))
    place = {h: i for i, h in enumerate(_hours_from(first.cutoff.hour, set(range(24))))}
    return DayTakings(
        day=business_day(now, first.timezone, first.cutoff),
        hours=[Hour(h, *today.get(h, (0, 0)), before.get(h, (0, 0))[1]) for h in order],
        count=sum(count for count, _ in today.values()),
        total=sum(total for _, total in today.values()),
        total_before=sum(total for _, total in before.values()),
        total_before_by_now=sum(
            total for h, (_, total) in before.items() if place[h] < place[local.hour]
        ),
    )


def _same_clock(stores: Sequence[Store]) -> list[list[Store]]:
    """Stores that share time zone and cut-off can be asked for in one query."""
    groups: dict[tuple[str, object], list[Store]] = {}
    for store in stores:
        groups.setdefault((store.timezone, store.cutoff), []).append(store)
    return list(groups.values())


def _by_hour(scope: Scope, stores: Sequence[Store], day: date) -> Counted:
    rows = Receipt.objects.filter(
        Q(account_id=scope.account.id, store_id__in=[s.id for s in stores]), around(day)
    )
    hour = ExtractHour("occurred_at", tzinfo=zone(stores[0].timezone))
    found = rows.values_list(hour).annotate(Count("id"), Sum("total")).order_by()
    return {h: (count, total) for h, count, total in found}


def _add(to: Counted, more: Counted) -> None:
    for hour, (count, total) in more.items():
        old = to.get(hour, (0, 0))
        to[hour] = (old[0] + count, old[1] + total)


def _hours_from(cutoff: int, seen: set[int]) -> list[int]:
    """The hours of a business day in order, from the first to the last that is in ``seen``."""
    order = [(cutoff + i) % 24 for i in range(24)]
    places = [i for i, h in enumerate(order) if h in seen]
    return order[places[0] : places[-1] + 1] if places else []
