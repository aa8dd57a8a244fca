"""Setting a sale aside and taking it up again."""

from datetime import datetime

import msgspec

from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import CartView


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """``total`` in minor units."""

    cart: str
    name: str
    parked_at: datetime
    lines: int
    total: int
    employee_name: str


def park(till: Till, session: Session, name: str = "") -> CartView:
    """Set the open cart aside; the new, empty one. ``empty_cart``, ``payment_pending``.

    Where several employees share the till the session ends (``till.session(token)`` is then None).
    """
    raise NotImplementedError


def resume(till: Till, session: Session, cart_id: str) -> CartView:
    """Take a parked cart up; ``cart_in_use`` while another with lines is open, ``no_such_cart``."""
    raise NotImplementedError


def parked_carts(till: Till) -> list[Parked]:
    """Oldest first."""
    raise NotImplementedError
