"""Opening the drawer without a sale: logged."""

from stillopen.register.session import Session
from stillopen.register.till import Till


def open_drawer(till: Till, session: Session, reason: str = "") -> None:
    """``shift_not_open``, ``not_permitted``."""
    raise NotImplementedError
