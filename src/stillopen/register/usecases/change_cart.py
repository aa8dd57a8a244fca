"""Changes to the open cart. Each gives the next version and is on disk before it is answered."""

from decimal import Decimal, InvalidOperation
from functools import partial

from stillopen.domain.cart import Cart, change_cart, change_line, find_line
from stillopen.domain.cart import remove_line as without
from stillopen.domain.discount import Discount, DiscountKind
from stillopen.domain.errors import DomainError
from stillopen.domain.money import parse_major
from stillopen.domain.permission import Permission
from stillopen.domain.quantity import parse_quantity
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import (
    CartView,
    alter,
    begin_change,
    current_cart,
    drop_cart,
    open_cart,
    renew,
    save_open,
    view_of,
)
from stillopen.register.usecases.scan import check_quantity

MAX_TEXT = 200


def set_quantity(till: Till, session: Session, line_id: str, quantity: str) -> CartView:
    """Errors of all here: ``no_such_line``, ``shift_not_open``, ``payment_pending``, ``not_permitted``.

    ``bad_quantity`` unless above zero with at most three decimals.
    """
    return alter(till, session, partial(_quantity, line_id=line_id, value=parse_quantity(quantity)))


def _quantity(cart: Cart, line_id: str, value: Decimal) -> Cart:
    line = find_line(cart, line_id)
    check_quantity(value)
    if line.fixed_amount is not None:
        raise DomainError(
            "price_on_label", "The price of this line is on its label. Scan each label instead."
        )
    return change_line(cart, line_id, quantity=value)


def set_line_discount(
    till: Till, session: Session, line_id: str, discount: Discount | None
) -> CartView:
    """Needs the permission to give discounts; None takes it away."""
    session.require(Permission.DISCOUNT)
    return alter(till, session, lambda cart: change_line(cart, line_id, discount=discount))


def set_line_note(till: Till, session: Session, line_id: str, note: str) -> CartView:
    text = check_text(note)
    return alter(till, session, lambda cart: change_line(cart, line_id, note=text))


def remove_line(till: Till, session: Session, line_id: str) -> CartView:
    return alter(till, session, lambda cart: without(cart, line_id))


def take_back_last(till: Till, session: Session, request_id: str | None = None) -> CartView:
    """Remove the last line; nothing happens to an empty cart. A repeated ``request_id`` does nothing."""
    asked = ["take_back_last"]
    if request_id and till.journal.requests.answer(request_id, asked) is not None:
        return current_cart(till)
    with till.change("cart"):
        cart = begin_change(till, session)
        if cart.lines:
            cart = without(cart, cart.lines[-1].id)
            save_open(till, session, cart)
        if request_id:
            till.journal.requests.remember(request_id, "take_back", asked, "", till.clock.now())
        view = view_of(till, cart)
    return view


def set_sale_discount(till: Till, session: Session, discount: Discount | None) -> CartView:
    """Needs the permission to give discounts; None takes it away."""
    session.require(Permission.DISCOUNT)
    return alter(till, session, lambda cart: change_cart(cart, discount=discount))


def set_customer(till: Till, session: Session, code: str) -> CartView:
    """The customer's code exactly as typed or scanned; resolved later, never refused."""
    text = check_text(code)
    return alter(till, session, lambda cart: change_cart(cart, customer=text))


def set_note(till: Till, session: Session, note: str) -> CartView:
    text = check_text(note)
    return alter(till, session, lambda cart: change_cart(cart, note=text))


def discard(till: Till, session: Session) -> CartView:
    """Throw the open cart away; the new, empty one. ``payment_pending`` while a card payment is open."""
    with till.change("cart"):
        cart = begin_change(till, session)
        drop_cart(till, cart.id)
    renew(till)
    return view_of(till, open_cart(till))


def check_text(text: str) -> str:
    """A note or a code: one line, ``text_too_long`` above 200 characters."""
    text = " ".join(text.split())
    if len(text) > MAX_TEXT:
        raise DomainError("text_too_long", f"This text is longer than {MAX_TEXT} characters.")
    return text


def make_discount(kind: str, value: str, currency: str, name: str = "") -> Discount:
    """From what was typed: ``percent`` "10" or ``amount`` "1.50" (major units); ``bad_discount``."""
    try:
        if kind == DiscountKind.AMOUNT.value:
            number = Decimal(parse_major(value, currency))
        else:
            number = Decimal(value.strip().rstrip("%"))
        return Discount(kind=DiscountKind(kind), value=number, name=name)
    except (InvalidOperation, ValueError):
        raise DomainError(
            "bad_discount", "A discount is a percentage up to 100 or an amount above zero."
        ) from None
