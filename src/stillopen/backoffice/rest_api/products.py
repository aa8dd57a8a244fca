"""Products as they are edited here (drafts), publishing them, and stock."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status

from stillopen.backoffice.accounts.models import Account
from stillopen.backoffice.catalogue import kinds, verbs
from stillopen.backoffice.catalogue.drafts import pending_of
from stillopen.backoffice.catalogue.models import Category, Product, TaxRate
from stillopen.backoffice.catalogue.publishing import publish_drafts
from stillopen.backoffice.catalogue.values import find_tax
from stillopen.backoffice.reports.paging import DEFAULT_LIMIT, read_page
from stillopen.backoffice.reports.stock import (
    BY_SKU,
    StockRow,
    find_products,
    stock_page,
    stock_rows,
)
from stillopen.backoffice.rest_api.auth import scope_of, token_of
from stillopen.backoffice.rest_api.schemas import (
    ListOut,
    ProductChange,
    ProductIn,
    ProductOut,
    PublicationOut,
    StockOut,
)
from stillopen.domain.errors import DomainError
from stillopen.domain.quantity import format_quantity

router = Router(tags=["products"])


@router.get("/products", response=ListOut[ProductOut], summary="Products, by SKU")
def list_products(
    request: HttpRequest,
    sku: str = "",
    q: str = "",
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> ListOut[ProductOut]:
    """``sku`` exactly; ``q`` anywhere in name, SKU or barcodes. Prices are those of the draft."""
    account = token_of(request).account
    page = read_page(find_products(account, sku, q), BY_SKU, cursor, limit)
    return ListOut(results=_products(account, page.rows), next=page.next)


@router.post("/products", response={201: ProductOut}, summary="A new product, as a draft")
def create_product(request: HttpRequest, new: ProductIn) -> Status[ProductOut]:
    """Errors: 409 ``sku_taken``, ``barcode_taken``; 422 ``bad_price``, ``bad_value``, ``unknown_tax``, …"""
    account = token_of(request).account
    product = verbs.create_product(account, read_values(account, new), None)
    return Status(201, _products(account, [product])[0])


@router.patch("/products/{product_id}", response=ProductOut, summary="Change a product's draft")
def change_product(request: HttpRequest, product_id: UUID, change: ProductChange) -> ProductOut:
    """Registers see it after ``POST /publish``; only ``stopped`` (sold out) takes effect at once."""
    token = token_of(request)
    product = _own_product(token.account, product_id)
    values = read_values(token.account, change)
    if values:
        verbs.change_product(product, values, None)
    if change.stopped is not None:
        verbs.stop_products(token.account, [product.id], change.stopped, None, by=token.name)
        product.refresh_from_db()
    return _products(token.account, [product])[0]


def _own_product(account: Account, product_id: UUID) -> Product:
    found = find_products(account).filter(id=product_id).first()
    if found is None:
        raise DomainError("not_found", "There is no such product.", id=str(product_id))
    return found


def read_values(account: Account, given: Schema) -> verbs.ProductValues:
    """What the caller gave, with names of rates and categories looked up."""
    fields = given.dict(exclude_unset=True, exclude={"stopped", "tax", "category"})
    if "barcode" in fields:
        fields["barcodes"] = _one_barcode(fields.pop("barcode"), fields)
    for needed in ("sku", "name", "price", "barcodes", "unit"):
        if needed in fields and fields[needed] is None:
            raise DomainError("bad_request", f"{needed}: cannot be null.", fields={needed: "null"})
    values = verbs.ProductValues(**fields)  # type: ignore[typeddict-item]
    chosen = given.dict(exclude_unset=True, include={"tax", "category"})
    if chosen.get("tax") is not None:
        values["tax"] = find_tax(chosen["tax"], TaxRate.objects.filter(account=account))
    if "category" in chosen:
        values["category"] = _category(account, chosen["category"])
    return values


def _one_barcode(barcode: str | None, fields: Mapping[str, object]) -> list[str]:
    if "barcodes" in fields:
        raise DomainError("bad_request", "Give barcode or barcodes, not both.")
    return [barcode] if barcode else []


def _category(account: Account, name: str | None) -> Category | None:
    if name is None:
        return None
    for category in Category.objects.filter(account=account):
        if category.name.casefold() == name.strip().casefold():
            return category
    raise DomainError("unknown_category", f"There is no category “{name}”.", category=name)


def _products(account: Account, products: Iterable[Product]) -> list[ProductOut]:
    products = list(products)
    changed = pending_of(account, [(kinds.PRODUCT, p.id) for p in products])
    drafts = {change.record for change in changed}
    return [_product(account, p, p.id not in drafts) for p in products]


def _product(account: Account, product: Product, published: bool) -> ProductOut:
    return ProductOut(
        id=product.id,
        sku=product.sku,
        name=product.name,
        price=product.price,
        cost=product.cost,
        currency=account.currency,
        tax=product.tax.name,
        tax_rate=format_quantity(product.tax.rate),
        category=product.category.name if product.category else None,
        barcode=product.barcodes[0] if product.barcodes else "",
        barcodes=product.barcodes,
        unit=product.unit,
        stopped=product.stopped,
        published=published,
    )


@router.post("/publish", response=PublicationOut, summary="Publish all drafts")
def publish(request: HttpRequest) -> PublicationOut:
    """``records`` 0: nothing was changed, and ``publication`` is the last one's number."""
    token = token_of(request)
    done = publish_drafts(token.account, None, by=f"API ({token.name})")
    return PublicationOut(publication=done.number, records=done.records)


@router.get("/stock", response=ListOut[StockOut], summary="Stock by product and store")
def list_stock(
    request: HttpRequest, sku: str = "", cursor: str = "", limit: int = DEFAULT_LIMIT
) -> ListOut[StockOut]:
    """Levels by what has arrived from the registers; a product that never moved in a store is not listed."""
    scope = scope_of(request)
    page = stock_page(scope, sku, cursor, limit)
    return ListOut(results=[_stock(r) for r in stock_rows(scope, page.rows)], next=page.next)


def _stock(row: StockRow) -> StockOut:
    return StockOut(
        product=row.product_id,
        sku=row.product.sku if row.product else "",
        name=row.product.name if row.product else "",
        store=row.store.code,
        quantity=format_quantity(row.quantity),
    )
