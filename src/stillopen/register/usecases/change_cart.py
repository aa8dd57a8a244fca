"""Changes to the open cart. Each gives the next version and is on disk before it is answered."""

from stillopen.domain.discount import Discount
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import CartView


def set_quantity(
    till: Till, session: Session, line_id: str, quantity: str, request_id: str | None = None
) -> CartView:
    """Errors of all here: ``no_such_line``, ``shift_not_open``, ``payment_pending``, ``not_permitted``.

    ``bad_quantity`` unless above zero with at most three decimals, whole for goods sold by the piece.
    """
    raise NotImplementedError


def set_line_discount(
    till: Till, session: Session, line_id: str, discount: Discount | None
) -> CartView:
    """Needs the permission to give discounts; None takes it away."""
    raise NotImplementedError


def set_line_note(till: Till, session: Session, line_id: str, note: str) -> CartView:
    raise NotImplementedError


def remove_line(till: Till, session: Session, line_id: str) -> CartView:
    raise NotImplementedError


def take_back_last(till: Till, session: Session, request_id: str | None = None) -> CartView:
    """Remove the last line; nothing happens to an empty cart."""
    raise NotImplementedError


def set_sale_discount(till: Till, session: Session, discount: Discount | None) -> CartView:
    """Needs the permission to give discounts; None takes it away."""
    raise NotImplementedError


def set_customer(till: Till, session: Session, code: str) -> CartView:
    """The customer's code exactly as typed or scanned; resolved later, never refused."""
    raise NotImplementedError


def set_note(till: Till, session: Session, note: str) -> CartView:
    raise NotImplementedError


def discard(till: Till, session: Session) -> CartView:
    """Throw the open cart away; the new, empty one. ``payment_pending`` while a card payment is open."""
    raise NotImplementedError


def make_discount(kind: str, value: str, currency: str, name: str = "") -> Discount:
    """From what was typed: ``percent`` "10" or ``amount`` "1.50" (major units); ``bad_discount``."""
    raise NotImplementedError
