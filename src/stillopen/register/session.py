"""Who is signed in. Sessions live in memory: a restart ends sessions, never shifts."""

import secrets

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.permission import WORDS, Permission


class Session(msgspec.Struct, kw_only=True):
    """One signed-in employee; the local API and the screens use the same object."""

    token: str
    employee: str  # record id
    code: str
    name: str  # as printed on receipts
    role: str  # the role's name
    permissions: frozenset[str]
    colour: str = ""
    generation: int = 0  # of the catalogue that the permissions were read from

    def may(self, permission: Permission) -> bool:
        return permission.value in self.permissions

    def require(self, permission: Permission) -> None:
        """``DomainError not_permitted`` unless the employee's role allows it."""
        if not self.may(permission):
            raise DomainError(
                "not_permitted",
                f"{self.name} may not do this: {WORDS[permission]}.",
                permission=permission.value,
            )


class Sessions:
    """The open sessions by token."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def add(self, session: Session) -> None:
        self._open[session.token] = session

    def get(self, token: str | None) -> Session | None:
        return self._open.get(token or "")

    def end(self, token: str) -> None:
        self._open.pop(token, None)

    def all(self) -> list[Session]:
        return list(self._open.values())


def new_token() -> str:
    return secrets.token_urlsafe(32)
