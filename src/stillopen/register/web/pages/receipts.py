"""Receipts of this till and of its store: lists with search and paging, one receipt, and its paper."""

from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stillopen.register.usecases.receipts import (
    StoredReceipt,
    find_receipt,
    last_receipt,
    list_receipts,
    list_store_receipts,
    place_of,
    reprint,
)
from stillopen.register.web.pages.frame import Ui, page

PAGE = 50
FEW = 20  # of other tills, under a search in one's own


async def show(ui: Ui) -> Response:
    """This till's own. ``q``: part of a number; ``before``: page on from that journal entry. What is looked
    for is looked for in the whole store."""
    asked = ui.request.query_params
    q, before = asked.get("q", "").strip(), asked.get("before", "")
    start = int(before) if before.isascii() and before.isdigit() else None
    rows = list_receipts(ui.till, q, PAGE + 1, start)
    more = len(rows) > PAGE
    others = list_store_receipts(ui.till, q, FEW) if q and start is None else []
    return ui.page(
        "receipts.html",
        tab="till",
        rows=rows[:PAGE],
        others=others,
        q=q,
        currency=ui.currency,
        here=_address(q, start),
        older=_address(q, rows[PAGE - 1].place) if more else "",
        newest=_address(q, None) if start else "",
    )


async def store(ui: Ui) -> Response:
    """The store's, as they came down. ``at`` and ``id``: page on from that receipt."""
    asked = ui.request.query_params
    q, at, last = asked.get("q", "").strip(), asked.get("at", ""), asked.get("id", "")
    start = (at, last) if at else None
    rows = list_store_receipts(ui.till, q, PAGE + 1, start)
    more = len(rows) > PAGE
    return ui.page(
        "receipts.html",
        tab="store",
        rows=[],
        others=rows[:PAGE],
        q=q,
        currency=ui.currency,
        here=_store_address(q, start),
        older=_store_address(q, place_of(rows[PAGE - 1])) if more else "",
        newest=_store_address(q, None) if start else "",
    )


def _address(q: str, before: int | None) -> str:
    query = {"q": q} if q else {}
    if before is not None:
        query["before"] = str(before)
    return "/receipts" + ("?" + urlencode(query) if query else "")


def _store_address(q: str, before: tuple[str, str] | None) -> str:
    query = {"q": q} if q else {}
    if before is not None:
        query |= {"at": before[0], "id": before[1]}
    return "/receipts/of/store" + ("?" + urlencode(query) if query else "")


async def one(ui: Ui) -> Response:
    stored = find_receipt(ui.till, ui.request.path_params["number"])
    return ui.page("receipt.html", **_paper(ui, stored))


async def paper(ui: Ui) -> Response:
    """Only the paper, for the printer. ``again=1`` is a reprint: journalled, and marked as a copy.

    The receipt of the sale that was just made may be printed from the sign-in screen, too.
    """
    number = ui.request.path_params["number"]
    if ui.request.query_params.get("again") == "1":
        return ui.part("paper_page.html", **_paper(ui, reprint(ui.till, ui.who, number), copy=True))
    last = last_receipt(ui.till)
    if ui.session is None and (last is None or last.receipt.number != number):
        return ui.go("/")
    return ui.part("paper_page.html", **_paper(ui, find_receipt(ui.till, number)))


def _paper(ui: Ui, stored: StoredReceipt, copy: bool = False) -> dict[str, object]:
    return {"stored": stored, "shop": ui.till.store_settings, "copy": copy}


routes: list[BaseRoute] = [
    Route("/receipts", page(show, "open")),
    Route("/receipts/of/store", page(store, "open")),
    Route("/receipts/{number}", page(one, "open")),
    Route("/receipts/{number}/paper", page(paper, "login")),
]
