"""Two questions of every morning: are these figures complete, and is my cash right?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count, QuerySet

from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ledger.models import Shift
from stillopen.backoffice.reports.registers import LiveRegister, State
from stillopen.backoffice.reports.scope import Scope


@dataclass(frozen=True)
class Completeness:
    """What may be missing from totals taken ``as_of`` now: tills not heard of (oldest first), and receipts
    that tills hold or that lie here unapplied. ``complete_until``: before it, nothing is known to miss."""

    as_of: datetime
    silent: list[LiveRegister]
    holding: list[LiveRegister]  # registers that hold something unsent
    unsent_count: int
    unsent_value: int  # minor units
    not_applied: int

    @property
    def complete(self) -> bool:
        return not (self.silent or self.holding or self.not_applied)

    @property
    def complete_until(self) -> datetime:
        heard = [x.register.last_seen_at for x in self.silent if x.register.last_seen_at]
        unsent = [x.unsent_oldest_at for x in self.holding if x.unsent_oldest_at]
        return min([*heard, *unsent, self.as_of])


def completeness(scope: Scope, tills: Sequence[LiveRegister], now: datetime) -> Completeness:
    silent = [x for x in tills if x.state is State.NOT_HEARD]
    holding = [x for x in tills if x.unsent_count]
    return Completeness(
        as_of=now,
        silent=sorted(silent, key=lambda x: x.register.last_seen_at or now),
        holding=holding,
        unsent_count=sum(x.unsent_count for x in holding),
        unsent_value=sum(x.unsent_value for x in holding),
        not_applied=sum(entries_not_applied(scope).values()),
    )


def entries_by_status(scope: Scope) -> dict[str, int]:
    """Every status of an entry, and how many entries have it."""
    return _count(scope.of_registers(Entry.objects.all()), Entry.Status.values)


def entries_not_applied(scope: Scope) -> dict[str, int]:
    """Entries that are stored but not applied: ``waiting`` and ``quarantined``."""
    held = scope.of_registers(Entry.objects.all()).exclude(status=Entry.Status.APPLIED)
    return _count(held, [Entry.Status.WAITING, Entry.Status.QUARANTINED])


def _count(entries: QuerySet[Entry], statuses: Sequence[str]) -> dict[str, int]:
    found = entries.values_list("status").order_by("status").annotate(Count("seq"))
    return dict.fromkeys(map(str, statuses), 0) | dict(found)


def open_exceptions(scope: Scope) -> QuerySet[ExceptionItem]:
    return scope.of_registers(ExceptionItem.objects.all()).filter(resolved_at__isnull=True)


@dataclass(frozen=True)
class CashView:
    """Closed shifts of some days: ``off`` are those whose count differed, ``difference`` the sum of all."""

    closed: int
    off: list[Shift]
    difference: int  # minor units; a shortage is negative


def cash_view(scope: Scope, first: date) -> CashView:
    """Shifts of the business day ``first`` and after: whole days, so that the figure does not change by the hour."""
    rows = scope.of_stores(Shift.objects.all()).filter(
        closed_at__isnull=False, business_day__gte=first
    )
    off = list(rows.filter(difference__isnull=False).exclude(difference=0).order_by("-closed_at"))
    return CashView(rows.count(), off, sum(s.difference or 0 for s in off))
