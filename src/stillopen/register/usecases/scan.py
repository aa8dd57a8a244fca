"""A code or a tile becomes a line of the cart. The price is fixed at this moment."""

from decimal import Decimal

import msgspec

from stillopen.domain.barcode import EmbeddedCode, quantity_for_price, read_embedded
from stillopen.domain.cart import Cart, CartLine, add_line
from stillopen.domain.errors import DomainError
from stillopen.domain.pricing import price_at
from stillopen.domain.quantity import parse_quantity
from stillopen.register.session import Session
from stillopen.register.store.catalogue import Item
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import (
    CartView,
    begin_change,
    current_cart,
    save_open,
    view_of,
)
from stillopen.sync.records import AccountSettings

#: Nobody types or scans more than this.
MAX_CODE = 100


class FoundCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a code stands for: a product, and the price (minor units) or weight a label carries."""

    item: Item
    code: str
    price: int | None = None
    weight: Decimal | None = None


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """``line``: id of the line that was added or raised; ``repeated``: this request was answered before."""

    view: CartView
    line: str
    repeated: bool = False


def find_code(till: Till, code: str) -> FoundCode:
    """Exact barcode, then SKU, then a price- or weight-carrying label; ``unknown_code`` otherwise."""
    settings = till.account_settings
    code = code.strip()
    if 0 < len(code) <= MAX_CODE:
        item = _by_barcode(till, code) or till.catalogue.by_sku(code)
        if item is not None:
            return FoundCode(item=item, code=code)
        found = _embedded(till, settings, code)
        if found is not None:
            return found
    raise DomainError("unknown_code", f"No product has the code “{code[:MAX_CODE]}”.", unknown=code)


def _by_barcode(till: Till, code: str) -> Item | None:
    """UPC-A is EAN-13 with a leading zero: scanners send either."""
    item = till.catalogue.by_barcode(code)
    if item is None and code.isdigit() and len(code) == 12:
        item = till.catalogue.by_barcode("0" + code)
    if item is None and code.isdigit() and len(code) == 13 and code[0] == "0":
        item = till.catalogue.by_barcode(code[1:])
    return item


def _embedded(till: Till, settings: AccountSettings, code: str) -> FoundCode | None:
    found = read_embedded(code, settings.embedded_prefixes, settings.rules.currency)
    if found is None:
        return None
    item = _embedded_item(till, code, found)
    if item is None:
        return None
    return FoundCode(item=item, code=code, price=found.price, weight=found.weight)


def _embedded_item(till: Till, code: str, found: EmbeddedCode) -> Item | None:
    """Shops file such goods under the bare item code, or under the label with its value left out."""
    stem = code[:7]
    for candidate in (found.item, stem, stem + "000000", found.item.lstrip("0")):
        item = till.catalogue.by_barcode(candidate) or till.catalogue.by_sku(candidate)
        if item is not None:
            return item
    return None


def line_for(till: Till, found: FoundCode, quantity: Decimal) -> CartLine:
    """The line at the price in force now. ``stopped``, ``no_price``, ``no_tax``, ``bad_quantity``."""
    record = found.item.record
    if record.stopped:
        raise DomainError("stopped", f"{record.name} is sold out.", sku=record.sku)
    price = price_at(record.prices, till.local_now())
    if price is None:
        raise DomainError("no_price", f"{record.name} has no price yet.", sku=record.sku)
    tax = till.catalogue.tax_rates().get(record.tax)
    if tax is None:
        raise DomainError("no_tax", f"{record.name} has no tax rate.", sku=record.sku)
    line = CartLine(
        id=till.clock.new_id(),
        product=found.item.id,
        sku=record.sku,
        name=record.name,
        quantity=check_quantity(quantity),
        unit_price=price,
        tax=record.tax,
        tax_name=tax.name,
        tax_rate=tax.rate,
        unit=record.unit,
        barcode=found.code,
    )
    return _with_label(line, found, quantity)


def _with_label(line: CartLine, found: FoundCode, quantity: Decimal) -> CartLine:
    """A price on the label stands as it is; the weight is what follows from it."""
    replace = msgspec.structs.replace
    if (found.weight or found.price) and quantity != quantity.to_integral_value():
        raise DomainError("bad_quantity", "Labels are counted: the quantity is a whole number.")
    if found.weight is not None:
        return replace(line, quantity=found.weight * quantity)
    if found.price is None:
        return line
    amount = int(found.price * quantity)
    if not line.unit:
        return replace(line, fixed_amount=amount)
    return replace(line, fixed_amount=amount, quantity=quantity_for_price(amount, line.unit_price))


def check_quantity(quantity: Decimal) -> Decimal:
    """``bad_quantity`` unless above zero: what comes back is a refund, not a sale."""
    if quantity <= 0:
        raise DomainError("bad_quantity", "A quantity is above zero.")
    return quantity


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
    asked = ["scan", code, quantity]
    repeated = _answered(till, request_id, asked)
    if repeated is not None:
        return repeated
    return _add(till, session, find_code(till, code), quantity, request_id, asked)


def add_product(
    till: Till,
    session: Session,
    product_id: str,
    quantity: str = "1",
    request_id: str | None = None,
) -> Added:
    """As :func:`scan`, for a tile or a search result; ``unknown_product``."""
    asked = ["add_product", product_id, quantity]
    repeated = _answered(till, request_id, asked)
    if repeated is not None:
        return repeated
    item = till.catalogue.product(product_id)
    if item is None:
        raise DomainError("unknown_product", "This product is no longer sold here.")
    return _add(till, session, FoundCode(item=item, code=""), quantity, request_id, asked)


def _answered(till: Till, request_id: str | None, asked: list[str]) -> Added | None:
    line = till.journal.requests.answer(request_id, asked) if request_id else None
    return Added(view=current_cart(till), line=line, repeated=True) if line is not None else None


def _add(
    till: Till,
    session: Session,
    found: FoundCode,
    quantity: str,
    request_id: str | None,
    asked: list[str],
) -> Added:
    line = line_for(till, found, parse_quantity(quantity))
    with till.change("cart"):
        cart = add_line(begin_change(till, session), line)
        view = view_of(till, cart)
        save_open(till, session, cart)
        added = _last(cart)
        if request_id:
            till.journal.requests.remember(request_id, "scan", asked, added, till.clock.now())
    return Added(view=view, line=added)


def _last(cart: Cart) -> str:
    return cart.lines[-1].id
