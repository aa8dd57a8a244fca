"""What all use cases share: who may, whether a shift is open, and writing a fact into the journal."""

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.register.linkview import LineState
from stillopen.register.session import Session
from stillopen.register.store.entries import Draft
from stillopen.register.store.shifts import OpenShift
from stillopen.register.till import Till


class Recorded(msgspec.Struct, frozen=True):
    """The entry as it was made."""

    id: str
    seq: int
    draft: Draft


def require_shift(till: Till) -> OpenShift:
    """The open shift; ``DomainError shift_not_open``."""
    shift = till.journal.shifts.open_shift()
    if shift is None:
        raise DomainError(
            "shift_not_open", "The register is not open. Open it with the cash in the drawer first."
        )
    return shift


def require_welcome(till: Till) -> None:
    """``DomainError revoked``: no new sale or shift begins on a register that was revoked.

    What is open may be finished and closed, and everything may still be handed in.
    """
    if till.line_state() is LineState.REVOKED:
        raise DomainError(
            "revoked",
            "This register was revoked in the Back Office. What it sold is kept and handed in; "
            "nothing new is sold here.",
        )


def record(
    till: Till,
    kind: str,
    payload: msgspec.Struct,
    *,
    session: Session | None = None,
    employee: str | None = None,
    entry_id: str | None = None,
    shift: str | None = None,
    receipt: str | None = None,
    total: int | None = None,
) -> Recorded:
    """Append one entry now, inside the transaction that the use case has begun."""
    now = till.clock.now()
    draft = Draft(
        id=entry_id or till.clock.new_id(),
        kind=kind,
        payload=payload,
        occurred_at=now,
        business_day=till.business_day(now),
        employee=session.employee if session else employee,
        employee_name=session.name if session else "",
        shift=shift,
        receipt=receipt,
        total=total,
    )
    entry = till.journal.entries.append(draft)
    return Recorded(draft.id, entry.seq, draft)


def open_shift_id(till: Till) -> str | None:
    shift = till.journal.shifts.open_shift()
    return shift.id if shift else None
