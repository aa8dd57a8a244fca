"""The entries of the journal: appended once, in order, and never touched again."""

from collections.abc import Iterator
from datetime import date, datetime

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.register.store.database import Database
from stillopen.register.store.identity import IdentityStore
from stillopen.sync.chain import GENESIS, StoredEntry, seal
from stillopen.sync.facts import KINDS, EntryBody, encode_body, encode_payload


class Head(msgspec.Struct, frozen=True):
    """The last entry of the epoch in force; ``seq`` 0 and GENESIS before the first."""

    epoch: str
    seq: int
    hash: bytes


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An entry before it has its place; ``receipt`` and ``total`` (minor units) are for lists only."""

    id: str
    kind: str  # a key of facts.KINDS
    payload: msgspec.Struct
    occurred_at: datetime
    business_day: date
    employee: str | None = None
    employee_name: str = ""
    shift: str | None = None
    receipt: str | None = None
    total: int | None = None


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as lists need it."""

    epoch: str
    seq: int
    id: str
    kind: str
    occurred_at: datetime
    business_day: date
    shift: str | None
    employee: str | None
    employee_name: str
    receipt: str | None
    total: int | None


_COLUMNS = "epoch, seq, id, kind, occurred_at, business_day, shift, employee, employee_name, receipt, total"


def _row(row: tuple[object, ...]) -> EntryRow:
    names = [name.strip() for name in _COLUMNS.split(",")]
    return msgspec.convert(dict(zip(names, row, strict=True)), EntryRow, strict=False)


class EntryStore:
    def __init__(self, db: Database, identity: IdentityStore, writable: bool) -> None:
        self._db = db
        self._identity = identity
        self._writable = writable

    def head(self) -> Head:
        return self._db.recall("head", self._read_head)

    def _read_head(self) -> Head:
        epoch = self._epoch()
        row = self._db.one(
            "SELECT seq, hash FROM entry WHERE epoch = ? ORDER BY seq DESC LIMIT 1", epoch
        )
        return Head(epoch, row[0], row[1]) if row else Head(epoch, 0, GENESIS)

    def append(self, draft: Draft) -> StoredEntry:
        """Seal and store ``draft`` as the next entry; inside a transaction.

        ``DomainError software_too_old`` where the file was written by a newer version.
        """
        self.require_writable()
        identity = self._identity.get()
        if identity is None:
            raise DomainError("not_activated", "This register is not activated yet.")
        head = self.head()
        body = encode_body(
            EntryBody(
                register=identity.register,
                epoch=head.epoch,
                seq=head.seq + 1,
                id=draft.id,
                kind=draft.kind,
                schema=KINDS[draft.kind][0],
                occurred_at=draft.occurred_at,
                business_day=draft.business_day,
                payload=encode_payload(draft.payload),
                employee=draft.employee,
                shift=draft.shift,
            )
        )
        entry = StoredEntry(head.seq + 1, head.hash, seal(head.hash, body), body)
        self._insert(draft, head.epoch, entry)
        return entry

    def require_writable(self) -> None:
        if not self._writable:
            raise DomainError(
                "software_too_old",
                "This till's data was written by a newer version. What is there is being sent; "
                "install the newer version to sell.",
            )

    def _insert(self, draft: Draft, epoch: str, entry: StoredEntry) -> None:
        self._db.forget("head")
        self._db.execute(
            "INSERT INTO entry (epoch, seq, id, kind, prev_hash, hash, body, occurred_at,"
            " business_day, shift, employee, employee_name, receipt, total)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            epoch,
            entry.seq,
            draft.id,
            draft.kind,
            entry.prev_hash,
            entry.hash,
            entry.body,
            draft.occurred_at.isoformat(),
            draft.business_day.isoformat(),
            draft.shift,
            draft.employee,
            draft.employee_name,
            draft.receipt,
            draft.total,
        )

    def stored(self, entry_id: str) -> tuple[EntryRow, bytes] | None:
        """The entry ``entry_id`` with its exact bytes."""
        return self._find("id = ?", entry_id)

    def receipt(self, number: str) -> tuple[EntryRow, bytes] | None:
        """The sale with receipt ``number``, of whichever epoch."""
        return self._find("receipt = ?", number)

    def last_sale(self) -> tuple[EntryRow, bytes] | None:
        return self._find("receipt IS NOT NULL ORDER BY rowid DESC")

    def _find(self, where: str, *parameters: object) -> tuple[EntryRow, bytes] | None:
        row = self._db.one(f"SELECT {_COLUMNS}, body FROM entry WHERE {where} LIMIT 1", *parameters)
        return (_row(row[:-1]), row[-1]) if row else None

    def sales(self, query: str, limit: int, before_seq: int | None) -> list[EntryRow]:
        """Newest first, of the epoch in force; ``query`` is part of a receipt number."""
        pattern = "%" + query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        rows = self._db.query(
            f"SELECT {_COLUMNS} FROM entry WHERE epoch = ? AND seq < ? AND receipt LIKE ?"
            " ESCAPE '\\' ORDER BY seq DESC LIMIT ?",
            self._epoch(),
            before_seq or 2**62,
            pattern,
            limit,
        )
        return [_row(row) for row in rows]

    def after(self, seq: int, limit: int) -> list[EntryRow]:
        """Entries of the epoch in force after ``seq``, oldest first."""
        rows = self._db.query(
            f"SELECT {_COLUMNS} FROM entry WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?",
            self._epoch(),
            seq,
            limit,
        )
        return [_row(row) for row in rows]

    def at(self, seqs: list[int]) -> list[EntryRow]:
        marks = ",".join("?" * len(seqs))
        rows = self._db.query(
            f"SELECT {_COLUMNS} FROM entry WHERE epoch = ? AND seq IN ({marks}) ORDER BY seq",
            self._epoch(),
            *seqs,
        )
        return [_row(row) for row in rows]

    def every(self) -> Iterator[tuple[str, StoredEntry]]:
        """(epoch, entry) of the whole file, epoch by epoch, for verify and export."""
        for (epoch,) in self._db.query("SELECT id FROM epoch ORDER BY ordinal"):
            seq = 0
            while rows := self._raw(epoch, seq, 1000):
                yield from ((epoch, entry) for entry in rows)
                seq = rows[-1].seq

    def raw_after(self, seq: int, limit: int) -> list[StoredEntry]:
        """Entries of the epoch in force after ``seq``, exactly as stored."""
        return self._raw(self._epoch(), seq, limit)

    def _raw(self, epoch: str, seq: int, limit: int) -> list[StoredEntry]:
        rows = self._db.query(
            # The casts: whatever was done to a row by hand, bytes come out, and the chain is checked.
            "SELECT seq, CAST(prev_hash AS BLOB), CAST(hash AS BLOB), CAST(body AS BLOB)"
            " FROM entry WHERE epoch = ? AND seq > ?"
            " ORDER BY seq LIMIT ?",
            epoch,
            seq,
            limit,
        )
        return [StoredEntry(*row) for row in rows]

    def last_moment(self) -> datetime | None:
        """When the last entry was made, by its own clock."""
        row = self._db.one("SELECT occurred_at FROM entry ORDER BY rowid DESC LIMIT 1")
        return datetime.fromisoformat(row[0]) if row else None

    def _epoch(self) -> str:
        epoch = self._identity.epoch()
        return epoch.id if epoch else ""
