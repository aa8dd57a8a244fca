"""Shifts: the list, the running figures of open ones, and the Z of closed ones beside what has arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from stillopen.backoffice.ledger.models import Shift
from stillopen.backoffice.reports.paging import read_page
from stillopen.backoffice.reports.registers import LiveRegister, live_registers
from stillopen.backoffice.reports.shifts import (
    NEWEST_SHIFTS,
    ShiftDetail,
    continued,
    find_shifts,
    get_shift,
    key_of,
    labels_of,
    sums_by_shift,
)
from stillopen.backoffice.web.access import Viewer, page
from stillopen.backoffice.web.fields import typed
from stillopen.backoffice.web.frame import show
from stillopen.domain.permission import Permission
from stillopen.domain.shift import ShiftReport, ShiftTotals, TaxSum, TenderSum

ROWS = 50
STATES = ("", "open", "closed")


@page(Permission.BO_REPORTS)
def shifts(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    register, state = typed(request, "register"), typed(request, "state")
    difference = typed(request, "difference") == "1"
    rows = find_shifts(viewer.scope, register, state if state in STATES else "", difference)
    found = read_page(rows, NEWEST_SHIFTS, typed(request, "cursor"), ROWS)
    tills = {x.register.id: x for x in live_registers(viewer.scope, timezone.now())}
    return show(
        request,
        viewer,
        "shifts",
        found=found,
        sums=sums_by_shift(viewer.scope, found.rows),
        labels=labels_of(viewer.scope, found.rows),
        others=continued(viewer.scope, found.rows),
        key_of=key_of,
        shift_address=shift_address,
        tills=tills,
        register=register,
        state=state,
        difference=difference,
        paged="cursor" in request.GET,
        page_address=lambda cursor: _address(request, cursor),
    )


def _address(request: HttpRequest, cursor: str) -> str:
    """The same list at another place."""
    query = request.GET.copy()
    query.pop("cursor", None)
    if cursor:
        query["cursor"] = cursor
    return f"/shifts?{query.urlencode()}"


def shift_address(shift: Shift, others: Sequence[Shift]) -> str:
    """The branch is named where the shift has several."""
    return f"/shifts/{shift.id}" + (f"?{urlencode({'branch': shift.branch})}" if others else "")


@page(Permission.BO_REPORTS)
def shift(request: HttpRequest, viewer: Viewer, shift_id: UUID) -> HttpResponse:
    detail = get_shift(viewer.sight, shift_id, typed(request, "branch"))
    tills = {x.register.id: x for x in live_registers(viewer.sight, timezone.now())}
    till: LiveRegister = tills[detail.shift.register_id]
    z = z_report(detail.shift)
    return show(
        request,
        viewer,
        "shift",
        shift=detail.shift,
        detail=detail,
        till=till,
        z=z,
        rows=figures(detail, z),
        taxes=tax_sums(detail, z),
        tenders=pair_tenders(detail, z),
        taken=timezone.now(),
        labels=labels_of(viewer.sight, [detail.shift, *detail.others]),
        key_of=key_of,
        shift_address=shift_address,
        receipts_address=receipts_address(detail),
    )


def receipts_address(detail: ShiftDetail) -> str:
    """The receipts behind its figures: those of its branch, where there are several."""
    query = {"shift": str(detail.shift.id)}
    if detail.others:
        query["branch"] = detail.shift.branch
    return f"/receipts?{urlencode(query)}"


def z_report(shift: Shift) -> ShiftReport | None:
    """The Z as printed; None while the shift is open."""
    return msgspec.convert(shift.report, ShiftReport) if shift.report else None


@dataclass(frozen=True)
class Figure:
    """One line of a Z: as printed (None while open), and summed from what has arrived."""

    name: str
    printed: int | None
    arrived: int
    is_count: bool = False
    link: str = ""

    @property
    def differs(self) -> bool:
        return self.printed is not None and self.printed != self.arrived


_COUNTED = (
    ("Sales", "sales_count", True, "receipts"),
    ("Sales total", "sales_total", False, "receipts"),
    ("Refunds", "refunds_count", True, "receipts"),
    ("Refunds total", "refunds_total", False, "receipts"),
    ("Discounts", "discounts", False, "receipts"),
    ("Cash rounding", "rounding", False, "receipts"),
    ("Cash sales", "cash_sales", False, "receipts"),
    ("Cash refunds", "cash_refunds", False, "receipts"),
    ("Pay-ins", "pay_in", False, "movements"),
    ("Pay-outs", "pay_out", False, "movements"),
    ("Safe drops", "drops", False, "movements"),
)


def figures(detail: ShiftDetail, z: ShiftReport | None) -> list[Figure]:
    links = {"receipts": receipts_address(detail), "movements": "#movements"}

    def value(totals: ShiftTotals, field: str) -> int:
        return int(getattr(totals, field))

    return [
        Figure(
            name=name,
            printed=value(z.totals, field) if z else None,
            arrived=value(detail.arrived, field),
            is_count=is_count,
            link=links[target],
        )
        for name, field, is_count, target in _COUNTED
    ]


def tax_sums(detail: ShiftDetail, z: ShiftReport | None) -> list[TaxSum]:
    """Per rate: of the Z as printed, of an open shift as arrived."""
    return list(z.totals.taxes if z else detail.arrived.taxes)


def pair_tenders(detail: ShiftDetail, z: ShiftReport | None) -> list[Figure]:
    printed = {t.type: t for t in z.totals.tenders} if z else {}
    arrived = {t.type: t for t in detail.arrived.tenders}
    nothing = TenderSum(type="", count=0, amount=0)
    return [
        Figure(
            name=kind,
            printed=printed.get(kind, nothing).amount if z else None,
            arrived=arrived.get(kind, nothing).amount,
            link=receipts_address(detail),
        )
        for kind in {**arrived, **printed}
    ]
