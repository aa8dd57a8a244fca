"""Exceptions: what could not be applied or does not add up, the raw fact, and trying again."""

import json
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ingest.retry import Retried, retry_exception, retry_register
from stillopen.backoffice.reports.health import entries_not_applied, open_exceptions
from stillopen.backoffice.reports.paging import NEWEST_EXCEPTIONS, read_page
from stillopen.backoffice.web.access import Viewer, back, page
from stillopen.backoffice.web.fields import typed
from stillopen.backoffice.web.frame import show
from stillopen.backoffice.web.words import count
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission

ROWS = 30
_SHOWN = 20_000  # characters of a raw fact


@dataclass(frozen=True)
class Row:
    """``held``: its entry is not applied; else it is only something to look at."""

    item: ExceptionItem
    entry: Entry | None
    fact: str

    @property
    def details(self) -> dict[str, object]:
        """Those that the raw fact does not show as well."""
        return {k: v for k, v in self.item.details.items() if k not in ("branch", "seq")}

    @property
    def held(self) -> bool:
        return self.entry is not None and self.entry.status != Entry.Status.APPLIED


@page(Permission.BO_REPORTS)
def exceptions(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    cursor = typed(request, "cursor")
    found = read_page(open_exceptions(viewer.scope), NEWEST_EXCEPTIONS, cursor, ROWS)
    return show(
        request,
        viewer,
        "exceptions",
        rows=[_row(item) for item in found.rows],
        next=found.next,
        held=entries_not_applied(viewer.scope),
        may_retry=viewer.may(Permission.BO_REGISTERS),
    )


def _row(item: ExceptionItem) -> Row:
    entries = Entry.objects.filter(account_id=item.account_id, register_id=item.register_id)
    entry = entries.filter(entry_id=item.entry_id).first() if item.entry_id else None
    return Row(item, entry, readable(bytes(entry.body)) if entry else "")


def readable(body: bytes) -> str:
    """A raw fact indented for people; what is no JSON as it is."""
    text = body.decode("utf-8", "replace")
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


@require_POST
@page(Permission.BO_REGISTERS)
def retry(request: HttpRequest, viewer: Viewer, exception_id: UUID) -> HttpResponse:
    if not open_exceptions(viewer.sight).filter(id=exception_id).exists():
        raise DomainError("not_found", "This exception is settled already.")
    done = retry_exception(viewer.account.id, exception_id, timezone.now())
    _tell(request, done)
    return back(request, "/exceptions")


@require_POST
@page(Permission.BO_REGISTERS)
def retry_everything(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Of the registers in view; what arrived after a revocation needs its own yes."""
    now = timezone.now()
    done = [retry_register(register, now) for register in viewer.scope.registers]
    _tell(request, Retried(sum(d.applied for d in done), sum(d.left for d in done)))
    return back(request, "/exceptions")


def _tell(request: HttpRequest, done: Retried) -> None:
    if done.left:
        words = f"{count(done.left, 'entry', 'entries')} could still not be applied."
        messages.error(request, f"{count(done.applied, 'entry', 'entries')} applied. {words}")
    elif done.applied:
        messages.success(request, f"{count(done.applied, 'entry', 'entries')} applied.")
    else:
        messages.success(request, "Marked as seen.")
