"""Setting a sale aside and taking it up again."""

from datetime import datetime

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission
from stillopen.domain.policy import Capability
from stillopen.register.session import Session
from stillopen.register.store.carts import StoredCart
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import (
    CartView,
    begin_change,
    current_cart,
    open_cart,
    renew,
    require_free,
    view_of,
)
from stillopen.register.usecases.change_cart import check_text
from stillopen.register.usecases.record import require_shift
from stillopen.register.usecases.sign_in import end_after_sale


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """``total`` in minor units."""

    cart: str
    name: str
    parked_at: datetime
    lines: int
    total: int
    employee_name: str


def park(till: Till, session: Session, name: str = "") -> CartView:
    """Set the open cart aside; the new, empty one. ``empty_cart``, ``payment_pending``, ``not_offline``.

    Where several employees share the till the session ends (``till.session(token)`` is then None).
    """
    till.require_capability(Capability.PARK)
    with till.change("cart"):
        cart = begin_change(till, session)
        if cart.is_empty:
            raise DomainError("empty_cart", "There is nothing to park.")
        till.journal.carts.save(
            StoredCart(
                cart=cart,
                parked=True,
                name=check_text(name),
                employee_name=session.name,
                changed_at=till.clock.now(),
            )
        )
    renew(till)
    end_after_sale(till, session)
    return current_cart(till)


def resume(till: Till, session: Session, cart_id: str) -> CartView:
    """Take a parked cart up; ``cart_in_use`` while another with lines is open, ``no_such_cart``."""
    session.require(Permission.SELL)
    with till.change("cart"):
        require_shift(till)
        present = open_cart(till)
        require_free(till, present.id)
        if not present.is_empty:
            raise DomainError("cart_in_use", "Finish, park or discard the open sale first.")
        stored = till.journal.carts.get(cart_id)
        if stored is None or not stored.parked:
            raise DomainError("no_such_cart", "This parked sale is no longer there.")
        till.journal.carts.remove(present.id)
        till.journal.carts.save(
            msgspec.structs.replace(stored, parked=False, changed_at=till.clock.now())
        )
        view = view_of(till, stored.cart)
    return view


def parked_carts(till: Till) -> list[Parked]:
    """Oldest first."""
    return [
        Parked(
            cart=stored.cart.id,
            name=stored.name,
            parked_at=stored.changed_at,
            lines=len(stored.cart.lines),
            total=view_of(till, stored.cart).totals.total,
            employee_name=stored.employee_name,
        )
        for stored in till.journal.carts.parked()
    ]
