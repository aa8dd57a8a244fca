"""Exceptions as people read them: most urgent first, with what the entry behind each says."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from stillopen.backoffice.ingest import fixes
from stillopen.backoffice.ingest.decisions import Spot, spot_of
from stillopen.backoffice.ingest.fact import AFTER_REVOCATION, APPLIED
from stillopen.backoffice.ingest.models import Decision, Entry, ExceptionItem
from stillopen.backoffice.reports.paging import Key, Order
from stillopen.backoffice.reports.scope import Scope
from stillopen.domain.errors import DomainError
from stillopen.domain.receipt import Receipt
from stillopen.sync.facts import EntryBody, ShiftClosed, decode_payload, is_known
from stillopen.sync.reasons import Reason, Severity, codes_of, reason_of

URGENT = Order(
    "urgent",
    (
        Key("rank", int),
        Key("created_at", datetime.fromisoformat, True),
        Key("id", UUID, True),
    ),
)
LAST_SETTLED = Order(
    "settled", (Key("resolved_at", datetime.fromisoformat, True), Key("id", UUID, True))
)
_UNREADABLE = "Nobody can tell what it says any more. Book it by hand from the printed receipt, and set it aside."
_LOOKED_THROUGH = 500  # held entries, for one receipt number
OPEN, SETTLED = "open", "settled"
STATES = (OPEN, SETTLED)


@dataclass(frozen=True)
class Said:
    """What the entry behind an exception says, as far as it can be read. ``amount`` in minor units."""

    kind: str = ""
    receipt: str = ""
    amount: int | None = None
    employee: str = ""
    occurred_at: datetime | None = None


@dataclass(frozen=True)
class Together:
    """All that one decision is about: how many entries of the register wait for it, Σ totals of its sales."""

    entries: int
    worth: int  # minor units


@dataclass(frozen=True)
class Filed:
    """An exception with all that is shown of it. ``held``: its entry is not in the figures."""

    item: ExceptionItem
    entry: Entry | None
    reason: Reason
    said: Said

    @property
    def held(self) -> bool:
        return self.entry is not None and self.entry.status != APPLIED

    @property
    def settled(self) -> bool:
        return self.item.resolved_at is not None

    @property
    def fixes(self) -> tuple[str, ...]:
        return fixes.fixes_for(self.item, self.entry)

    @property
    def todo(self) -> str:
        """What a person can do about it, as far as it can still be done."""
        unreadable = self.item.code == "bad_hash" and fixes.ACCEPT not in self.fixes
        return _UNREADABLE if unreadable else self.reason.todo

    @property
    def state(self) -> str:
        """What became of the entry: ``quarantined``, ``waiting``, ``set_aside``, ``applied``; empty without."""
        if self.entry is None:
            return ""
        aside = self.entry.code == fixes.SET_ASIDE
        return fixes.SET_ASIDE if aside else self.entry.status


def find_exceptions(
    scope: Scope, state: str = OPEN, register: str = "", code: str = ""
) -> QuerySet[ExceptionItem]:
    """Those in sight, ``open`` or ``settled``, with their ``rank``. ``DomainError unknown_register``."""
    rows = scope.of_registers(ExceptionItem.objects.all())
    rows = rows.filter(resolved_at__isnull=state != SETTLED)
    if register:
        rows = rows.filter(register_id__in=scope.register_ids(register))
    if code:
        rows = rows.filter(code=code)
    return rows.annotate(rank=_RANK)


_RANK = Case(
    When(code__in=codes_of(Severity.CRITICAL), then=Value(0)),
    When(code__in=codes_of(Severity.HELD), then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


@dataclass(frozen=True)
class Counts:
    """Open exceptions by severity."""

    critical: int = 0
    held: int = 0
    notice: int = 0

    @property
    def all(self) -> int:
        return self.critical + self.held + self.notice


def count_open(scope: Scope) -> Counts:
    rows = scope.of_registers(ExceptionItem.objects.all()).filter(resolved_at__isnull=True)
    critical = Count("id", filter=Q(code__in=codes_of(Severity.CRITICAL)))
    held = Count("id", filter=Q(code__in=codes_of(Severity.HELD)))
    found = rows.aggregate(all=Count("id"), critical=critical, held=held)
    notice = found["all"] - found["critical"] - found["held"]
    return Counts(found["critical"], found["held"], notice)


def get_exception(scope: Scope, exception: UUID) -> Filed:
    """``DomainError not_found`` for what is not in sight."""
    item = scope.of_registers(ExceptionItem.objects.all()).filter(id=exception).first()
    if item is None:
        raise DomainError("not_found", "There is no such exception.")
    return read_cases([item])[0]


def come_after_revocation(items: Iterable[ExceptionItem]) -> dict[UUID, Together]:
    """Of those ``items`` of one account that are open and about what came after a revocation, by their ids."""
    about = [x for x in items if x.code == AFTER_REVOCATION and x.resolved_at is None]
    if not about:
        return {}
    rows = Entry.objects.exclude(status=APPLIED).filter(
        account_id=about[0].account_id,
        register_id__in={x.register_id for x in about},
        code=AFTER_REVOCATION,
    )
    entries, worth = Counter[UUID](), Counter[UUID]()
    for entry in rows.iterator(200):
        entries[entry.register_id] += 1
        body = fixes.read_body(entry)
        if body is not None and body.kind == "sale":
            worth[entry.register_id] += _of_payload(body)[1] or 0
    return {x.id: Together(entries[x.register_id], worth[x.register_id]) for x in about}


def held_receipts(scope: Scope, number: str) -> list[str]:
    """Numbers of receipts that have arrived and are not booked, with ``number`` as a part; of the newest."""
    rows = scope.of_registers(Entry.objects.exclude(status=APPLIED))
    bodies = (fixes.read_body(e) for e in rows.order_by("-received_at", "-seq")[:_LOOKED_THROUGH])
    said = {_of_payload(b)[0] for b in bodies if b is not None and b.kind == "sale"}
    return sorted(x for x in said if number.casefold() in x.casefold())


def read_cases(items: Iterable[ExceptionItem]) -> list[Filed]:
    """``items`` with their entries."""
    items = list(items)
    entries = _entries(items)
    return [
        _case(item, entries.get((item.register_id, *(spot_of(item) or ("", 0))))) for item in items
    ]


def _case(item: ExceptionItem, entry: Entry | None) -> Filed:
    held = entry is not None and entry.status != APPLIED
    return Filed(item, entry, reason_of(item.code, held), said_by(item, entry))


def _entries(items: list[ExceptionItem]) -> dict[tuple[UUID, str, int], Entry]:
    spots: dict[UUID, list[Spot]] = {}
    for item in items:
        if spot := spot_of(item):
            spots.setdefault(item.register_id, []).append(spot)
    found: dict[tuple[UUID, str, int], Entry] = {}
    for register, some in spots.items():
        rows = Entry.objects.filter(
            account_id=items[0].account_id,
            register_id=register,
            branch__in={branch for branch, _ in some},
            seq__in={seq for _, seq in some},
        )
        found |= {(register, e.branch, e.seq): e for e in rows}
    return found


def said_by(item: ExceptionItem, entry: Entry | None) -> Said:
    """Of bytes that cannot be read only what the exception itself names."""
    named = str(item.details.get("receipt", ""))
    body = None if entry is None else fixes.read_body(entry)
    if body is None:
        return Said(kind=entry.kind if entry else "", receipt=named)
    receipt, amount, employee = _of_payload(body)
    return Said(body.kind[:40], receipt or named, amount, employee, body.occurred_at)


def _of_payload(body: EntryBody) -> tuple[str, int | None, str]:
    try:
        payload = decode_payload(body) if is_known(body) else None
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError):
        return "", None, ""
    if isinstance(payload, Receipt):
        return payload.number[:60], payload.total, payload.cashier
    if isinstance(payload, ShiftClosed):
        return f"Z {payload.report.z_number}", payload.report.counted, payload.report.closed_by
    return "", getattr(payload, "amount", None), ""


def history(item: ExceptionItem) -> list[Decision]:
    """What was tried and decided, the first first."""
    about = Q(exception_id=item.id)
    if spot := spot_of(item):
        about |= Q(register_id=item.register_id, branch=spot[0], seq=spot[1])
    rows = Decision.objects.filter(about, account_id=item.account_id).order_by("at")
    return [d for d in rows if d.exception_id in (None, item.id)]


def settled_by(item: ExceptionItem) -> Decision | None:
    """The decision that settled it, if a person took one."""
    if item.resolved_at is None:
        return None
    return next((d for d in reversed(history(item)) if d.result != "held"), None)
