"""The entries of the journal: appended once, in order, and never touched again."""

from collections.abc import Iterator, Mapping, Sequence
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
    place: int  # in the file, over all epochs


_COLUMNS = (
    "epoch, seq, id, kind, occurred_at, business_day, shift, employee, employee_name, receipt,"
    " total, rowid AS place"
)


def _count_in(number: str) -> int:
    """12 of ``S1-R1-000012``; 0 where there is none."""
    count = number.rpartition("-")[2]
    return int(count) if count.isascii() and count.isdigit() and len(count) < 19 else 0


def _row(row: tuple[object, ...]) -> EntryRow:
    names = [name.split()[-1] for name in _COLUMNS.split(",")]
    return msgspec.convert(dict(zip(names, row, strict=True)), EntryRow, strict=False)


class EntryStore:
    def __init__(self, db: Database, identity: IdentityStore, writable: bool) -> None:
        self._db = db
        self._identity = identity
        self._writable = writable

    def head(self) -> Head:
        return self._db.recall("head", self._read_head)

    def go_on_from(self, epoch: str, last: StoredEntry) -> None:
        """The next entry follows on the hash that is recorded, and sent, also where that was damaged."""
        head = self.head()
        if (head.epoch, head.seq) == (epoch, last.seq) and head.hash != last.hash:
            self._db.forget("head")

    def _read_head(self) -> Head:
        return self.head_of(self._epoch())

    def head_of(self, epoch: str) -> Head:
        """The last entry of ``epoch``, or its anchor where everything was purged."""
        row = self._db.one(
            "SELECT seq, hash FROM entry WHERE epoch = ? ORDER BY seq DESC LIMIT 1", epoch
        )
        return Head(epoch, *(row or self.anchor(epoch)))

    def anchor(self, epoch: str) -> tuple[int, bytes]:
        """(seq, hash) of the last entry of ``epoch`` that was purged; (0, GENESIS) where none was."""
        return self._db.recall("anchors", self._read_anchors).get(epoch, (0, GENESIS))

    def _read_anchors(self) -> dict[str, tuple[int, bytes]]:
        rows = self._db.query("SELECT epoch, seq, hash FROM anchor")
        return {epoch: (seq, bytes(digest)) for epoch, seq, digest in rows}

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
        self.insert(draft, head.epoch, entry)
        return entry

    def require_writable(self) -> None:
        if not self._writable:
            raise DomainError(
                "software_too_old",
                "This till's data was written by a newer version. What is there is being sent; "
                "install the newer version to sell.",
            )

    def insert(self, draft: Draft, epoch: str, entry: StoredEntry) -> None:
        """Store a sealed entry in its place; in a transaction."""
        self._db.remember("head", Head(epoch, entry.seq, entry.hash))
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
        for (epoch,) in self._db.query("SELECT id FROM epoch ORDER BY ordinal DESC"):
            seq = self._seq_of(epoch, number)
            if seq is not None:
                return self._find("epoch = ? AND seq = ?", epoch, seq)
        return None

    def _seq_of(self, epoch: str, number: str) -> int | None:
        """Receipts of an epoch are counted up, so half of what is left can be ruled out at each look."""
        count = _count_in(number)
        low, high = self.anchor(epoch)[0] + 1, self.head_of(epoch).seq
        while low <= high:
            middle = (low + high) // 2
            row = self._db.one(
                "SELECT seq, receipt FROM entry WHERE epoch = ? AND seq BETWEEN ? AND ?"
                " AND receipt IS NOT NULL ORDER BY seq LIMIT 1",
                epoch,
                middle,
                high,
            )
            if row is None or _count_in(row[1]) > count:
                high = middle - 1
            elif _count_in(row[1]) < count:
                low = row[0] + 1
            else:
                return int(row[0]) if row[1] == number else None
        return None

    def first_number(self, epoch: str) -> str:
        """Of the receipts of ``epoch`` that are here; empty without any."""
        row = self._db.one(
            "SELECT receipt FROM entry WHERE epoch = ? AND receipt IS NOT NULL ORDER BY seq LIMIT 1",
            epoch,
        )
        return str(row[0]) if row else ""

    def last_sale(self) -> tuple[EntryRow, bytes] | None:
        return self._find("receipt IS NOT NULL ORDER BY rowid DESC")

    def _find(self, where: str, *parameters: object) -> tuple[EntryRow, bytes] | None:
        row = self._db.one(f"SELECT {_COLUMNS}, body FROM entry WHERE {where} LIMIT 1", *parameters)
        return (_row(row[:-1]), row[-1]) if row else None

    def sales(self, query: str, limit: int, before: int | None) -> list[EntryRow]:
        """Newest first; ``query`` is part of a receipt number, ``before`` is :attr:`EntryRow.place`."""
        pattern = "%" + query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        rows = self._db.query(
            f"SELECT {_COLUMNS} FROM entry WHERE rowid < ? AND receipt LIKE ?"
            " ESCAPE '\\' ORDER BY rowid DESC LIMIT ?",
            before or 2**62,
            pattern,
            limit,
        )
        return [_row(row) for row in rows]

    def after(self, seq: int, limit: int, epoch: str | None = None) -> list[EntryRow]:
        """Entries after ``seq``, oldest first, of ``epoch`` (the one in force)."""
        rows = self._db.query(
            f"SELECT {_COLUMNS} FROM entry WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?",
            epoch or self._epoch(),
            seq,
            limit,
        )
        return [_row(row) for row in rows]

    def with_ids(self, ids: Sequence[str]) -> list[EntryRow]:
        """Those that are here, oldest first."""
        marks = ",".join("?" * len(ids))
        rows = self._db.query(
            f"SELECT {_COLUMNS} FROM entry WHERE id IN ({marks}) ORDER BY rowid", *ids
        )
        return [_row(row) for row in rows]

    def held(self, ids: Sequence[str]) -> list[str]:
        """Those of ``ids`` that are here."""
        if not ids:
            return []
        marks = ",".join("?" * len(ids))
        return [
            row[0] for row in self._db.query(f"SELECT id FROM entry WHERE id IN ({marks})", *ids)
        ]

    def every(self) -> Iterator[tuple[str, StoredEntry]]:
        """(epoch, entry) of the whole file, epoch by epoch, for verify and export."""
        for (epoch,) in self._db.query("SELECT id FROM epoch ORDER BY ordinal"):
            seq = 0
            while rows := self.raw_after(seq, 1000, epoch):
                yield from ((epoch, entry) for entry in rows)
                seq = rows[-1].seq

    def count(self, ends: Mapping[str, int]) -> int:
        """How many entries there are in each epoch up to its number in ``ends``."""
        sql = "SELECT count(*) FROM entry WHERE epoch = ? AND seq <= ?"
        rows = [self._db.one(sql, epoch, end) for epoch, end in ends.items()]
        return sum(row[0] for row in rows if row)

    def oldest(self, epoch: str, seq: int, before: datetime, limit: int) -> int:
        """The number up to which at most ``limit`` entries of ``epoch`` may go: none is above ``seq``, and
        none is from ``before`` or later; 0 where there is none."""
        rows = self._db.query(
            "SELECT seq, occurred_at FROM entry WHERE epoch = ? AND seq <= ? ORDER BY seq LIMIT ?",
            epoch,
            seq,
            limit,
        )
        last = 0
        for number, occurred_at in rows:
            if datetime.fromisoformat(occurred_at) >= before:
                break
            last = number
        return last

    def knows_number(self, number: str) -> bool:
        """Whether receipt ``number`` comes before one that is here: it was made here, and is gone."""
        start, _, count = number.rpartition("-")
        pattern = start.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "-%"
        row = self._db.one(
            "SELECT max(receipt) FROM entry WHERE receipt LIKE ? ESCAPE '\\'", pattern
        )
        last = str(row[0]).rpartition("-")[2] if row and row[0] else ""
        return count.isdigit() and 0 < int(count) < int(last or 0)

    def purge(self, epoch: str, seq: int) -> int:
        """Forget the entries of ``epoch`` up to ``seq``, in a transaction; the anchor remembers where the
        chain goes on. Returns how many went."""
        row = self._db.one("SELECT hash FROM entry WHERE epoch = ? AND seq = ?", epoch, seq)
        if row is None:
            return 0
        self.set_anchor(epoch, seq, row[0])
        self._db.execute(
            "DELETE FROM answered_request WHERE id IN"
            " (SELECT id FROM entry WHERE epoch = ? AND seq <= ?)",
            epoch,
            seq,
        )
        self._db.forget("head")
        self._db.forget("unsent")
        return self._db.execute("DELETE FROM entry WHERE epoch = ? AND seq <= ?", epoch, seq)

    def set_anchor(self, epoch: str, seq: int, digest: bytes) -> None:
        """The chain of ``epoch`` begins behind ``seq``; in a transaction."""
        self._db.forget("anchors")
        self._db.execute("INSERT OR REPLACE INTO anchor VALUES (?, ?, ?)", epoch, seq, digest)

    def raw_after(self, seq: int, limit: int, epoch: str | None = None) -> list[StoredEntry]:
        """Entries after ``seq`` exactly as stored, of ``epoch`` (the one in force)."""
        rows = self._db.query(
            # The casts: whatever was done to a row by hand, bytes come out, and the chain is checked.
            "SELECT seq, CAST(prev_hash AS BLOB), CAST(hash AS BLOB), CAST(body AS BLOB)"
            " FROM entry WHERE epoch = ? AND seq > ?"
            " ORDER BY seq LIMIT ?",
            epoch or self._epoch(),
            seq,
            limit,
        )
        return [StoredEntry(*row) for row in rows]

    def sales_after(self, seq: int, limit: int, epoch: str) -> list[tuple[int, str, bytes]]:
        """(seq, id, bytes) of the sales of ``epoch`` after ``seq``, oldest first."""
        return self._db.query(
            "SELECT seq, id, CAST(body AS BLOB) FROM entry"
            " WHERE epoch = ? AND seq > ? AND kind = 'sale' ORDER BY seq LIMIT ?",
            epoch,
            seq,
            limit,
        )

    def hash_of(self, epoch: str, seq: int) -> bytes | None:
        """Of the entry, or of the anchor; None where there is neither."""
        row = self._db.one(
            "SELECT CAST(hash AS BLOB) FROM entry WHERE epoch = ? AND seq = ?", epoch, seq
        )
        if row is not None:
            return bytes(row[0])
        anchor = self.anchor(epoch)
        return anchor[1] if seq == anchor[0] else None

    def last_moment(self) -> datetime | None:
        """When the last entry was made, by its own clock."""
        row = self._db.one("SELECT occurred_at FROM entry ORDER BY rowid DESC LIMIT 1")
        return datetime.fromisoformat(row[0]) if row else None

    def _epoch(self) -> str:
        epoch = self._identity.epoch()
        return epoch.id if epoch else ""
