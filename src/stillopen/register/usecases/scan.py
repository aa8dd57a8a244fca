"""A code or a tile becomes a line of the cart. The price is fixed at this moment."""

from decimal import Decimal

import msgspec

from stillopen.register.session import Session
from stillopen.register.store.catalogue import Item
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import CartView


class FoundCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a code stands for: a product, and the price (minor units) or weight a label carries."""

    item: Item
    price: int | None = None
    weight: Decimal | None = None


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """``line`` is the id of the line that was added or raised; ``repeated``: this request was answered before."""

    view: CartView
    line: str
    repeated: bool = False


def find_code(till: Till, code: str) -> FoundCode:
    """Exact barcode, then SKU, then a price- or weight-carrying label; ``unknown_code`` otherwise."""
    raise NotImplementedError


def scan(
    till: Till,
    session: Session,
    code: str,
    quantity: str = "1",
    request_id: str | None = None,
) -> Added:
    """Add what ``code`` stands for. The same ``request_id`` again changes nothing.

    Errors: ``unknown_code``, ``stopped``, ``no_price``, ``bad_quantity``, ``shift_not_open``,
    ``payment_pending``, ``cart_full``, ``id_reused``.
    """
    raise NotImplementedError


def add_product(
    till: Till,
    session: Session,
    product_id: str,
    quantity: str = "1",
    request_id: str | None = None,
) -> Added:
    """As :func:`scan`, for a tile or a search result; ``unknown_product``."""
    raise NotImplementedError
