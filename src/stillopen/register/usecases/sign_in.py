"""Signing in by employee and PIN, and out. Works without the line and right after a power cut."""

import msgspec

from stillopen.register.session import Session
from stillopen.register.till import Till

MAX_STRIKES = 5


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """An employee on the login screen."""

    code: str
    name: str
    last_name: str
    colour: str


def employee_tiles(till: Till) -> list[Tile]:
    """Everyone who may sign in here, by name."""
    raise NotImplementedError


def is_blocked(till: Till) -> bool:
    """Whether five wrong PINs in a row block the register; an unblock that has arrived lifts it here."""
    raise NotImplementedError


def sign_in(till: Till, employee: str, pin: str) -> Session:
    """Open a session for the employee code (or unique name) ``employee``. Slow (argon2): call in a thread.

    The strike is counted durably before the PIN is looked at. Errors: ``wrong_pin`` (details
    ``tries_left``), ``register_blocked``, ``never_synced``.
    """
    raise NotImplementedError


def sign_out(till: Till, session: Session) -> None:
    """End the session; the open cart stays on the till."""
    raise NotImplementedError
