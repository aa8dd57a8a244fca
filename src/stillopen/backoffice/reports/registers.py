"""The live state of registers: what each said last, and what the server holds of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from stillopen.backoffice.devices.models import Epoch, Register
from stillopen.backoffice.devices.scopes import scopes_of
from stillopen.backoffice.feed.models import Head
from stillopen.backoffice.reports.scope import Scope

#: A register with nothing to say speaks every half minute; so long without a word is a silence.
SILENT_AFTER = timedelta(seconds=65)


class State(StrEnum):
    CONNECTED = "connected"
    OFF = "off"  # not heard of, and nothing is missed: shift closed, nothing unsent
    NOT_HEARD = "not_heard"  # not heard of, and something is: figures may be incomplete
    NEVER_SYNCED = "never_synced"
    NOT_ACTIVATED = "not_activated"
    REVOKED = "revoked"


@dataclass(frozen=True)
class LiveRegister:
    """``acked`` is the last entry of the present epoch that the server holds; ``applied`` and ``behind``
    compare the register's cursors with the heads of its scopes."""

    register: Register
    state: State
    acked: int
    behind: int  # published records that it has not pulled

    @property
    def not_received(self) -> int:
        """Entries that the register said it has and that have not arrived."""
        return max(self.register.head_seq - self.acked, 0)

    @property
    def unsent_count(self) -> int:
        """As the register last said, less what arrived with that same message."""
        return min(self.register.unsent_count, self.not_received)

    @property
    def unsent_value(self) -> int:
        """Minor units; of all that was unsent when the register said so, as long as any of it still is."""
        return self.register.unsent_value if self.unsent_count else 0

    @property
    def unsent_oldest_at(self) -> datetime | None:
        return self.register.unsent_oldest_at if self.unsent_count else None

    @property
    def applied(self) -> bool:
        return self.register.state == Register.State.ACTIVE and self.behind == 0

    @property
    def silent(self) -> bool:
        return self.state in (State.OFF, State.NOT_HEARD)


def live_registers(scope: Scope, now: datetime) -> list[LiveRegister]:
    """All registers in sight, by store and name."""
    registers = list(scope.registers.values())
    acked = _acked(scope, registers)
    heads = dict(Head.objects.filter(account_id=scope.account.id).values_list("scope", "seq"))
    return [
        LiveRegister(r, state_of(r, acked[r.id], now), acked[r.id], _behind(r, heads))
        for r in registers
    ]


def _acked(scope: Scope, registers: Iterable[Register]) -> dict[UUID, int]:
    """Of each register's present epoch; 0 where nothing has arrived."""
    epochs = scope.of_registers(Epoch.objects.all()).values_list(
        "register_id", "branch", "acked_seq"
    )
    known = {(register, branch): seq for register, branch, seq in epochs}
    return {r.id: known.get((r.id, r.head_epoch), 0) for r in registers}


def state_of(register: Register, acked: int, now: datetime) -> State:
    if register.state == Register.State.REVOKED:
        return State.REVOKED
    if register.state == Register.State.NEW:
        return State.NOT_ACTIVATED
    if register.last_seen_at is None or not register.head_epoch:
        return State.NEVER_SYNCED
    if now - register.last_seen_at <= SILENT_AFTER:
        return State.CONNECTED
    missed = register.shift_open or register.head_seq > acked
    return State.NOT_HEARD if missed else State.OFF


def _behind(register: Register, heads: Mapping[str, int]) -> int:
    scopes = scopes_of(register)
    return sum(max(heads.get(s, 0) - int(register.cursors.get(s, 0)), 0) for s in scopes)
