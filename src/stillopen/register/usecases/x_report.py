"""The X report: any time, changes nothing."""

from stillopen.domain.shift import ShiftReport
from stillopen.register.session import Session
from stillopen.register.till import Till


def x_report(till: Till, session: Session) -> ShiftReport:
    """Sums of the open shift; ``expected`` is None where the close is blind. ``shift_not_open``."""
    raise NotImplementedError
