"""Cash into and out of the drawer besides sales."""

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.money import MAX_AMOUNT
from stillopen.domain.permission import Permission
from stillopen.domain.shift import CashKind, with_cash
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.change_cart import check_text
from stillopen.register.usecases.record import record, require_shift
from stillopen.sync.facts import CashMovement

_PERMISSION: dict[CashKind, Permission] = {
    CashKind.PAY_IN: Permission.PAY_IN,
    CashKind.PAY_OUT: Permission.PAY_OUT,
    CashKind.DROP: Permission.DROP,
}


def move_cash(till: Till, session: Session, kind: CashKind, amount: int, reason: str = "") -> str:
    """Pay-in, pay-out or safe drop of ``amount`` > 0 minor units; returns the entry's id.

    Each kind has its permission. Errors: ``shift_not_open``, ``bad_amount``, ``not_permitted``.
    """
    session.require(_PERMISSION[kind])
    if not 0 < amount <= MAX_AMOUNT:
        raise DomainError("bad_amount", "A cash movement is an amount above zero.")
    fact = CashMovement(kind=kind, amount=amount, reason=check_text(reason))
    with till.change("journal", "shift"):
        shift = require_shift(till)
        made = record(till, "cash_movement", fact, session=session, shift=shift.id)
        totals = with_cash(shift.totals, kind, amount)
        till.journal.shifts.save(msgspec.structs.replace(shift, totals=totals))
    return made.id
