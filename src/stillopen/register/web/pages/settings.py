"""Account details, appearance, Clear cache, Support and Help."""

from datetime import UTC, datetime

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.errors import DomainError
from stillopen.domain.ids import receipt_number
from stillopen.domain.permission import Permission
from stillopen.register.usecases.check_clock import clock_jump, confirm_clock
from stillopen.register.usecases.clear_cache import clear_cache
from stillopen.register.usecases.deactivate import deactivate
from stillopen.register.usecases.status import status
from stillopen.register.web.pages.frame import Signed, Ui, page
from stillopen.register.web.view import count

KEYS = (
    ("digits Enter", "The item with this barcode or SKU"),
    ("3*", "Three of the next item, scanned, typed or tapped"),
    ("/", "Search by name"),
    ("↓ ↑ ← →", "Walk over the tiles and the lines of the sale; Enter takes one"),
    ("Backspace", "On the empty box: take back the last line"),
    ("F2", "Pay; once more and Enter: exact"),
    ("F4", "Park the sale"),
    ("Esc", "Back"),
)

STATES = (
    ("Synced", "check-circle", "green", "Everything is in the Back Office."),
    ("Sending 3", "sending", "green", "Three entries are on their way."),
    ("Reconnecting", "retry", "yellow", "No sign of the Back Office for a moment. Go on."),
    ("Unstable", "unstable", "yellow", "It answers, but with errors or slowly. Go on."),
    ("Offline", "offline", "red", "No line. Go on selling; all is kept here."),
    ("Never synced", "idle", "", "The till has nothing to sell yet."),
)


async def account(ui: Ui) -> Response:
    identity, epoch = ui.till.require_identity(), ui.till.journal.identity.epoch()
    label = epoch.label if epoch else ""
    first = receipt_number(identity.store_code, identity.register_name, label, 1)
    return ui.page(
        "settings.html",
        backoffice=identity.backoffice,
        numbers=first.rpartition("-")[0],
        renumbered=bool(label),
        SETTINGS=Permission.SETTINGS,
        clock_offset=_offset(ui),
        jump=clock_jump(ui.till),
    )


def _offset(ui: Ui) -> str:
    """How far this device's own clock is from the time the till goes by."""
    seconds = round((ui.till.clock.now() - datetime.now(UTC)).total_seconds(), 1)
    return f"{seconds:+.1f} s against this device's clock" if seconds else "none"


async def theme(ui: Ui) -> Response:
    chosen = str((await ui.form()).get("theme", ""))
    response = ui.go("/settings")
    year = 365 * 24 * 3600
    response.set_cookie("theme", chosen[:5], max_age=year, samesite="strict")
    return response


async def clock(ui: Ui) -> Response:
    confirm_clock(ui.till, ui.who)
    return ui.go("/settings", Signed("green", "The time is confirmed"))


async def clear(ui: Ui) -> Response:
    """Fetch the whole catalogue anew; the old one serves until then."""
    try:
        rows = await clear_cache(ui.till, ui.who)
    except DomainError as error:
        kept = "Nothing was cleared. Your sales are in another file and always safe."
        return ui.go("/support", Signed("red", error.message, kept))
    return ui.go("/support", Signed("green", "Cache cleared", f"{count(rows, 'record')} received."))


async def ask_deactivate(ui: Ui) -> Response:
    """What it means, and the button that does it."""
    ui.who.require(Permission.SETTINGS)
    return ui.page("deactivate.html", now=status(ui.till), problem="")


async def give_back(ui: Ui) -> Response:
    try:
        identity = await deactivate(ui.till, ui.who)
    except DomainError as error:
        return ui.page("deactivate.html", now=status(ui.till), problem=error.message)
    name = f"{identity.store_code}-{identity.register_name}"
    return ui.go(
        "/", Signed("green", f"{name} is deactivated", "Its journal stays on this device.")
    )


async def support(ui: Ui) -> Response:
    return ui.page("support.html")


async def show_help(ui: Ui) -> Response:
    return ui.page("help.html", keys=KEYS, states=STATES)


routes: list[BaseRoute] = [
    Route("/settings", page(account, "open")),
    Route("/settings/theme", page(theme, "open"), methods=["POST"]),
    Route("/settings/clock", page(clock, "open"), methods=["POST"]),
    Route("/settings/deactivate", page(ask_deactivate, "open"), methods=["GET"]),
    Route("/settings/deactivate", page(give_back, "open"), methods=["POST"]),
    Route("/clear-cache", page(clear, "open"), methods=["POST"]),
    Route("/support", page(support, "open")),
    Route("/help", page(show_help, "open")),
]
