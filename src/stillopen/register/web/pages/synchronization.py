"""Synchronization: the queue and history, the Status of each item, and Sync itself."""

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.errors import DomainError
from stillopen.register.linkview import CAUSES
from stillopen.register.till import SyncResult
from stillopen.register.usecases.status import status
from stillopen.register.web.pages.frame import Signed, Ui, page
from stillopen.register.web.view import cash, count

#: kind of entry → what people call it.
KINDS = {
    "sale": "Sale",
    "shift_opened": "Register opened",
    "shift_closed": "Register closed (Z)",
    "cash_movement": "Cash movement",
    "signed_in": "Sign-in",
    "signed_out": "Sign-out",
    "pin_blocked": "Register blocked",
    "pin_unblocked": "Register unblocked",
    "drawer_opened": "Drawer opened",
    "receipt_reprinted": "Receipt printed again",
    "payment_attempt": "Card payment asked for",
    "payment_outcome": "Card payment answered",
}

#: code of the server → the reason in words; other codes are shown as they are.
REASONS = {
    "needs_newer_server": "the Back Office is too old for it and applies it after its upgrade",
    "bad_hash": "a damaged row of this till's disk",
    "bad_payload": "the Back Office cannot read it",
}


async def overview(ui: Ui) -> Response:
    return ui.page(
        "sync.html",
        tab="overview",
        history=ui.till.journal.sending.history(30),
        cursors=ui.till.catalogue.cursors(),
        quality=_quality(ui),
        causes={code: words[:1].upper() + words[1:] for code, words in CAUSES.items()},
    )


def _quality(ui: Ui) -> str:
    link = ui.till.link
    if link.round_trip is None:
        return "not measured yet"
    speed = f", {link.throughput / 1000:.0f} kB/s" if link.throughput else ""
    return f"{link.round_trip * 1000:.0f} ms for an answer{speed}"


async def items(ui: Ui) -> Response:
    return ui.page(
        "sync.html",
        tab="status",
        items=ui.till.journal.sending.unsent_items(200),
        kinds=KINDS,
        reasons=REASONS,
    )


async def sync(ui: Ui) -> Response:
    """Send and fetch now; the answer is a toast, in full honesty when only part of it worked."""
    try:
        result = await ui.till.sync_now()
    except DomainError as error:
        return JSONResponse(_not_now(ui, error))
    return JSONResponse(_done(ui, result))


def _not_now(ui: Ui, error: DomainError) -> dict[str, str]:
    now = status(ui.till)
    kept = f"Saved here: {count(now.unsent.count, 'entry', 'entries')}"
    worth = f", {cash(now.unsent.value, now.currency)} in sales" if now.unsent.value else ""
    text = (
        f"{kept}{worth}. They go by themselves when the line is back." if now.unsent.count else ""
    )
    return {"tone": "red", "title": error.message, "text": text}


def _done(ui: Ui, result: SyncResult) -> dict[str, str]:
    now = status(ui.till)
    did = f"{count(result.sent, 'entry', 'entries')} sent, {count(result.received, 'change')} received."
    if now.quarantined or now.waiting:
        held = count(now.quarantined + now.waiting, "entry is", "entries are")
        text = f"{did} {held} in the Back Office but not booked: see Status."
        return {"tone": "yellow", "title": "Synced in part", "text": text}
    if now.unsent.count:
        left = f"{did} {count(now.unsent.count, 'entry', 'entries')} still to send."
        return {"tone": "yellow", "title": "Synced in part", "text": left}
    return {"tone": "green", "title": "Synced successfully", "text": did}


async def retry(ui: Ui) -> Response:
    """Have the Back Office apply again what it could not."""
    before = status(ui.till).quarantined
    try:
        await ui.till.sync_now(retry=True)
    except DomainError as error:
        return ui.go("/sync/status", Signed("red", error.message, "Nothing is lost by waiting."))
    left = status(ui.till).quarantined
    if left:
        fixed = f"{max(before - left, 0)} of {before} booked. The Back Office's Exceptions say why."
        return ui.go("/sync/status", Signed("yellow", f"{left} still errored", fixed))
    return ui.go(
        "/sync/status", Signed("green", "Synced successfully", "Nothing is errored any more.")
    )


routes: list[BaseRoute] = [
    Route("/sync", page(overview, "open")),
    Route("/sync/status", page(items, "open")),
    Route("/sync/retry", page(retry, "open"), methods=["POST"]),
    Route("/ui/sync", page(sync, "readiness"), methods=["POST"]),
]
