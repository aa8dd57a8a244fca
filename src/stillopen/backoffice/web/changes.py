"""Unpublished changes: the preview, publishing them, and how far the registers are."""

from collections.abc import Mapping, Sequence

from django.contrib import messages
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from stillopen.backoffice.catalogue.preview import preview
from stillopen.backoffice.catalogue.publishing import publish_drafts
from stillopen.backoffice.feed.models import Publication
from stillopen.backoffice.reports.registers import live_registers
from stillopen.backoffice.web.access import Viewer, page
from stillopen.backoffice.web.fields import typed
from stillopen.backoffice.web.frame import show
from stillopen.backoffice.web.render import render
from stillopen.backoffice.web.words import count
from stillopen.domain.permission import Permission

_RECENT = 10
#: More rows than a person looks through; the rest is counted.
SHOWN = 300


@page()
def changes(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Warnings come first: they are what a person must see before publishing."""
    rows = sorted(preview(viewer.account), key=lambda row: not row.warnings)
    return show(
        request,
        viewer,
        "changes",
        rows=rows[:SHOWN],
        more=max(len(rows) - SHOWN, 0),
        warned=sum(bool(row.warnings) for row in rows),
        tills=live_registers(viewer.sight, timezone.now()),
        recent=_recent(viewer),
    )


@page()
def applied(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    return render(request, "applied_list", tills=live_registers(viewer.sight, timezone.now()))


def _recent(viewer: Viewer) -> Sequence[Mapping[str, object]]:
    """The last publications; each has a row per scope that it touched."""
    rows = Publication.objects.filter(account_id=viewer.account.id).values("number")
    found = rows.annotate(at=Max("published_at"), by=Max("published_by"), sum=Sum("records"))
    return list(found.order_by("-number")[:_RECENT])


@require_POST
@page(Permission.BO_PUBLISH)
def publish(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """From the bar, suspicious prices lead to the preview first; from there they are published."""
    if not typed(request, "seen") and any(row.warnings for row in preview(viewer.account)):
        messages.error(request, "Some prices look unusual. Look at them, then publish.")
        return HttpResponseRedirect("/changes")
    done = publish_drafts(viewer.account, viewer.user)
    if done.records:
        words = f"{count(done.records, 'record')} on the way to the registers"
        messages.success(request, f"Published as number {done.number}: {words}.")
    else:
        messages.success(request, "Nothing differed from what is published.")
    return HttpResponseRedirect("/changes")
