"""Stock levels with the products they belong to."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from stillopen.backoffice.accounts.models import Account, Store
from stillopen.backoffice.catalogue.models import Product
from stillopen.backoffice.reports.paging import DEFAULT_LIMIT, Key, Order, Page, read_page
from stillopen.backoffice.reports.scope import Scope
from stillopen.backoffice.stock.models import Level

BY_SKU = Order("products", (Key("sku"),))
BY_PRODUCT = Order("stock", (Key("product_id"), Key("store_id", UUID)))


@dataclass(frozen=True)
class StockRow:
    """``product`` is None for goods that a register knows and the Back Office does not (yet)."""

    product_id: str
    product: Product | None
    store: Store
    quantity: Decimal


@dataclass(frozen=True)
class StockTableRow:
    """One product with its level in each store in sight, in the stores' order; None: never moved there."""

    product: Product
    levels: list[Decimal | None]


def find_products(account: Account, sku: str = "", q: str = "") -> QuerySet[Product]:
    """Active products; ``sku`` exactly, ``q`` anywhere in name, SKU or barcodes."""
    rows = Product.objects.filter(account=account, active=True).select_related("tax", "category")
    if sku:
        rows = rows.filter(sku=sku)
    for word in q.split():
        rows = rows.annotate(codes=Cast("barcodes", TextField())).filter(
            Q(name__icontains=word) | Q(sku__icontains=word) | Q(codes__icontains=word)
        )
    return rows


def stock_page(
    scope: Scope, sku: str = "", cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[Level]:
    """Levels of all products or of one; ``DomainError bad_cursor``."""
    rows = scope.of_stores(Level.objects.all())
    if sku:
        rows = rows.filter(product_id__in=[str(p.id) for p in find_products(scope.account, sku)])
    return read_page(rows, BY_PRODUCT, cursor, limit)


def stock_rows(scope: Scope, levels: Iterable[Level]) -> list[StockRow]:
    levels = list(levels)
    ids = [x.product_id for x in levels]
    known = {str(p.id): p for p in Product.objects.filter(account=scope.account, id__in=ids)}
    return [
        StockRow(x.product_id, known.get(x.product_id), scope.store_by_id[x.store_id], x.quantity)
        for x in levels
    ]


def stock_table(scope: Scope, products: Iterable[Product]) -> list[StockTableRow]:
    products = list(products)
    rows = scope.of_stores(Level.objects.all()).filter(product_id__in=[str(p.id) for p in products])
    levels = {(x.product_id, x.store_id): x.quantity for x in rows}
    return [
        StockTableRow(p, [levels.get((str(p.id), s.id)) for s in scope.stores]) for p in products
    ]
