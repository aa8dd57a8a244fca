"""Closing the register: count, Z, and the next number. Unsent sales do not hinder it; they follow."""

from collections.abc import Mapping

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.money import MAX_AMOUNT
from stillopen.domain.permission import Permission
from stillopen.domain.shift import ShiftReport, expected_cash
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import drop_cart, open_cart, require_free
from stillopen.register.usecases.record import record, require_shift
from stillopen.register.usecases.x_report import report
from stillopen.sync.facts import ShiftClosed


def close_register(
    till: Till,
    session: Session,
    counted: int,
    denominations: Mapping[str, int] | None = None,
) -> ShiftReport:
    """End the shift with ``counted`` minor units in the drawer; answers the Z.

    ``denominations``: face value in minor units → count; must add up to ``counted``. Errors:
    ``shift_not_open``, ``cart_open`` (finish, park or discard it first), ``payment_pending``,
    ``bad_amount``, ``bad_count``, ``not_permitted``.
    """
    session.require(Permission.REGISTER_CLOSE)
    if not 0 <= counted <= MAX_AMOUNT:
        raise DomainError("bad_amount", "The counted amount is zero or more.")
    kinds = dict(denominations or {})
    _check_count(kinds, counted)
    till.journal.make_room()
    with till.change("journal", "shift", "cart"):
        shift = require_shift(till)
        _check_nothing_open(till)
        counters = till.journal.shifts.counters()
        numbered = msgspec.structs.replace(counters, z=counters.z + 1)
        till.journal.shifts.save_counters(numbered)
        z = report(
            till,
            shift,
            till.clock.now(),
            expected=expected_cash(shift.float, shift.totals),
            z_number=numbered.z,
            counted=counted,
            closed_by=session.name,
        )
        fact = ShiftClosed(report=z, denominations=kinds)
        record(till, "shift_closed", fact, session=session, shift=shift.id)
        till.journal.shifts.end()
    return z


def _check_count(kinds: dict[str, int], counted: int) -> None:
    if not kinds:
        return
    if not all(face.isascii() and face.isdigit() and n >= 0 for face, n in kinds.items()):
        raise DomainError("bad_count", "A denomination is a face value in minor units and a count.")
    if sum(int(face) * n for face, n in kinds.items()) != counted:
        raise DomainError("bad_count", "The notes and coins do not add up to the counted amount.")


def _check_nothing_open(till: Till) -> None:
    for attempt in till.journal.carts.attempts():
        require_free(till, attempt.cart)
    cart = open_cart(till)
    if not cart.is_empty:
        raise DomainError("cart_open", "A sale is open. Finish, park or discard it first.")
    drop_cart(till, cart.id)
