"""A jump of the clock of more than twelve hours is put to a manager."""

from datetime import datetime

from stillopen.domain.permission import Permission
from stillopen.register.session import Session
from stillopen.register.till import Till


def clock_jump(till: Till) -> tuple[datetime, datetime] | None:
    """(time before, time after), UTC, while nobody has looked at it."""
    return till.clock_jump()


def confirm_clock(till: Till, session: Session) -> None:
    """A manager has seen the jump and finds the time right. ``not_permitted``."""
    session.require(Permission.SETTINGS)
    till.clock_confirmed()
