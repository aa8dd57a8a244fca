"""Signing in by employee and PIN, and out. Works without the line and right after a power cut."""

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.policy import Line
from stillopen.register.keys import pin_matches
from stillopen.register.session import Session, new_token
from stillopen.register.till import Till
from stillopen.register.usecases.record import open_shift_id, record
from stillopen.sync.facts import PinBlocked, PinUnblocked, SignedIn, SignedOut
from stillopen.sync.link import policy_line
from stillopen.sync.records import EmployeeRecord

MAX_STRIKES = 5
MAX_PIN = 64


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """An employee on the login screen."""

    code: str
    name: str
    last_name: str
    colour: str


def employee_tiles(till: Till) -> list[Tile]:
    """Everyone who may sign in here, by name."""
    people = sorted(till.catalogue.employees().values(), key=lambda e: (e.name, e.last_name))
    return [Tile(code=e.code, name=e.name, last_name=e.last_name, colour=e.colour) for e in people]


def is_blocked(till: Till) -> bool:
    """Whether five wrong PINs in a row block the register; an unblock that has arrived lifts it here."""
    take_unblock(till)
    return till.journal.pins.state().strikes >= MAX_STRIKES


def take_unblock(till: Till) -> None:
    """A value that was not seen before ends the block; one that came in quiet times is only noted."""
    if till.identity is None or till.catalogue.generation == 0:
        return
    value = till.register_settings.unblock
    state = till.journal.pins.state()
    if value is None or value == state.unblock:
        return
    with till.change("journal", "session"):
        till.journal.pins.note_unblock(value)
        if state.strikes >= MAX_STRIKES:
            till.journal.pins.forgive()
            record(till, "pin_unblocked", PinUnblocked(unblock=value))


def sign_in(till: Till, employee: str, pin: str) -> Session:
    """Open a session for the employee code (or unique name) ``employee``. Slow (argon2): call in a thread.

    The strike is counted durably before the PIN is looked at, and one PIN is looked at after the other:
    people who sign in at the same time, or a power cut while they do, must not add up to five. Errors:
    ``wrong_pin`` (details ``tries_left``), ``register_blocked``, ``never_synced``, ``not_activated``;
    ``name_not_unique`` costs no try: the tiles of the login screen tell as much.
    """
    till.require_identity()
    till.store_settings  # noqa: B018  (raises never_synced)
    found = find_employee(till, employee)
    with till.signing_in:
        if is_blocked(till):
            raise _blocked()
        with till.change():
            strikes = till.journal.pins.strike()
        if found is None or len(pin) > MAX_PIN or not _matches(till, found[1], pin):
            raise _refuse(till, strikes, found[0] if found else None)
        return _begin(till, *found)


def _matches(till: Till, employee: EmployeeRecord, pin: str) -> bool:
    return pin_matches(employee.pin_hash, till.device.pepper, pin)


def find_employee(till: Till, employee: str) -> tuple[str, EmployeeRecord] | None:
    """(record id, record) by code, or by name or full name; ``name_not_unique`` where several have it."""
    wanted = employee.strip().casefold()
    people = list(till.catalogue.employees().items())
    by_code = [x for x in people if x[1].code.casefold() == wanted]
    by_name = [x for x in people if wanted in _names(x[1])]
    found = by_code or by_name
    if len(found) > 1:
        raise DomainError(
            "name_not_unique",
            f"“{employee.strip()}” is the name of several people here: use the employee code.",
        )
    return found[0] if found else None


def _names(employee: EmployeeRecord) -> tuple[str, str]:
    return employee.name.casefold(), f"{employee.name} {employee.last_name}".strip().casefold()


def _refuse(till: Till, strikes: int, employee: str | None) -> DomainError:
    if strikes < MAX_STRIKES:
        left = MAX_STRIKES - strikes
        tries = "1 try" if left == 1 else f"{left} tries"
        return DomainError("wrong_pin", f"Wrong PIN. {tries} left.", tries_left=left)
    with till.change("journal", "session"):
        till.journal.pins.block(till.clock.now())
        record(
            till,
            "pin_blocked",
            PinBlocked(strikes=strikes),
            employee=employee,
            shift=open_shift_id(till),
        )
    return _blocked()


def _blocked() -> DomainError:
    return DomainError(
        "register_blocked",
        "This register is blocked after five wrong PINs. "
        "Unblock it in the Back Office: Registers, then Unblock.",
    )


def _begin(till: Till, employee_id: str, employee: EmployeeRecord) -> Session:
    session = Session(
        token=new_token(),
        employee=employee_id,
        code=employee.code,
        name=employee.name,
        role="",
        permissions=frozenset(),
        colour=employee.colour,
    )
    till.refresh(session, employee)
    with till.change("journal", "session"):
        till.journal.pins.forgive()
        offline = policy_line(till.line_state()) is Line.OFFLINE
        fact = SignedIn(offline=offline)
        record(till, "signed_in", fact, session=session, shift=open_shift_id(till))
        till.sessions.add(session)
    return session


def sign_out(till: Till, session: Session) -> None:
    """End the session; the open cart stays on the till."""
    if till.sessions.get(session.token) is None:
        return
    with till.change("journal", "session"):
        record(till, "signed_out", SignedOut(), session=session, shift=open_shift_id(till))
        till.sessions.end(session.token)


def end_after_sale(till: Till, session: Session) -> bool:
    """Where several employees share the till, each sale ends the session; whether it did."""
    if not till.register_settings.several_employees:
        return False
    sign_out(till, session)
    return True
