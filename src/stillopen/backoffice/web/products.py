"""Products: search, quick price, sold out. Prices are drafts until Publish; sold out is at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from stillopen.backoffice.accounts.models import Account
from stillopen.backoffice.catalogue import kinds, verbs
from stillopen.backoffice.catalogue.drafts import pending_of
from stillopen.backoffice.catalogue.models import DraftChange, Product
from stillopen.backoffice.catalogue.values import read_price
from stillopen.backoffice.reports.paging import read_page
from stillopen.backoffice.reports.stock import BY_SKU, find_products
from stillopen.backoffice.web.access import Viewer, back, page
from stillopen.backoffice.web.fields import point_for_comma, typed
from stillopen.backoffice.web.frame import show
from stillopen.domain.errors import DomainError
from stillopen.domain.money import format_plain
from stillopen.domain.permission import Permission

ROWS = 50


@dataclass(frozen=True)
class Row:
    """A product with its pending change, the text of its price field, and what is wrong with it."""

    product: Product
    change: DraftChange | None
    price: str
    problem: str = ""


@page(Permission.BO_CATALOGUE)
def products(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    q = typed(request, "q")
    found = read_page(find_products(viewer.account, q=q), BY_SKU, typed(request, "cursor"), ROWS)
    rows = _rows(viewer.account, found.rows)
    return show(request, viewer, "products", rows=rows, q=q, next=found.next)


def _rows(account: Account, products: Iterable[Product]) -> list[Row]:
    products = list(products)
    changes = pending_of(account, [(kinds.PRODUCT, p.id) for p in products])
    pending = {c.record: c for c in changes}
    return [Row(p, pending.get(p.id), format_plain(p.price, account.currency)) for p in products]


@require_POST
@page(Permission.BO_CATALOGUE)
def change_price(request: HttpRequest, viewer: Viewer, product_id: UUID) -> HttpResponse:
    """Answers htmx with the row alone; a price that cannot be read stays in its field with the reason."""
    product = _product(viewer, product_id)
    text = typed(request, "price")
    try:
        price = read_price(point_for_comma(text), viewer.currency)
        verbs.change_product(product, {"price": price}, viewer.user)
        row = _rows(viewer.account, [product])[0]
    except DomainError as error:
        if not request.headers.get("HX-Request"):
            raise
        product.refresh_from_db()
        row = Row(product, _rows(viewer.account, [product])[0].change, text, error.message)
    return _answer(request, viewer, row)


@require_POST
@page(Permission.BO_CATALOGUE)
def stop(request: HttpRequest, viewer: Viewer, product_id: UUID) -> HttpResponse:
    product = _product(viewer, product_id)
    stopped = typed(request, "stopped") == "on"
    verbs.stop_products(viewer.account, [product.id], stopped, viewer.user)
    product.refresh_from_db()
    return _answer(request, viewer, _rows(viewer.account, [product])[0])


def _answer(request: HttpRequest, viewer: Viewer, row: Row) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return show(request, viewer, "product_row", row=row)
    return back(request, "/products")


def _product(viewer: Viewer, product_id: UUID) -> Product:
    found = find_products(viewer.account).filter(id=product_id).first()
    if found is None:
        raise DomainError("not_found", "There is no such product.")
    return found
