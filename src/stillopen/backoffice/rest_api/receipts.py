"""Receipts and shifts, read-only."""

from django.http import HttpRequest
from ninja import Query, Router

from stillopen.backoffice.ledger.models import Payment, Receipt, ReceiptLine, Shift
from stillopen.backoffice.reports.paging import DEFAULT_LIMIT, NEWEST_RECEIPTS, read_page
from stillopen.backoffice.reports.ranges import parse_bound
from stillopen.backoffice.reports.receipts import (
    FullReceipt,
    ReceiptQuery,
    TaxLine,
    find_receipts,
    get_receipt,
)
from stillopen.backoffice.reports.scope import Scope
from stillopen.backoffice.reports.shifts import (
    NEWEST_SHIFTS,
    ShiftSums,
    continued,
    expected_now,
    find_shifts,
    key_of,
    labels_of,
    sums_by_shift,
)
from stillopen.backoffice.rest_api.auth import scope_of
from stillopen.backoffice.rest_api.schemas import (
    LineOut,
    ListOut,
    PaymentOut,
    ReceiptFull,
    ReceiptRow,
    ShiftOut,
    TaxOut,
)
from stillopen.domain.errors import DomainError
from stillopen.domain.quantity import format_quantity

router = Router(tags=["receipts"], by_alias=True)


@router.get("/receipts", response=ListOut[ReceiptRow], summary="Receipts, newest first")
def list_receipts(
    request: HttpRequest,
    till: str = Query("", alias="register"),
    since: str = Query("", alias="from"),
    until: str = Query("", alias="to"),
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> ListOut[ReceiptRow]:
    """``register``: name (``R1``, ``S1-R1``) or id. ``from`` and ``to``: a business day, both inclusive, or
    a time, from ≤ occurred_at < to. Follow ``next`` to the end: no row that was there is missed."""
    scope = scope_of(request)
    query = ReceiptQuery(
        register=till, since=parse_bound(since, "from"), until=parse_bound(until, "to")
    )
    page = read_page(find_receipts(scope, query), NEWEST_RECEIPTS, cursor, limit)
    return ListOut(results=[receipt_row(scope, r) for r in page.rows], next=page.next)


@router.get("/receipts/{number}", response=ReceiptFull, summary="One receipt, by number or id")
def one_receipt(request: HttpRequest, number: str) -> ReceiptFull:
    scope = scope_of(request)
    full = get_receipt(scope, number)
    return ReceiptFull(
        **receipt_row(scope, full.receipt).dict(),
        lines=_lines(full),
        taxes=[_tax(t) for t in full.taxes],
        payments=[_payment(p) for p in full.payments],
        note=full.fact.note if full.fact else "",
    )


def receipt_row(scope: Scope, receipt: Receipt) -> ReceiptRow:
    return ReceiptRow(
        id=receipt.id,
        receipt=receipt.number,
        till=scope.registers[receipt.register_id].name,
        store=scope.store_by_id[receipt.store_id].code,
        occurred_at=receipt.occurred_at,
        business_day=receipt.business_day,
        cashier=receipt.cashier,
        customer=receipt.customer,
        currency=receipt.currency,
        subtotal=receipt.subtotal,
        discount=receipt.discount,
        net=receipt.net,
        tax=receipt.tax,
        total=receipt.total,
        rounding=receipt.rounding,
        change=receipt.change,
        shift=receipt.shift_id,
        epoch=receipt.branch,
        seq=receipt.seq,
        received_at=receipt.received_at,
    )


def _lines(full: FullReceipt) -> list[LineOut]:
    facts = full.fact.lines if full.fact and len(full.fact.lines) == len(full.lines) else None
    if facts is None:
        return [_line(x) for x in full.lines]
    return [_line(x, f.item.unit, f.item.note) for x, f in zip(full.lines, facts, strict=True)]


def _line(line: ReceiptLine, unit: str = "", note: str = "") -> LineOut:
    return LineOut(
        line=line.line,
        product=line.product_id,
        sku=line.sku,
        name=line.name,
        quantity=format_quantity(line.quantity),
        unit=unit,
        unit_price=line.unit_price,
        discount=line.discount,
        tax_name=line.tax_name,
        tax_rate=format_quantity(line.tax_rate),
        net=line.net,
        tax=line.tax,
        gross=line.gross,
        note=note,
    )


def _tax(tax: TaxLine) -> TaxOut:
    return TaxOut(
        name=tax.name, rate=format_quantity(tax.rate), net=tax.net, tax=tax.tax, gross=tax.gross
    )


def _payment(payment: Payment) -> PaymentOut:
    return PaymentOut(
        type=payment.type,
        amount=payment.amount,
        change=payment.change,
        reference=payment.reference,
    )


@router.get("/shifts", response=ListOut[ShiftOut], summary="Shifts, newest first", tags=["shifts"])
def list_shifts(
    request: HttpRequest,
    till: str = Query("", alias="register"),
    state: str = "",
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> ListOut[ShiftOut]:
    """``state``: ``open`` or ``closed``. A shift has a row in each branch (``epoch``) of its till's journal;
    ``also_in`` names the others: it was opened in one and carried on in another."""
    if state not in ("", "open", "closed"):
        raise DomainError(
            "bad_request", "A shift's state is “open” or “closed”.", parameter="state"
        )
    scope = scope_of(request)
    page = read_page(find_shifts(scope, till, state), NEWEST_SHIFTS, cursor, limit)
    sums = sums_by_shift(scope, page.rows)
    labels, others = labels_of(scope, page.rows), continued(scope, page.rows)
    rows = [
        _shift(scope, s, sums[key_of(s)], labels[key_of(s)], [x.branch for x in others[key_of(s)]])
        for s in page.rows
    ]
    return ListOut(results=rows, next=page.next)


def _shift(scope: Scope, shift: Shift, sums: ShiftSums, label: str, others: list[str]) -> ShiftOut:
    return ShiftOut(
        id=shift.id,
        epoch=shift.branch,
        label=label,
        also_in=others,
        till=scope.registers[shift.register_id].name,
        store=scope.store_by_id[shift.store_id].code,
        state="closed" if shift.closed_at else "open",
        opened_at=shift.opened_at,
        opened_by=shift.opened_by,
        closed_at=shift.closed_at,
        closed_by=shift.closed_by,
        business_day=shift.business_day,
        z_number=shift.z_number,
        currency=scope.currency,
        float=shift.float,
        receipts=sums.count,
        total=sums.total,
        expected=shift.expected if shift.closed_at else expected_now(scope, shift),
        counted=shift.counted,
        difference=shift.difference,
    )
