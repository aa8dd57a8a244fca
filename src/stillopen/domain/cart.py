"""The cart: an immutable value; every change gives a new one with the next version.

The cart's id becomes the sale's id. Paying names the version that the cashier saw, so a cart that
changed meanwhile is refused instead of being paid at another total.
"""

from decimal import Decimal

import msgspec

from stillopen.domain.discount import Discount
from stillopen.domain.errors import DomainError
from stillopen.domain.money import MAX_AMOUNT, Rounding, divide
from stillopen.domain.quantity import MAX_QUANTITY

MAX_LINES = 1000


class CartLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line; the price was fixed when the line was added and does not move afterwards.

    ``unit_price`` is in minor units per ``unit``; ``fixed_amount`` (minor units) overrides
    quantity × price where a barcode carried the price itself.
    """

    id: str
    product: str  # record id of the product
    sku: str
    name: str
    quantity: Decimal
    unit_price: int
    tax: str  # record id of the tax rate
    tax_name: str
    tax_rate: Decimal  # percent
    unit: str = ""  # "" for pieces, else kg, l, m …
    barcode: str = ""
    fixed_amount: int | None = None
    discount: Discount | None = None
    note: str = ""

    def amount(self, mode: Rounding) -> int:
        """Minor units before any discount."""
        if self.fixed_amount is not None:
            return self.fixed_amount
        numerator, denominator = self.quantity.as_integer_ratio()
        return divide(self.unit_price * numerator, denominator, mode)


class Cart(msgspec.Struct, frozen=True, kw_only=True):
    """The open sale. ``customer`` is a code as typed or scanned, resolved later."""

    id: str
    version: int = 0
    lines: tuple[CartLine, ...] = ()
    discount: Discount | None = None
    customer: str = ""
    note: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.lines


def _next(cart: Cart, **changes: object) -> Cart:
    return msgspec.structs.replace(cart, version=cart.version + 1, **changes)


def _same_item(a: CartLine, b: CartLine) -> bool:
    """Whether ``b`` may be merged into ``a``: the same goods at the same terms, counted in pieces."""
    return (
        a.product == b.product
        and a.unit_price == b.unit_price
        and a.tax == b.tax
        and a.tax_rate == b.tax_rate
        and a.unit == b.unit == ""
        and a.fixed_amount is b.fixed_amount is None
        and a.discount is None
        and b.discount is None
        and a.note == b.note == ""
    )


def find_line(cart: Cart, line_id: str) -> CartLine:
    """The line ``line_id``; ``DomainError no_such_line``."""
    for line in cart.lines:
        if line.id == line_id:
            return line
    raise DomainError("no_such_line", "This line is no longer in the cart.")


def add_line(cart: Cart, line: CartLine, merge: bool = True) -> Cart:
    """Append ``line``; the same item as the last line only raises that line's quantity when ``merge``."""
    check_line(line)
    if merge and cart.lines and _same_item(cart.lines[-1], line):
        last = cart.lines[-1]
        together = msgspec.structs.replace(last, quantity=last.quantity + line.quantity)
        check_line(together)
        return _next(cart, lines=(*cart.lines[:-1], together))
    if len(cart.lines) >= MAX_LINES:
        raise DomainError("cart_full", f"A sale has at most {MAX_LINES} lines.")
    return _next(cart, lines=(*cart.lines, line))


def change_line(cart: Cart, line_id: str, **changes: object) -> Cart:
    """Replace fields (quantity, discount, note) of one line."""
    find_line(cart, line_id)
    lines = tuple(
        msgspec.structs.replace(x, **changes) if x.id == line_id else x for x in cart.lines
    )
    for line in lines:
        check_line(line)
    return _next(cart, lines=lines)


def remove_line(cart: Cart, line_id: str) -> Cart:
    find_line(cart, line_id)
    lines = tuple(x for x in cart.lines if x.id != line_id)
    return _next(cart, lines=lines, discount=cart.discount if lines else None)


def change_cart(cart: Cart, **changes: object) -> Cart:
    """Replace fields (discount, customer, note) of the sale as a whole."""
    return _next(cart, **changes)


def check_line(line: CartLine) -> None:
    """Refuse quantities and amounts that no shop has (``bad_quantity``, ``bad_amount``)."""
    if line.quantity == 0 or abs(line.quantity) > MAX_QUANTITY:
        raise DomainError("bad_quantity", "This quantity is not possible.")
    if abs(line.amount(Rounding.HALF_UP)) > MAX_AMOUNT:
        raise DomainError("bad_amount", "This amount is too large.")
