"""Finding products by name, SKU or barcode; tiles and price checks."""

from decimal import Decimal

import msgspec

from stillopen.domain.policy import Capability
from stillopen.domain.pricing import price_at
from stillopen.domain.quantity import format_quantity
from stillopen.register.store.catalogue import Item
from stillopen.register.till import Till


class ProductView(msgspec.Struct, frozen=True, kw_only=True):
    """A product as screens show it; ``price`` in minor units now, None where none is in force."""

    id: str
    sku: str
    name: str
    price: int | None
    currency: str
    barcode: str | None
    barcodes: tuple[str, ...]
    unit: str
    category: str | None  # id
    colour: str  # of its category
    picture: str
    stopped: bool
    available: str | None  # last known stock less what was sold here since, decimal string; or None


def search_products(till: Till, text: str, limit: int = 50, offset: int = 0) -> list[ProductView]:
    """As you type; ``not_offline`` where the policy forbids searching by name."""
    till.require_capability(Capability.SEARCH)
    return views(till, till.catalogue.search(text, limit, offset))


def products_in_category(
    till: Till, category: str, limit: int = 100, offset: int = 0
) -> list[ProductView]:
    return views(till, till.catalogue.in_category(category, limit, offset))


def quick_key_page(till: Till, page_id: str | None = None) -> list[ProductView]:
    """The tiles of a page (the first one by default), in order; products that are gone are left out."""
    pages = till.catalogue.quick_keys()
    page = next((p for key, p in pages if page_id in (None, key)), None)
    return views(till, till.catalogue.products(page.products)) if page else []


def views(till: Till, items: list[Item]) -> list[ProductView]:
    """Empty before the first sync."""
    if not items:
        return []
    now = till.local_now()
    currency = till.rules.currency
    stock = till.stock.available([item.id for item in items])
    colours = {key: record.colour for key, record in till.catalogue.categories()}
    return [
        ProductView(
            id=item.id,
            sku=item.record.sku,
            name=item.record.name,
            price=price_at(item.record.prices, now),
            currency=currency,
            barcode=item.record.barcodes[0] if item.record.barcodes else None,
            barcodes=item.record.barcodes,
            unit=item.record.unit,
            category=item.record.category,
            colour=colours.get(item.record.category or "", ""),
            picture=item.record.picture,
            stopped=item.record.stopped,
            available=_decimal(stock.get(item.id)),
        )
        for item in items
    ]


def _decimal(milli: int | None) -> str | None:
    return None if milli is None else format_quantity(Decimal(milli).scaleb(-3))
