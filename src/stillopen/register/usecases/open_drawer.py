"""Opening the drawer without a sale: logged."""

from stillopen.domain.permission import Permission
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.change_cart import check_text
from stillopen.register.usecases.record import record, require_shift
from stillopen.sync.facts import DrawerOpened


def open_drawer(till: Till, session: Session, reason: str = "") -> None:
    """``shift_not_open``, ``not_permitted``."""
    session.require(Permission.NO_SALE)
    fact = DrawerOpened(reason=check_text(reason))
    with till.change("journal"):
        shift = require_shift(till)
        record(till, "drawer_opened", fact, session=session, shift=shift.id)
