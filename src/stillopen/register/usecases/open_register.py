"""Opening the register: the shift begins with a counted float."""

from stillopen.register.session import Session
from stillopen.register.till import Till


def open_register(till: Till, session: Session, opening_float: int) -> str:
    """Begin a shift with ``opening_float`` ≥ 0 minor units in the drawer; returns the shift's id.

    Errors: ``shift_already_open``, ``not_permitted``, ``bad_amount``.
    """
    raise NotImplementedError
