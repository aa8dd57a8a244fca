"""The order screen: tiles and search, the cart, the line editor, and the panels of the sale as a whole."""

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stillopen.domain.cart import find_line
from stillopen.register.usecases.cart_view import current_cart
from stillopen.register.usecases.park import parked_carts
from stillopen.register.usecases.pay import pending_payments
from stillopen.register.web.pages.frame import Ui, page
from stillopen.register.web.pages.tender import card_context
from stillopen.register.web.view_sale import PAGE, cart_context, fresh_of, tiles_view

_MAX_TILES = 2000
_MODES = ("quantity", "discount", "note")


async def show(ui: Ui) -> Response:
    """The tiles, or the question about a card payment that nobody has answered yet."""
    context = cart_context(ui.till, fresh_of(ui.request.app))
    open_attempts = [p for p in pending_payments(ui.till) if not p.confirmed]
    if open_attempts:
        work = card_context(ui, open_attempts[0], interrupted=True)
        return ui.page("sell.html", work="parts/card.html", **context, **work)
    tiles = tiles_view(ui.till)
    return ui.page("sell.html", work="parts/tiles.html", **context, view_tiles=tiles)


async def tiles(ui: Ui) -> Response:
    """``tab``, or ``q`` to search; ``limit`` grows with Show more."""
    asked = ui.request.query_params
    limit = asked.get("limit", "")
    many = min(int(limit), _MAX_TILES) if limit.isascii() and limit.isdigit() else PAGE
    found = tiles_view(ui.till, asked.get("tab", ""), asked.get("q", "").strip(), max(many, 1))
    return ui.part("parts/tiles.html", view_tiles=found)


async def cart(ui: Ui) -> Response:
    return ui.part("parts/cart.html", **cart_context(ui.till, fresh_of(ui.request.app)))


async def line(ui: Ui) -> Response:
    """The editor of one line; ``mode`` is quantity, discount or note."""
    view = current_cart(ui.till)
    item = find_line(view.cart, ui.request.path_params["line"])
    mode = ui.request.query_params.get("mode", "")
    if mode not in _MODES:
        mode = "quantity" if item.fixed_amount is None else "discount"
    return ui.part("parts/editor.html", item=item, mode=mode, view=view, currency=view.currency)


async def sale_discount(ui: Ui) -> Response:
    return ui.part("parts/sale_discount.html", view=current_cart(ui.till), currency=ui.currency)


async def sale_customer(ui: Ui) -> Response:
    return ui.part(
        "parts/sale_text.html",
        title="Customer code",
        text="Type or scan the code of the customer's card. It need not be known here: it is "
        "printed on the receipt and looked up later.",
        verb="customer",
        field="code",
        value=current_cart(ui.till).cart.customer,
        longest=60,
    )


async def sale_note(ui: Ui) -> Response:
    return ui.part(
        "parts/sale_text.html",
        title="Note",
        text="Printed at the bottom of the receipt.",
        verb="sale_note",
        field="note",
        value=current_cart(ui.till).cart.note,
        longest=200,
    )


async def sale_discard(ui: Ui) -> Response:
    return ui.part("parts/discard.html", view=current_cart(ui.till))


async def more(ui: Ui) -> Response:
    aside = len(parked_carts(ui.till))
    return ui.part("parts/more.html", cart=current_cart(ui.till).cart, parked=aside)


async def parked(ui: Ui) -> Response:
    return ui.part("parts/parked.html", rows=parked_carts(ui.till), currency=ui.currency)


routes: list[BaseRoute] = [
    Route("/sell", page(show)),
    Route("/ui/tiles", page(tiles)),
    Route("/ui/cart", page(cart)),
    Route("/ui/line/{line}", page(line)),
    Route("/ui/sale/more", page(more)),
    Route("/ui/sale/discount", page(sale_discount)),
    Route("/ui/sale/customer", page(sale_customer)),
    Route("/ui/sale/note", page(sale_note)),
    Route("/ui/sale/discard", page(sale_discard)),
    Route("/ui/parked", page(parked)),
]
