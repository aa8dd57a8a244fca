"""Finding products by name, SKU or barcode; tiles and price checks."""

import msgspec

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
    available: str | None  # last known stock, decimal string; None when not known


def search_products(till: Till, text: str, limit: int = 50, offset: int = 0) -> list[ProductView]:
    """As you type; ``not_offline`` where the policy forbids searching by name."""
    raise NotImplementedError


def products_in_category(till: Till, category: str, limit: int = 100, offset: int = 0) -> list[ProductView]:
    raise NotImplementedError


def quick_key_page(till: Till, page_id: str | None = None) -> list[ProductView]:
    """The tiles of a page (the first one by default), in order; products that are gone are left out."""
    raise NotImplementedError


def view(till: Till, item: Item) -> ProductView:
    raise NotImplementedError
