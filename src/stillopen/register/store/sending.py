"""What has been sent: ack, nonce, per-entry results, the history of syncs. For the syncer and Status."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from stillopen.register.store.database import Database
from stillopen.register.store.entries import EntryRow, EntryStore
from stillopen.sync.chain import GENESIS, StoredEntry
from stillopen.sync.messages import NotApplied, Unsent

#: Lines of the history that are kept.
HISTORY = 500


class SendState(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of the exchange. ``acked_seq`` 0 and GENESIS before the first ack."""

    nonce: bytes = b""
    request: int = 0
    acked_seq: int = 0
    acked_hash: bytes = GENESIS
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
    def __init__(self, db: Database, entries: EntryStore) -> None:
        self._db = db
        self._entries = entries
        self._tries: dict[int, int] = {}
        self._unsent: tuple[tuple[bytes, int], Unsent, int] | None = None

    def state(self) -> SendState:
        return self._db.recall("send_state", self._read_state)

    def _read_state(self) -> SendState:
        row = self._db.one("SELECT body FROM send_state")
        return msgspec.json.decode(row[0], type=SendState) if row else SendState()

    def update(self, **changes: Any) -> SendState:
        """Replace fields of :class:`SendState` durably, in one transaction (or the open one)."""
        with self._db.transaction():
            state = msgspec.structs.replace(self.state(), **changes)
            self._db.forget("send_state")
            self._db.execute(
                "INSERT OR REPLACE INTO send_state VALUES (1, ?)", msgspec.json.encode(state)
            )
        return state

    def batch(
        self, after_seq: int, max_entries: int, max_bytes: int = 4_000_000
    ) -> tuple[StoredEntry, ...]:
        """Entries of the epoch in force after ``after_seq``, exactly as stored; at least one if any."""
        taken: list[StoredEntry] = []
        size = 0
        for entry in self._entries.raw_after(after_seq, max_entries):
            size += len(entry.body)
            if taken and size > max_bytes:
                break
            taken.append(entry)
        return tuple(taken)

    def unsent(self) -> Unsent:
        """Count of entries above the ack, Σ totals of the sales among them, age of the oldest."""
        return self._counted()[0]

    def unsent_sales(self) -> int:
        return self._counted()[1]

    def _counted(self) -> tuple[Unsent, int]:
        head, acked = self._entries.head(), self.state().acked_seq
        if self._unsent is None or self._unsent[0] != (head.hash, acked):
            count, value, sales, oldest = self._sum_unsent(head.epoch, acked)
            unsent = Unsent(
                count=count,
                value=value,
                oldest_at=datetime.fromisoformat(oldest) if oldest else None,
            )
            self._unsent = ((head.hash, acked), unsent, sales)
        return self._unsent[1], self._unsent[2]

    def _sum_unsent(self, epoch: str, acked: int) -> tuple[int, int, int, str | None]:
        row = self._db.one(
            "SELECT count(*), coalesce(sum(CASE kind WHEN 'sale' THEN total END), 0),"
            " count(CASE kind WHEN 'sale' THEN 1 END), min(occurred_at)"
            " FROM entry WHERE epoch = ? AND seq > ?",
            epoch,
            acked,
        )
        return row if row else (0, 0, 0, None)

    def unsent_items(self, limit: int = 200) -> list[UnsentItem]:
        """Oldest first; quarantined and waiting ones are among them."""
        held = {x.seq: x for x in self.not_applied()}
        acked = self.state().acked_seq
        rows = self._entries.at([s for s in held if s <= acked][:limit])
        rows += self._entries.after(acked, limit)
        return [self._item(row, held.get(row.seq)) for row in rows[:limit]]

    def _item(self, row: EntryRow, held: NotApplied | None) -> UnsentItem:
        return UnsentItem(
            seq=row.seq,
            id=row.id,
            kind=row.kind,
            occurred_at=row.occurred_at,
            receipt=row.receipt,
            total=row.total,
            employee=row.employee,
            employee_name=row.employee_name,
            tries=self._tries.get(row.seq, 0),
            status=held.status if held else "unsent",
            code=held.code if held else "",
            behind=held.behind if held else "",
        )

    def note_tries(self, first_seq: int, last_seq: int) -> None:
        """The entries were put into a request (kept in memory only)."""
        acked = self.state().acked_seq
        kept = {seq: n for seq, n in self._tries.items() if seq > acked}
        for seq in range(first_seq, last_seq + 1):
            kept[seq] = kept.get(seq, 0) + 1
        self._tries = kept

    def not_applied(self) -> tuple[NotApplied, ...]:
        return self._db.recall("not_applied", self._read_not_applied)

    def _read_not_applied(self) -> tuple[NotApplied, ...]:
        rows = self._db.query("SELECT seq, id, status, code, behind FROM not_applied ORDER BY seq")
        return tuple(
            NotApplied(seq=r[0], id=r[1], status=r[2], code=r[3], behind=r[4]) for r in rows
        )

    def replace_not_applied(self, rows: Sequence[NotApplied]) -> None:
        """The server's whole present list."""
        if tuple(rows) == self.not_applied():
            return
        with self._db.transaction():
            self._db.forget("not_applied")
            self._db.execute("DELETE FROM not_applied")
            self._db.execute_many(
                "INSERT OR REPLACE INTO not_applied VALUES (?,?,?,?,?)",
                [(r.seq, r.id, r.status, r.code, r.behind) for r in rows],
            )

    def log_sync(self, run: SyncRun) -> None:
        """Add to the history, of which the last 500 lines are kept."""
        with self._db.transaction():
            self._db.execute("INSERT INTO sync_run (body) VALUES (?)", msgspec.json.encode(run))
            self._db.execute(
                "DELETE FROM sync_run WHERE id <= (SELECT max(id) FROM sync_run) - ?", HISTORY
            )

    def history(self, limit: int = 50) -> list[SyncRun]:
        """Newest first."""
        rows = self._db.query("SELECT body FROM sync_run ORDER BY id DESC LIMIT ?", limit)
        return [msgspec.json.decode(row[0], type=SyncRun) for row in rows]
