"""Receipts: finding them, and one of them with all that was printed on it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import msgspec
from django.db.models import Count, Q, QuerySet, Sum

from stillopen.backoffice.ingest.models import Entry
from stillopen.backoffice.ledger.models import Payment, Receipt, ReceiptLine
from stillopen.backoffice.reports.ranges import Bound, within
from stillopen.backoffice.reports.scope import Scope
from stillopen.domain import receipt as domain
from stillopen.domain.errors import DomainError
from stillopen.sync.facts import decode_body, decode_payload


@dataclass(frozen=True, kw_only=True)
class ReceiptQuery:
    """What to look for; empty fields do not matter. ``amount`` is in minor units, ``register`` a name or id."""

    number: str = ""
    register: str = ""
    employee: str = ""
    customer: str = ""
    amount: int | None = None
    shift: UUID | None = None
    branch: str = ""  # of the shift
    since: Bound | None = None
    until: Bound | None = None


@dataclass(frozen=True)
class TaxLine:
    """One rate of a receipt, minor units."""

    name: str
    rate: Decimal
    net: int
    tax: int
    gross: int


@dataclass(frozen=True)
class FullReceipt:
    """A receipt with its parts; ``fact`` is what the register printed from, where it can be read."""

    receipt: Receipt
    lines: list[ReceiptLine]
    payments: list[Payment]
    taxes: list[TaxLine]
    fact: domain.Receipt | None


def find_receipts(scope: Scope, query: ReceiptQuery) -> QuerySet[Receipt]:
    """``DomainError unknown_register`` when the query names one that is not in sight."""
    rows = within(scope.of_stores(Receipt.objects.all()), query.since, query.until)
    if query.register:
        rows = rows.filter(register_id__in=scope.register_ids(query.register))
    if query.number:
        rows = rows.filter(number__icontains=query.number)
    if query.employee:
        rows = rows.filter(_employee(query.employee))
    if query.customer:
        rows = rows.filter(customer__icontains=query.customer)
    if query.amount is not None:
        rows = rows.filter(total=query.amount)
    if query.branch:
        rows = rows.filter(branch=query.branch)
    return rows.filter(shift_id=query.shift) if query.shift else rows


def _employee(text: str) -> Q:
    try:
        return Q(employee_id=UUID(text))
    except ValueError:
        return Q(cashier__icontains=text)


def get_receipt(scope: Scope, number: str) -> FullReceipt:
    """The receipt called ``number`` (or with that id); of a number that exists twice, the later one.

    ``DomainError not_found``.
    """
    rows = scope.of_stores(Receipt.objects.all())
    receipt = rows.filter(number=number).order_by("-occurred_at").first()
    if receipt is None and (id := _uuid(number)) is not None:
        receipt = rows.filter(id=id).first()
    if receipt is None:
        raise DomainError("not_found", f"There is no receipt “{number}”.", number=number)
    parts = {"account_id": scope.account.id, "receipt_id": receipt.id}
    lines = list(ReceiptLine.objects.filter(**parts).order_by("line"))
    payments = list(Payment.objects.filter(**parts).order_by("line"))
    return FullReceipt(receipt, lines, payments, sum_taxes(lines), _fact(receipt))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def sum_taxes(lines: Iterable[ReceiptLine]) -> list[TaxLine]:
    """Per rate, in the order of the receipt: the rates' sums are those of their lines, to the cent."""
    sums: dict[tuple[str, Decimal], TaxLine] = {}
    for x in lines:
        old = sums.get((x.tax_name, x.tax_rate))
        sums[x.tax_name, x.tax_rate] = TaxLine(
            x.tax_name,
            x.tax_rate,
            x.net + (old.net if old else 0),
            x.tax + (old.tax if old else 0),
            x.gross + (old.gross if old else 0),
        )
    return list(sums.values())


def _fact(receipt: Receipt) -> domain.Receipt | None:
    """The journal entry behind a receipt: its notes and units are not in the ledger."""
    key = (receipt.account_id, receipt.register_id, receipt.branch, receipt.seq)
    entry = Entry.objects.filter(pk=key).only("body").first()
    if entry is None:
        return None
    try:
        payload = decode_payload(decode_body(bytes(entry.body)))
    except (msgspec.MsgspecError, KeyError, ValueError):
        return None
    return payload if isinstance(payload, domain.Receipt) else None


@dataclass(frozen=True)
class Sums:
    """How many receipts, and what they come to (minor units)."""

    count: int
    total: int
    tax: int


def sum_receipts(rows: QuerySet[Receipt]) -> Sums:
    found = rows.aggregate(n=Count("id"), total=Sum("total"), tax=Sum("tax"))
    return Sums(found["n"] or 0, found["total"] or 0, found["tax"] or 0)
