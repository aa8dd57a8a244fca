"""The open cart with its figures, as every screen shows it."""

import msgspec

from stillopen.domain.cart import Cart
from stillopen.domain.totals import Totals
from stillopen.register.till import Till


class CartView(msgspec.Struct, frozen=True, kw_only=True):
    """``totals.lines[i]`` belongs to ``cart.lines[i]``; money in minor units."""

    cart: Cart
    totals: Totals
    currency: str
    cash_due: int  # the total after cash rounding


def current_cart(till: Till) -> CartView:
    """The open cart; an empty one (version 0, id already fixed) when there is none."""
    raise NotImplementedError
