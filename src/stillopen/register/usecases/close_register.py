"""Closing the register: count, Z, and the next number. Unsent sales do not hinder it; they follow."""

from collections.abc import Mapping

from stillopen.domain.shift import ShiftReport
from stillopen.register.session import Session
from stillopen.register.till import Till


def close_register(
    till: Till,
    session: Session,
    counted: int,
    denominations: Mapping[str, int] | None = None,
) -> ShiftReport:
    """End the shift with ``counted`` minor units in the drawer; answers the Z.

    ``denominations``: face value in minor units → count; must add up to ``counted``. Errors:
    ``shift_not_open``, ``cart_open`` (finish, park or discard it first), ``payment_pending``,
    ``bad_amount``, ``not_permitted``.
    """
    raise NotImplementedError
