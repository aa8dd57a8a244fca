"""The X report: any time, changes nothing."""

from datetime import datetime

from stillopen.domain.permission import Permission
from stillopen.domain.shift import ShiftReport, expected_cash
from stillopen.register.session import Session
from stillopen.register.store.shifts import OpenShift
from stillopen.register.till import Till
from stillopen.register.usecases.record import require_shift


def x_report(till: Till, session: Session) -> ShiftReport:
    """Sums of the open shift; ``expected`` is None where the close is blind. ``shift_not_open``."""
    session.require(Permission.X_REPORT)
    shift = require_shift(till)
    blind = till.store_settings.blind_close
    expected = None if blind else expected_cash(shift.float, shift.totals)
    return report(till, shift, till.clock.now(), expected=expected)


def report(
    till: Till,
    shift: OpenShift,
    taken_at: datetime,
    *,
    expected: int | None,
    z_number: int | None = None,
    counted: int | None = None,
    closed_by: str = "",
) -> ShiftReport:
    """The report of ``shift`` as its sums stand; a Z when it gets a number."""
    difference = counted - expected if counted is not None and expected is not None else None
    return ShiftReport(
        shift=shift.id,
        currency=shift.currency,
        register=till.register_name,
        opened_at=shift.opened_at,
        opened_by=shift.opened_by_name,
        taken_at=taken_at,
        float=shift.float,
        totals=shift.totals,
        expected=expected,
        grand_total=till.journal.shifts.counters().grand_total,
        z_number=z_number,
        counted=counted,
        difference=difference,
        closed_by=closed_by,
    )
