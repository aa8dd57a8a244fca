"""Opening the register: the shift begins with a counted float."""

from stillopen.domain.errors import DomainError
from stillopen.domain.money import MAX_AMOUNT
from stillopen.domain.permission import Permission
from stillopen.register.session import Session
from stillopen.register.store.shifts import OpenShift
from stillopen.register.till import Till
from stillopen.register.usecases.record import record, require_welcome
from stillopen.sync.facts import ShiftOpened


def open_register(till: Till, session: Session, opening_float: int) -> str:
    """Begin a shift with ``opening_float`` ≥ 0 minor units in the drawer; returns the shift's id.

    Errors: ``shift_already_open``, ``not_permitted``, ``bad_amount``.
    """
    session.require(Permission.REGISTER_OPEN)
    require_welcome(till)
    if not 0 <= opening_float <= MAX_AMOUNT:
        raise DomainError("bad_amount", "The float is an amount of zero or more.")
    currency = till.rules.currency
    till.journal.keep_ballast()
    with till.change("journal", "shift"):
        if till.journal.shifts.open_shift() is not None:
            raise DomainError("shift_already_open", "The register is open already.")
        shift_id = till.clock.new_id()
        fact = ShiftOpened(float=opening_float, currency=currency, employee_name=session.name)
        made = record(till, "shift_opened", fact, session=session, shift=shift_id)
        till.journal.shifts.save(
            OpenShift(
                id=shift_id,
                opened_at=made.draft.occurred_at,
                opened_by=session.employee,
                opened_by_name=session.name,
                float=opening_float,
                currency=currency,
            )
        )
    return shift_id
