"""Which scopes of the feed a register follows."""

from uuid import UUID

from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.publish import ACCOUNT_SCOPE


def store_scope(store_id: UUID) -> str:
    return f"store:{store_id}"


def register_scope(register_id: UUID) -> str:
    return f"register:{register_id}"


def scopes_of(register: Register) -> tuple[str, ...]:
    """In the order of precedence, weakest first; nothing outside of these ever reaches the register."""
    return (ACCOUNT_SCOPE, store_scope(register.store_id), register_scope(register.id))
