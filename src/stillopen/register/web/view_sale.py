"""What the order screen shows: tiles, cart, and the change of the sale that was just made."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec
from starlette.applications import Starlette

from stillopen.domain.errors import DomainError
from stillopen.domain.receipt import Receipt
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import CartView, current_cart
from stillopen.register.usecases.receipts import last_sale_sentence
from stillopen.register.usecases.search_products import (
    ProductView,
    products_in_category,
    quick_key_page,
    search_products,
)

PAGE = 60  # tiles shown at once; the rest follows on request
_FRESH = timedelta(minutes=2)  # a till in touch with the Back Office hears of the stock more often


class Tab(msgspec.Struct, frozen=True):
    key: str  # "quick:<id>" or "category:<id>"
    name: str


class TilesView(msgspec.Struct, frozen=True, kw_only=True):
    tabs: list[Tab]
    current: str
    tiles: list[ProductView]
    q: str
    problem: str
    empty: bool  # the catalogue has no product at all
    goods: str  # mark of the goods that they show
    refresh: str  # where the same tiles come from again
    more: str  # where more of them come from, or ""
    as_of: datetime | None  # of the stock
    stale: bool  # it is shown, and not as of now


def tabs_of(till: Till) -> list[Tab]:
    """Pages of quick keys first, then categories."""
    quick = [Tab(f"quick:{key}", page.name) for key, page in till.catalogue.quick_keys()]
    return quick + [Tab(f"category:{key}", c.name) for key, c in till.catalogue.categories()]


def tiles_view(till: Till, tab: str = "", q: str = "", limit: int = PAGE) -> TilesView:
    """The tiles of ``tab`` (the first one by default), or what ``q`` finds."""
    goods = till.goods_mark()  # before anything is read: what changes meanwhile is shown anew
    tabs = tabs_of(till)
    keys = [t.key for t in tabs]
    current = "" if q else (tab if tab in keys else next(iter(keys), ""))
    problem = ""
    found: list[ProductView] = []
    try:
        found = _tiles(till, current, q, limit + 1)
    except DomainError as error:
        problem = error.message
    query = {"q": q} if q else {"tab": current}
    as_of = till.stock.as_of()
    counted = as_of is not None and any(view.available for view in found)
    return TilesView(
        tabs=tabs,
        current=current,
        tiles=found[:limit],
        q=q,
        problem=problem,
        empty=not found and till.catalogue.count("product") == 0,
        goods=goods,
        refresh="/ui/tiles?" + urlencode({**query, "limit": limit}),
        more="/ui/tiles?" + urlencode({**query, "limit": limit + PAGE})
        if len(found) > limit
        else "",
        as_of=as_of,
        stale=counted and as_of is not None and till.clock.now() - as_of > _FRESH,
    )


def _tiles(till: Till, tab: str, q: str, limit: int) -> list[ProductView]:
    if q:
        return search_products(till, q, limit)
    kind, _, key = tab.partition(":")
    if kind == "quick":
        return quick_key_page(till, key)[:limit]
    return products_in_category(till, key, limit) if kind == "category" else []


class Fresh:
    """The sale that was just made: its change stays on the screen until the next sale starts."""

    def __init__(self) -> None:
        self._receipt: Receipt | None = None

    def paid(self, receipt: Receipt) -> None:
        self._receipt = receipt

    def shown_with(self, view: CartView) -> Receipt | None:
        """The receipt to show beside ``view``; the first line of the next sale ends it."""
        if not view.cart.is_empty:
            self._receipt = None
        return self._receipt

    def forget(self) -> None:
        self._receipt = None


def fresh_of(app: Starlette) -> Fresh:
    """Kept in memory: after a restart the till says what the last sale was instead."""
    if not hasattr(app.state, "fresh"):
        app.state.fresh = Fresh()
    fresh = app.state.fresh
    assert isinstance(fresh, Fresh)
    return fresh


def cart_context(till: Till, fresh: Fresh, view: CartView | None = None) -> dict[str, object]:
    """What parts/cart.html needs."""
    view = view or current_cart(till)
    paid = fresh.shown_with(view)
    return {
        "view": view,
        "paid": paid,
        "parked": len(till.journal.carts.parked()),
        "last_sale": last_sale_sentence(till) if view.cart.is_empty and paid is None else None,
        "tax_inside": till.rules.tax_inside,
    }
