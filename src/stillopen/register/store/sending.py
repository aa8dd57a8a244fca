"""What has been sent: ack, nonce, per-entry results, the history of syncs. For the syncer and Status."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from stillopen.register.store.database import Database
from stillopen.sync.chain import StoredEntry
from stillopen.sync.messages import NotApplied, Unsent


class SendState(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of the exchange. ``acked_seq`` 0 and GENESIS before the first ack."""

    nonce: bytes = b""
    request: int = 0
    acked_seq: int = 0
    acked_hash: bytes = bytes(32)
    server_epoch: str = ""
    last_exchange_at: datetime | None = None  # of the last answer
    last_sync_at: datetime | None = None  # when all was last known to be in step
    stopped: str = ""  # "revoked" | "upgrade_required": sync does not run; "" otherwise


class UnsentItem(msgspec.Struct, frozen=True, kw_only=True):
    """One entry that the server has not acknowledged, or holds without having applied it."""

    seq: int
    id: str
    kind: str
    occurred_at: datetime
    receipt: str | None
    total: int | None  # minor units
    employee: str | None  # record id
    employee_name: str
    tries: int
    status: str  # "unsent" | "waiting" | "quarantined"
    code: str = ""
    behind: str = ""


class SyncRun(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the history of syncs."""

    at: datetime
    ok: bool
    sent: int = 0
    received: int = 0
    seconds: float = 0.0
    cause: str = ""


class SendingStore:
    def __init__(self, db: Database) -> None:
        self._db = db

    def state(self) -> SendState:
        raise NotImplementedError

    def update(self, **changes: object) -> SendState:
        """Replace fields of :class:`SendState` durably, in one transaction."""
        raise NotImplementedError

    def batch(
        self, after_seq: int, max_entries: int, max_bytes: int = 4_000_000
    ) -> tuple[StoredEntry, ...]:
        """Entries of the epoch in force after ``after_seq``, exactly as stored; at least one if any."""
        raise NotImplementedError

    def unsent(self) -> Unsent:
        """Count of entries above the ack, Σ totals of the sales among them, age of the oldest."""
        raise NotImplementedError

    def unsent_sales(self) -> int:
        raise NotImplementedError

    def unsent_items(self, limit: int = 200) -> list[UnsentItem]:
        """Oldest first; quarantined and waiting ones are among them."""
        raise NotImplementedError

    def note_tries(self, first_seq: int, last_seq: int) -> None:
        """The entries were put into a request (kept in memory only)."""
        raise NotImplementedError

    def not_applied(self) -> tuple[NotApplied, ...]:
        raise NotImplementedError

    def replace_not_applied(self, rows: Sequence[NotApplied]) -> None:
        """The server's whole present list."""
        raise NotImplementedError

    def log_sync(self, run: SyncRun) -> None:
        """Add to the history, of which the last 500 lines are kept."""
        raise NotImplementedError

    def history(self, limit: int = 50) -> list[SyncRun]:
        """Newest first."""
        raise NotImplementedError
