"""Receipts: search, and one receipt as it was printed."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from stillopen.backoffice.ledger.models import Payment
from stillopen.backoffice.reports.exceptions import held_receipts
from stillopen.backoffice.reports.paging import NEWEST_RECEIPTS, read_page
from stillopen.backoffice.reports.ranges import parse_bound
from stillopen.backoffice.reports.receipts import (
    FullReceipt,
    ReceiptQuery,
    TaxLine,
    find_receipts,
    get_receipt,
    sum_receipts,
)
from stillopen.backoffice.web.access import Viewer, page
from stillopen.backoffice.web.fields import parse_id, typed, typed_money
from stillopen.backoffice.web.frame import show
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission

ROWS = 50
FIELDS = ("number", "register", "employee", "customer", "amount", "from", "to", "shift", "branch")


@page(Permission.BO_REPORTS)
def receipts(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """A search that cannot be read says so beside its fields and finds nothing."""
    search = {name: typed(request, name) for name in FIELDS}
    problem, found, sums = "", None, None
    try:
        rows = find_receipts(viewer.scope, _query(search, viewer.currency))
        found = read_page(rows, NEWEST_RECEIPTS, typed(request, "cursor"), ROWS)
        sums = sum_receipts(rows)
    except DomainError as error:
        problem = error.message
    return show(
        request,
        viewer,
        "receipts",
        search=search,
        searching=any(search.values()),
        problem=problem,
        found=found,
        held=_held(viewer, search["number"]) if found and not found.rows else [],
        sums=sums,
        paged=bool(typed(request, "cursor")),
        next_page=_address(search, found.next) if found and found.next else "",
        first_page=_address(search, ""),
    )


def _held(viewer: Viewer, number: str) -> list[str]:
    """A printed number that is not among the receipts may lie among the exceptions."""
    return held_receipts(viewer.scope, number)[:5] if number else []


def _query(search: Mapping[str, str], currency: str) -> ReceiptQuery:
    return ReceiptQuery(
        number=search["number"],
        register=search["register"],
        employee=search["employee"],
        customer=search["customer"],
        amount=typed_money(search["amount"], currency) if search["amount"] else None,
        since=parse_bound(search["from"], "from"),
        until=parse_bound(search["to"], "to"),
        shift=parse_id(search["shift"]),
        branch=search["branch"],
    )


def _address(search: Mapping[str, str], cursor: str) -> str:
    given = {name: value for name, value in {**search, "cursor": cursor}.items() if value}
    return f"/receipts?{urlencode(given)}" if given else "/receipts"


@page(Permission.BO_REPORTS)
def receipt(request: HttpRequest, viewer: Viewer, number: str) -> HttpResponse:
    full = get_receipt(viewer.sight, number)
    return show(
        request,
        viewer,
        "receipt",
        receipt=full.receipt,
        register=viewer.sight.registers[full.receipt.register_id],
        store=viewer.sight.store_by_id[full.receipt.store_id],
        print=as_printed(full),
    )


@dataclass(frozen=True)
class PrintedLine:
    """``before`` is the line before its discounts, minor units like all amounts here."""

    name: str
    sku: str
    quantity: Decimal
    unit: str
    unit_price: int
    before: int
    discount: int
    note: str = ""


@dataclass(frozen=True)
class Printed:
    """A receipt as the till printed it. ``sale_discount`` is the sale's own, not in the lines'."""

    lines: list[PrintedLine]
    sale_discount: int
    tax_inside: bool
    taxes: list[TaxLine]
    payments: list[Payment]
    note: str = ""


def as_printed(full: FullReceipt) -> Printed:
    """From the fact itself; where it cannot be read, from the ledger (whose line discounts hold the sale's)."""
    fact = full.fact
    if fact is None:
        inside = _tax_inside(full)
        lines = [
            PrintedLine(
                name=x.name,
                sku=x.sku,
                quantity=x.quantity,
                unit="",
                unit_price=x.unit_price,
                before=(x.gross if inside else x.net) + x.discount,
                discount=x.discount,
            )
            for x in full.lines
        ]
        return Printed(lines, 0, inside, full.taxes, full.payments)
    lines = [
        PrintedLine(
            name=x.item.name,
            sku=x.item.sku,
            quantity=x.item.quantity,
            unit=x.item.unit,
            unit_price=x.item.unit_price,
            before=x.before,
            discount=x.discount,
            note=x.item.note,
        )
        for x in fact.lines
    ]
    shared = sum(x.sale_discount for x in fact.lines)
    inside = fact.rules.tax_inside
    return Printed(lines, shared, inside, full.taxes, full.payments, fact.note)


def _tax_inside(full: FullReceipt) -> bool:
    return full.receipt.subtotal - full.receipt.discount == full.receipt.total
