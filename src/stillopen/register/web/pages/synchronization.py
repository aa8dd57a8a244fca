"""Synchronization: the queue and history, the Status of each item, and Sync itself."""

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.errors import DomainError
from stillopen.register.linkview import CAUSES
from stillopen.register.till import SyncResult
from stillopen.register.usecases.status import status
from stillopen.register.web.pages.frame import Signed, Ui, page
from stillopen.register.web.view import cash, count
from stillopen.register.web.view_quality import quality_view
from stillopen.sync.reasons import reason_of

#: Lines of the history on one page.
HISTORY = 20

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


async def overview(ui: Ui) -> Response:
    asked = ui.request.query_params.get("before", "")
    before = int(asked) if asked.isdecimal() and len(asked) < 16 else None
    history, older = ui.till.journal.sending.history_page(HISTORY, before)
    return ui.page(
        "sync.html",
        tab="overview",
        here=f"/sync?before={before}" if before else "/sync",
        history=history,
        older=f"/sync?before={older}" if older else "",
        newest="/sync" if before else "",
        cursors=ui.till.catalogue.cursors(),
        quality=quality_view(ui.till.link.quality),
        causes={code: words[:1].upper() + words[1:] for code, words in CAUSES.items()},
    )


async def items(ui: Ui) -> Response:
    return ui.page(
        "sync.html",
        tab="status",
        items=ui.till.journal.sending.unsent_items(200),
        kinds=KINDS,
        reason_of=lambda code: reason_of(code, held=True),
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
    """Have the Back Office apply again what it could not, and say how far that went."""
    before = _errored(ui)
    try:
        await ui.till.sync_now(retry=True)
    except DomainError as error:
        return ui.go("/sync/status", Signed("red", error.message, "Nothing is lost by waiting."))
    return ui.go("/sync/status", _retried(before, _errored(ui), _held(ui)))


def _errored(ui: Ui) -> set[str]:
    held = ui.till.journal.sending.not_applied()
    return {x.id for x in held if x.status == "quarantined"}


def _held(ui: Ui) -> set[str]:
    return {x.id for x in ui.till.journal.sending.not_applied()}


def _retried(before: set[str], errored: set[str], held: set[str]) -> Signed:
    """``2 of 3 were applied; 1 still needs attention in the Back Office.``"""
    applied = len(before - held)
    if not errored:
        return Signed("green", "Nothing is errored any more", f"{_were(applied)} applied.")
    needs = "needs" if len(errored) == 1 else "need"
    left = f"{len(errored)} still {needs} attention in the Back Office"
    title = f"{applied} of {count(len(before), 'entry', 'entries')} applied" if before else left
    tone = "yellow" if applied else "red"
    return Signed(tone, title, f"{left}: its page Exceptions says why and what can be done.")


def _were(number: int) -> str:
    return "1 was" if number == 1 else f"{number} were"


routes: list[BaseRoute] = [
    Route("/sync", page(overview, "open")),
    Route("/sync/status", page(items, "open")),
    Route("/sync/retry", page(retry, "open"), methods=["POST"]),
    Route("/ui/sync", page(sync, "readiness"), methods=["POST"]),
]
