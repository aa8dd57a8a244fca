"""Cash into and out of the drawer besides sales."""

from stillopen.domain.shift import CashKind
from stillopen.register.session import Session
from stillopen.register.till import Till


def move_cash(till: Till, session: Session, kind: CashKind, amount: int, reason: str = "") -> str:
    """Pay-in, pay-out or safe drop of ``amount`` > 0 minor units; returns the entry's id.

    Each kind has its permission. Errors: ``shift_not_open``, ``bad_amount``, ``not_permitted``.
    """
    raise NotImplementedError
