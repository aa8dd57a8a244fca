"""Restored: what a database that went back in time undid, and each thing that a person confirms again."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from stillopen.backoffice.backups import outside
from stillopen.backoffice.backups.models import Backup, RestoreItem, RestoreReport
from stillopen.backoffice.backups.report import DO_AGAIN, REGISTER, Return, confirm, returns
from stillopen.backoffice.web.access import Viewer, back, page
from stillopen.backoffice.web.fields import typed
from stillopen.backoffice.web.frame import show
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission

_SHOWN = 5  # reports

#: What became undone, said of the name that stands before it; and where a person puts it right.
UNDONE = {
    outside.REVOKED: ("was revoked. It is let in again", "/registers"),
    outside.LICENSED: ("got a License Key that is void again", "/registers"),
    outside.ACTIVATED: (
        "was activated on a device. If it does not come back by itself, let that device in again",
        "/registers",
    ),
    outside.SWITCHED_OFF: ("was switched off. The PIN opens registers again", "/employees"),
    outside.NEW_PIN: ("got a new PIN. The former one is in force again", "/employees"),
}


@dataclass(frozen=True)
class Line:
    """An item as it is shown; ``back``: how far a register has come back."""

    item: RestoreItem
    words: str = ""
    where: str = ""
    again: str = ""
    back: Return | None = None


@dataclass(frozen=True)
class Section:
    report: RestoreReport
    registers: list[Line]
    undone: list[Line]

    @property
    def open(self) -> int:
        return sum(line.item.confirmed_at is None for line in (*self.registers, *self.undone))


@page(Permission.BO_REGISTERS)
def restored(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    _require_whole(viewer)
    reports = RestoreReport.objects.filter(account_id=viewer.account.id).order_by("-at")[:_SHOWN]
    return show(
        request,
        viewer,
        "restored",
        sections=[_section(report) for report in reports],
        latest=Backup.objects.filter(removed_at=None).first(),
        kept=Backup.objects.filter(removed_at=None).count(),
    )


def _require_whole(viewer: Viewer) -> None:
    """``not_permitted`` for a user who sees some stores only: a restore is about all of them."""
    if not viewer.sight.whole:
        raise DomainError("not_permitted", "This is for users who see all stores of the account.")


def _section(report: RestoreReport) -> Section:
    come_back = {one.register.id: one for one in returns(report)}
    registers, undone = [], []
    for item in report.items.order_by("happened_at", "name"):
        if item.kind == REGISTER:
            registers.append(Line(item, back=come_back.get(item.record)))
        else:
            words, where = UNDONE.get(item.kind, ("", ""))
            undone.append(Line(item, words, where, DO_AGAIN.get(item.kind, "")))
    return Section(report, registers, undone)


@require_POST
@page(Permission.BO_REGISTERS)
def confirmed(request: HttpRequest, viewer: Viewer, item_id: UUID) -> HttpResponse:
    _require_whole(viewer)
    do_it = typed(request, "again") == "on"
    item = confirm(viewer.account.id, item_id, do_it, viewer.user)
    words = DO_AGAIN.get(item.kind, "") if do_it else "confirmed"
    messages.success(request, f"{item.name}: {words.lower()}.")
    return back(request, "/restored")
