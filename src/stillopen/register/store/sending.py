"""What has been sent: acks, per-entry results, the history of syncs. For the syncer and Status."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from stillopen.register.store.database import Database
from stillopen.register.store.entries import EntryRow, EntryStore
from stillopen.register.store.identity import Epoch, IdentityStore
from stillopen.register.store.unsent import UnsentSum, forward
from stillopen.sync.chain import GENESIS, StoredEntry
from stillopen.sync.live import place_id
from stillopen.sync.messages import Ack, Gap, NotApplied, Unsent

#: Lines of the history that are kept.
HISTORY = 500


class SendState(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state of the exchange."""

    nonce: bytes = b""
    server_epoch: str = ""
    last_exchange_at: datetime | None = None  # of the last answer
    last_sync_at: datetime | None = None  # when all was last known to be in step
    stopped: str = ""  # "revoked" | "upgrade_required" | "not_activated": sync does not run; or ""


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
    def __init__(self, db: Database, entries: EntryStore, identity: IdentityStore) -> None:
        self._db = db
        self._entries = entries
        self._identity = identity
        self._tries: dict[tuple[str, int], int] = {}

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

    def begin_anew(self) -> None:
        """Nothing is known of any exchange; what was acknowledged of former epochs stays known."""
        with self._db.transaction():
            self._db.forget("send_state")
            self._db.execute("DELETE FROM send_state")
        self.replace_not_applied(())

    # -- acks --------------------------------------------------------------------------------

    def ack(self, epoch: str | None = None) -> Ack:
        """Up to where ``epoch`` (the one in force) has arrived."""
        name = epoch or self._entries.head().epoch
        return next((a for a in self._acks() if a.epoch == name), Ack(name, 0, GENESIS))

    def _acks(self) -> tuple[Ack, ...]:
        return self._db.recall("acks", self._read_acks)

    def _read_acks(self) -> tuple[Ack, ...]:
        return tuple(Ack(*row) for row in self._db.query("SELECT epoch, seq, hash FROM acked"))

    def set_ack(self, ack: Ack) -> None:
        """Keep it durably, in one transaction (or the open one)."""
        with self._db.transaction():
            self._db.forget("acks")
            self._db.execute(
                "INSERT OR REPLACE INTO acked VALUES (?, ?, ?)", ack.epoch, ack.seq, ack.hash
            )

    def epoch_to_send(self, confirmed: Collection[str] = ()) -> Epoch:
        """The oldest of which something is unsent or that is not ``confirmed``, else the one in force."""
        *former, present = self._identity.epochs()
        for epoch in former:
            unsent = self._entries.head_of(epoch.id).seq > self.ack(epoch.id).seq
            if unsent or epoch.id not in confirmed:
                return epoch
        return present

    def backed_up(self, epoch: str) -> int:
        """Up to where ``epoch`` is in every backup that the Back Office keeps."""
        return self._db.recall("backed_up", self._read_backed_up).get(epoch, 0)

    def _read_backed_up(self) -> dict[str, int]:
        rows = self._db.query("SELECT epoch, seq FROM backed_up")
        return {row[0]: row[1] for row in rows}

    def set_backed_up(self, epoch: str, seq: int) -> None:
        with self._db.transaction():
            self._db.forget("backed_up")
            self._db.execute("INSERT OR REPLACE INTO backed_up VALUES (?, ?)", epoch, seq)

    # -- what is unsent ----------------------------------------------------------------------

    def batch(
        self, epoch: str, after_seq: int, max_entries: int, max_bytes: int = 4_000_000
    ) -> tuple[tuple[StoredEntry, ...], tuple[Gap, ...]]:
        """Entries of ``epoch`` after ``after_seq``, exactly as stored, at least one if any; and what is
        missing between them."""
        taken: list[StoredEntry] = []
        gaps: list[Gap] = []
        size, seq = 0, after_seq
        anchor = self._entries.anchor(epoch)
        if anchor[0] > seq:
            gaps.append(Gap(seq + 1, *anchor))
            seq = anchor[0]
        for entry in self._linked(epoch, after_seq, max_entries):
            size += len(entry.body)
            if taken and size > max_bytes:
                break
            if entry.seq > seq + 1:
                gaps.append(Gap(seq + 1, entry.seq - 1, entry.prev_hash))
            taken.append(entry)
            seq = entry.seq
        if taken:
            self._entries.go_on_from(epoch, taken[-1])
        return tuple(taken), tuple(gaps)

    def _linked(self, epoch: str, after_seq: int, most: int) -> list[StoredEntry]:
        """Entries after ``after_seq``; with the one before them where its recorded hash was damaged, so that
        both are seen to belong together."""
        entries, ack = self._entries.raw_after(after_seq, most, epoch), self.ack(epoch)
        if not entries or not 0 < after_seq == ack.seq or entries[0].prev_hash == ack.hash:
            return entries
        before = self._entries.raw_after(after_seq - 1, 1, epoch)
        return [*(x for x in before if x.seq == after_seq), *entries]

    def unsent(self) -> Unsent:
        """Count of entries above the acks, Σ totals of the sales among them, when the first was made."""
        sums = self._sums()
        oldest = min((x.oldest for x in sums if x.oldest), default=None)
        return Unsent(
            count=sum(x.count for x in sums),
            value=sum(x.value for x in sums),
            oldest_at=datetime.fromisoformat(oldest) if oldest else None,
        )

    def unsent_sales(self) -> int:
        return sum(x.sales for x in self._sums())

    def _sums(self) -> list[UnsentSum]:
        """One for each epoch. Each entry is read once when it is made and once when it is acknowledged."""
        known: dict[str, UnsentSum] = self._db.recall("unsent", dict)
        for epoch in self._identity.epochs():
            before = known.get(epoch.id)
            acked, last = self.ack(epoch.id).seq, self._last(epoch.id, before)
            known[epoch.id] = forward(self._db, epoch.id, before, acked, last)
        return [known[epoch.id] for epoch in self._identity.epochs()]

    def _last(self, epoch: str, known: UnsentSum | None) -> int:
        """Nothing is added to a former epoch."""
        head = self._entries.head()
        if epoch == head.epoch:
            return head.seq
        return known.last if known else self._entries.head_of(epoch).seq

    def unsent_items(self, limit: int = 200) -> list[UnsentItem]:
        """Oldest first; quarantined and waiting ones are among them."""
        held = self.held()
        rows = [r for r in self._entries.with_ids(list(held)[:limit]) if self.is_acked(r)]
        for epoch in self._identity.epochs():
            if len(rows) < limit:
                seq = self.ack(epoch.id).seq
                rows += self._entries.after(seq, limit - len(rows), epoch.id)
        return [self._item(row, held.get(row.id)) for row in rows[:limit]]

    def is_acked(self, row: EntryRow) -> bool:
        """Whether the Back Office has said that it holds this entry."""
        return row.seq <= self.ack(row.epoch).seq

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
            tries=held.tries if held else self._tries.get((row.epoch, row.seq), 0),
            status=held.status if held else "unsent",
            code=held.code if held else "",
            behind=held.behind if held else "",
        )

    def note_tries(self, epoch: str, first_seq: int, last_seq: int) -> None:
        """The entries were put into a request (kept in memory only)."""
        acked = self.ack(epoch).seq
        kept = {at: n for at, n in self._tries.items() if at[0] == epoch and at[1] > acked}
        for seq in range(first_seq, last_seq + 1):
            kept[epoch, seq] = kept.get((epoch, seq), 0) + 1
        self._tries = kept

    def not_applied(self) -> tuple[NotApplied, ...]:
        return self._db.recall("not_applied", self._read_not_applied)

    def held(self) -> dict[str, NotApplied]:
        """What the server holds without having applied it, by the id that the entry has here; one that it
        cannot read goes by its place there."""
        return self._db.recall("held", self._read_held)

    def _read_held(self) -> dict[str, NotApplied]:
        held = {x.id: x for x in self.not_applied()}
        for epoch in self._identity.epochs():
            unread = [x for x in held.values() if x.id == place_id(epoch.id, x.seq)]
            for x in unread:
                for row in self._entries.after(x.seq - 1, 1, epoch.id):
                    if row.seq == x.seq:
                        held[row.id] = held.pop(x.id)
        return held

    def _read_not_applied(self) -> tuple[NotApplied, ...]:
        rows = self._db.query(
            "SELECT seq, id, status, code, behind, tries FROM held_back ORDER BY rowid"
        )
        return tuple(
            NotApplied(seq=r[0], id=r[1], status=r[2], code=r[3], behind=r[4], tries=r[5])
            for r in rows
        )

    def replace_not_applied(self, rows: Sequence[NotApplied]) -> None:
        """The server's whole present list."""
        if tuple(rows) == self.not_applied():
            return
        with self._db.transaction():
            self._db.forget("not_applied")
            self._db.forget("held")
            self._db.execute("DELETE FROM held_back")
            self._db.execute_many(
                "INSERT OR REPLACE INTO held_back (id, seq, status, code, behind, tries)"
                " VALUES (?,?,?,?,?,?)",
                [(r.id, r.seq, r.status, r.code, r.behind, r.tries) for r in rows],
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
        return self.history_page(limit)[0]

    def history_page(
        self, limit: int, before: int | None = None
    ) -> tuple[list[SyncRun], int | None]:
        """Newest first, and what to give as ``before`` for the older ones, None where there are none."""
        rows = self._db.query(
            "SELECT id, body FROM sync_run WHERE id < ? ORDER BY id DESC LIMIT ?",
            2**62 if before is None else before,
            limit + 1,
        )
        runs = [msgspec.json.decode(body, type=SyncRun) for _, body in rows[:limit]]
        return runs, int(rows[limit - 1][0]) if len(rows) > limit else None
