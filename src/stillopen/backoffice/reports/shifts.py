"""Shifts: the list, and the figures of one, summed from the receipts and cash movements that have arrived."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Case, Count, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce

from stillopen.backoffice.devices.models import Epoch
from stillopen.backoffice.ledger.models import CashMovement, Payment, Receipt, ReceiptLine, Shift
from stillopen.backoffice.reports.paging import Key, Order
from stillopen.backoffice.reports.scope import Scope
from stillopen.domain.errors import DomainError
from stillopen.domain.shift import CashKind, ShiftTotals, TaxSum, TenderSum, expected_cash

NEWEST_SHIFTS = Order(
    "shifts",
    (Key("at", datetime.fromisoformat, True), Key("id", UUID, True), Key("branch", str, True)),
)
#: A shift, and the branch in which a till worked on it.
ShiftKey = tuple[UUID, str]
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ShiftSums:
    """Receipts of a shift that have arrived: how many, and what they come to (minor units)."""

    count: int = 0
    total: int = 0


@dataclass(frozen=True)
class ShiftDetail:
    """``arrived`` is summed from what has arrived in this branch, like an X report; ``expected`` from the
    same. ``others`` are the rows of the same shift in other branches."""

    shift: Shift
    others: list[Shift]
    arrived: ShiftTotals
    receipts: int
    expected: int
    movements: list[CashMovement]


def find_shifts(
    scope: Scope, register: str = "", state: str = "", difference: bool = False
) -> QuerySet[Shift]:
    """``state`` is ``open``, ``closed`` or empty; ``difference``: only those whose count was off.

    Rows carry ``at``, the time they are ordered by (a shift whose opening has not arrived has only its
    close). ``DomainError unknown_register``.
    """
    rows = scope.of_stores(Shift.objects.all())
    if register:
        rows = rows.filter(register_id__in=scope.register_ids(register))
    if state:
        rows = rows.filter(closed_at__isnull=state == "open")
    if difference:
        rows = rows.filter(difference__isnull=False).exclude(difference=0)
    return rows.annotate(at=Coalesce("opened_at", "closed_at", Value(_LONG_AGO)))


def key_of(shift: Shift) -> ShiftKey:
    return shift.id, shift.branch


def sums_by_shift(scope: Scope, shifts: Iterable[Shift]) -> dict[ShiftKey, ShiftSums]:
    keys = [key_of(s) for s in shifts]
    rows = Receipt.objects.filter(account_id=scope.account.id, shift_id__in={i for i, _ in keys})
    found = rows.values_list("shift_id", "branch").annotate(Count("id"), Sum("total"))
    sums = {(shift, branch): ShiftSums(count, total) for shift, branch, count, total in found}
    return {key: sums.get(key, ShiftSums()) for key in keys}


def labels_of(scope: Scope, shifts: Iterable[Shift]) -> dict[ShiftKey, str]:
    """What tells the rows of one shift apart: empty for a register's first run of numbering, else its
    label, with where it parted from another."""
    shifts = list(shifts)
    rows = Epoch.objects.filter(
        account_id=scope.account.id, branch__in={s.branch for s in shifts}
    ).values_list("register_id", "branch", "label", "parent", "base_seq")
    names = {
        (register, branch): f"{label or 'a'}, parted behind entry {base}" if parent else label
        for register, branch, label, parent, base in rows
    }
    return {key_of(s): names.get((s.register_id, s.branch), "") for s in shifts}


def continued(scope: Scope, shifts: Iterable[Shift]) -> dict[ShiftKey, list[Shift]]:
    """Per row the rows of the same shift in other branches: opened in one, closed in another."""
    shifts = list(shifts)
    rows = scope.of_stores(Shift.objects.all()).filter(id__in={s.id for s in shifts})
    by_id: dict[UUID, list[Shift]] = {}
    for row in rows.order_by("branch"):
        by_id.setdefault(row.id, []).append(row)
    return {key_of(s): [x for x in by_id.get(s.id, []) if x.branch != s.branch] for s in shifts}


def expected_now(scope: Scope, shift: Shift) -> int:
    """What should lie in the drawer by what has arrived: float, cash sales, movements (minor units)."""
    account = scope.account.id
    receipts = Receipt.objects.filter(account_id=account, shift_id=shift.id, branch=shift.branch)
    payments = Payment.objects.filter(account_id=account, receipt_id__in=receipts.values("id"))
    cash = payments.filter(type="cash").aggregate(kept=Sum(F("amount") - F("change")))["kept"]
    moved = CashMovement.objects.filter(account_id=account, shift_id=shift.id, branch=shift.branch)
    signed = Case(When(kind=CashKind.PAY_IN, then=F("amount")), default=-F("amount"))
    return shift.float + (cash or 0) + (moved.aggregate(sum=Sum(signed))["sum"] or 0)


def get_shift(scope: Scope, shift_id: UUID, branch: str = "") -> ShiftDetail:
    """Its row in ``branch``; without one, in the oldest. ``DomainError not_found``."""
    rows = _oldest_first(list(find_shifts(scope).filter(id=shift_id)))
    shift = next((s for s in rows if s.branch == branch or not branch), None)
    if shift is None:
        raise DomainError("not_found", "There is no such shift.")
    part = {"account_id": scope.account.id, "shift_id": shift_id, "branch": shift.branch}
    receipts = Receipt.objects.filter(**part)
    movements = CashMovement.objects.filter(**part)
    totals = _totals(scope, receipts, movements)
    return ShiftDetail(
        shift=shift,
        others=[s for s in rows if s is not shift],
        arrived=totals,
        receipts=receipts.count(),
        expected=expected_cash(shift.float, totals),
        movements=list(movements.order_by("occurred_at")),
    )


def _oldest_first(shifts: list[Shift]) -> list[Shift]:
    if len(shifts) < 2:
        return shifts
    first = shifts[0]
    rows = Epoch.objects.filter(account_id=first.account_id, register_id=first.register_id)
    order = list(rows.order_by("created_at", "label", "branch").values_list("branch", flat=True))
    return sorted(shifts, key=lambda s: order.index(s.branch) if s.branch in order else -1)


def _totals(
    scope: Scope, receipts: QuerySet[Receipt], movements: QuerySet[CashMovement]
) -> ShiftTotals:
    """The same sums that the register keeps (domain.shift.with_receipt), here set-wise."""
    of_shift = {"account_id": scope.account.id, "receipt_id__in": receipts.values("id")}
    lines = ReceiptLine.objects.filter(**of_shift)
    payments = Payment.objects.filter(**of_shift)
    sides = _sides(lines, receipts.count())
    cash = _cash_sides(payments)
    whole = receipts.aggregate(discounts=Sum("discount"), rounding=Sum("rounding"))
    moved: dict[str, int] = dict(movements.values_list("kind").annotate(Sum("amount")))
    return ShiftTotals(
        sales_count=sides[0],
        sales_total=sides[1],
        refunds_count=sides[2],
        refunds_total=sides[3],
        discounts=whole["discounts"] or 0,
        rounding=whole["rounding"] or 0,
        cash_sales=cash[0],
        cash_refunds=cash[1],
        pay_in=moved.get(CashKind.PAY_IN, 0),
        pay_out=moved.get(CashKind.PAY_OUT, 0),
        drops=moved.get(CashKind.DROP, 0),
        taxes=_taxes(lines),
        tenders=_tenders(payments),
    )


def _sides(lines: QuerySet[ReceiptLine], receipts: int) -> tuple[int, int, int, int]:
    """Sales (count, total) and refunds (count, total as a positive amount).

    A receipt that only returns goods is a refund and no sale; one without any amount is a sale.
    """
    sold, returned = Q(gross__gt=0), Q(gross__lt=0)
    per_receipt = lines.values("receipt_id").annotate(
        sold=Coalesce(Sum("gross", filter=sold), 0), back=Coalesce(Sum("gross", filter=returned), 0)
    )
    found = per_receipt.aggregate(
        sales=Sum("sold"),
        refunds=Sum("back"),
        refund_count=Count("receipt_id", filter=Q(back__lt=0)),
        only_refund=Count("receipt_id", filter=Q(back__lt=0, sold=0)),
    )
    sales = receipts - found["only_refund"]
    return sales, found["sales"] or 0, found["refund_count"], -(found["refunds"] or 0)


def _cash_sides(payments: QuerySet[Payment]) -> tuple[int, int]:
    """Cash taken and cash handed back, each receipt on one side only."""
    per_receipt = payments.filter(type="cash").values("receipt_id")
    kept = per_receipt.annotate(kept=Sum(F("amount") - F("change")))
    found = kept.aggregate(
        taken=Sum("kept", filter=Q(kept__gt=0)), back=Sum("kept", filter=Q(kept__lt=0))
    )
    return found["taken"] or 0, -(found["back"] or 0)


def _taxes(lines: QuerySet[ReceiptLine]) -> tuple[TaxSum, ...]:
    rows = lines.values_list("tax_name", "tax_rate").order_by("-tax_rate", "tax_name")
    sums = rows.annotate(Sum("net"), Sum("tax"), Sum("gross"))
    return tuple(
        TaxSum(name=name, rate=Decimal(rate).normalize(), net=net, tax=tax, gross=gross)
        for name, rate, net, tax, gross in sums
    )


def _tenders(payments: QuerySet[Payment]) -> tuple[TenderSum, ...]:
    sums = payments.values_list("type").order_by("type")
    found = sums.annotate(n=Count("receipt_id", distinct=True), kept=Sum(F("amount") - F("change")))
    return tuple(TenderSum(type=t, count=count, amount=amount) for t, count, amount in found)
