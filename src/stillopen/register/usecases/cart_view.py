"""The open cart with its figures, as every screen shows it, and how it is changed."""

from collections.abc import Callable

import msgspec

from stillopen.domain.cart import Cart
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import Permission
from stillopen.domain.tender import cash_due
from stillopen.domain.totals import Rules, Totals, compute_totals
from stillopen.register.session import Session
from stillopen.register.store.carts import StoredCart
from stillopen.register.till import Till
from stillopen.register.usecases.record import require_shift, require_welcome


class CartView(msgspec.Struct, frozen=True, kw_only=True):
    """``totals.lines[i]`` belongs to ``cart.lines[i]``; money in minor units."""

    cart: Cart
    totals: Totals
    currency: str
    rules: Rules
    cash_due: int  # the total after cash rounding


def view_of(till: Till, cart: Cart) -> CartView:
    """The figures of ``cart`` under the rules in force; those of the last one asked for are kept."""
    rules = till.rules
    last = till.last_view
    if isinstance(last, CartView) and last.cart is cart and last.rules is rules:
        return last
    till.last_view = _figures(cart, rules)
    return till.last_view


def _figures(cart: Cart, rules: Rules) -> CartView:
    totals = compute_totals(cart.lines, cart.discount, rules)
    return CartView(
        cart=cart,
        totals=totals,
        currency=rules.currency,
        rules=rules,
        cash_due=cash_due(totals.total, 0, rules.cash_rounding),
    )


def open_cart(till: Till) -> Cart:
    """The cart on the screen; a new, empty one (version 0) when there is none."""
    return till.journal.carts.open_cart() or Cart(id=till.next_cart)


def current_cart(till: Till) -> CartView:
    """The open cart; an empty one (version 0, id already fixed) when there is none."""
    return view_of(till, open_cart(till))


def require_free(till: Till, cart_id: str) -> None:
    """``DomainError payment_pending`` while a card payment for this cart has no outcome."""
    attempt = till.journal.carts.attempt_of(cart_id)
    if attempt is not None:
        raise DomainError(
            "payment_pending",
            "A card payment for this sale is under way. Say first whether it was paid.",
            attempt=attempt.id,
            amount=attempt.amount,
        )


def begin_change(till: Till, session: Session) -> Cart:
    """The open cart, where this employee may change it now; inside a transaction."""
    session.require(Permission.SELL)
    require_shift(till)
    cart = open_cart(till)
    if cart.is_empty:
        require_welcome(till)
    require_free(till, cart.id)
    return cart


def save_open(till: Till, session: Session, cart: Cart) -> None:
    """Keep ``cart`` as the one on the screen; inside a transaction."""
    till.journal.carts.save(
        StoredCart(
            cart=cart,
            parked=False,
            name="",
            employee_name=session.name,
            changed_at=till.clock.now(),
        )
    )


def alter(till: Till, session: Session, change: Callable[[Cart], Cart]) -> CartView:
    """Apply ``change`` to the open cart, on disk before it is shown."""
    with till.change("cart"):
        cart = change(begin_change(till, session))
        view = view_of(till, cart)
        save_open(till, session, cart)
    return view


def drop_cart(till: Till, cart_id: str) -> None:
    """The cart is done with; inside a transaction."""
    till.journal.carts.remove(cart_id)
    till.journal.carts.end_attempt(cart_id)


def renew(till: Till) -> None:
    """After the transaction: the next cart gets an id of its own."""
    till.renew_cart()
