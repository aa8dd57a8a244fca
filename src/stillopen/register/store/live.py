"""live.db: stock and receipts of the store as they came down. A file of its own, because catalogue.db is
replaced as a whole by a snapshot; dropping it loses nothing."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from stillopen.domain.receipt import Receipt
from stillopen.register.store.database import Database
from stillopen.register.store.disk import Room
from stillopen.register.store.live_schema import VERSION, make_tables
from stillopen.sync.facts import decode_body, decode_payload
from stillopen.sync.live import RECEIPT_DAYS, decode_level, decode_shared
from stillopen.sync.messages import Cursor, FeedPage, FeedRow, Through

FILE = "live.db"
#: Rows per transaction, so that no sale waits long for the disk.
CHUNK = 1000


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the levels of a generation count; see sync/live.py."""

    included: tuple[Through, ...] = ()
    left_out: tuple[str, ...] = ()
    as_of: datetime | None = None


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force. A new object for each switch."""

    generation: int = 0
    floor: int = 0
    server_epoch: str = ""
    counts: Counts = Counts()
    cursors: tuple[Cursor, ...] = ()


class SharedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt of the store, as lists need it; ``register``: record id of the one that made it."""

    id: str
    number: str
    register: str
    occurred_at: datetime
    business_day: date
    cashier: str
    total: int  # minor units


_FIELDS = "id, number, register, occurred_at, business_day, cashier, total"


class Live:
    """The syncer writes, screens read. A transfer is staged and becomes visible in one switch."""

    def __init__(self, db: Database, room: Room | None = None) -> None:
        self._db, self._room = db, room
        self._staged: dict[str, int] = {}
        self._whole = False  # the running transfer replaces everything
        self.published = self._read()
        #: When the levels were last known to be the newest there are; None: only what they say themselves.
        self.confirmed_at: datetime | None = None
        if not db.read_only:
            self._discard()

    @classmethod
    def open(cls, path: Path, room: Room | None = None) -> "Live":
        """A broken file, or one of another version, is replaced by an empty one."""
        try:
            return cls(_prepare(path), room)
        except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            _remove(path)
            return cls(_prepare(path), room)

    @classmethod
    def open_to_read(cls, path: Path) -> "Live":
        """The file as it lies there; empty where there is none that can be read."""
        if path.exists():
            db = Database(path, read_only=True)
            if _version(db) == VERSION:
                return cls(db)
            db.close()
        return cls.in_memory()

    @classmethod
    def in_memory(cls) -> "Live":
        """Empty, and gone with the process."""
        db = Database(None)
        make_tables(db)
        return cls(db)

    def close(self) -> None:
        self._db.close()

    def _read(self) -> Published:
        row = self._db.one("SELECT generation, floor, server_epoch, counts FROM meta")
        if row is None:
            return Published()
        counts = msgspec.msgpack.decode(row[3], type=Counts) if row[3] else Counts()
        cursors = self._db.query("SELECT scope, seq, chain FROM cursor ORDER BY scope")
        return Published(
            generation=row[0],
            floor=row[1],
            server_epoch=row[2],
            counts=counts,
            cursors=tuple(Cursor(*cursor) for cursor in cursors),
        )

    # -- for the syncer ----------------------------------------------------------------------

    def staged(self) -> dict[str, int]:
        """scope → highest seq staged in the running transfer."""
        return dict(self._staged)

    def forget(self) -> None:
        """Have everything fetched again; until then nothing of the stock is known."""
        with self._db.transaction():
            self._db.execute("DELETE FROM cursor")
            self._db.execute("UPDATE meta SET floor = generation + 1, server_epoch = ''")
        self._discard()
        self.published, self.confirmed_at = self._read(), None

    def begin(self, snapshot: bool) -> None:
        """Begin a transfer (dropping one that runs); ``snapshot``: its rows replace everything."""
        self._discard()
        self._whole = snapshot

    def stage(
        self, page: FeedPage, known: Callable[[Sequence[str]], Iterable[str]] = lambda ids: ()
    ) -> None:
        """Write the rows of ``page``, in chunks. ``known``: those of some receipts that are elsewhere already.

        ``DomainError disk_full`` while the disk has no room left besides the reserve of the journal.
        """
        if self._room is not None:
            self._room.require()
        coming = iter(page.rows)
        while chunk := list(islice(coming, CHUNK)):
            here = set(known([row.id for row in chunk if row.kind == "receipt"]))
            with self._db.transaction():
                for row in chunk:
                    if row.id not in here:
                        self._stage_row(row)
        for scope, seq in page.since.items():
            self._staged[scope] = max(seq, self._staged.get(scope, 0))
        for row in page.rows:
            self._staged[row.scope] = max(row.seq, self._staged.get(row.scope, 0))

    def _stage_row(self, row: FeedRow) -> None:
        born = self.published.generation + 1
        if row.kind == "stock":
            milli = None if row.deleted else _level_or_none(row.payload)
            self._db.execute("INSERT OR REPLACE INTO level VALUES (?,?,?)", row.id, born, milli)
        elif row.kind == "receipt":
            found = None if row.deleted else _receipt_or_none(row.payload)
            if found is not None:
                self._db.execute(
                    "INSERT OR REPLACE INTO receipt VALUES (?,?,?,?,?,?,?,?,?)",
                    row.id,
                    born,
                    *found,
                )

    def switch(self, page: FeedPage) -> None:
        """Make the staged levels visible with what they count, and take the page's heads as cursors."""
        new = self.published.generation + 1
        counts = Counts(included=page.included, left_out=page.left_out, as_of=page.as_of)
        floor = new if self._whole else self.published.floor
        with self._db.transaction():
            self._db.execute(
                "UPDATE meta SET generation = ?, floor = ?, server_epoch = ?, counts = ?",
                new,
                floor,
                page.server_epoch,
                msgspec.msgpack.encode(counts),
            )
            self._db.execute("DELETE FROM cursor")
            self._db.execute_many(
                "INSERT INTO cursor VALUES (?,?,?)", [(h.scope, h.seq, h.chain) for h in page.heads]
            )
        whole, self._staged, self._whole = self._whole, {}, False
        self.published = self._read()
        self._drop_old(whole)

    def abandon(self) -> None:
        """Drop the running transfer, if any."""
        self._discard()

    def _discard(self) -> None:
        generation = self.published.generation
        self._in_chunks(
            "DELETE FROM level WHERE (product, born) IN"
            " (SELECT product, born FROM level WHERE born > ? LIMIT ?)",
            generation,
        )
        self._staged, self._whole = {}, False

    def _drop_old(self, whole: bool) -> None:
        """Levels that another has succeeded; after a transfer of everything, what did not come again."""
        now = self.published
        self._in_chunks(
            "DELETE FROM level WHERE (product, born) IN"
            " (SELECT old.product, old.born FROM level new JOIN level old"
            " ON old.product = new.product AND old.born < new.born WHERE new.born = ? LIMIT ?)",
            now.generation,
        )
        if whole:
            for table, key in (("level", "product, born"), ("receipt", "id")):
                self._in_chunks(
                    f"DELETE FROM {table} WHERE ({key}) IN"
                    f" (SELECT {key} FROM {table} WHERE born < ? LIMIT ?)",
                    now.floor,
                )

    def forget_receipts(self, today: date) -> None:
        """Those that are older than 90 days."""
        oldest = (today - timedelta(days=RECEIPT_DAYS)).isoformat()
        self._in_chunks(
            "DELETE FROM receipt WHERE id IN (SELECT id FROM receipt WHERE occurred_at < ? LIMIT ?)",
            oldest,
        )

    def _in_chunks(self, sql: str, parameter: object) -> None:
        touched = CHUNK
        while touched == CHUNK:
            with self._db.transaction():
                touched = self._db.execute(sql, parameter, CHUNK)

    # -- for screens -------------------------------------------------------------------------

    def levels(self, products: Sequence[str], published: Published) -> dict[str, int]:
        """Thousandths by product, of those that have a level in ``published``."""
        rows = self._db.query(
            "SELECT product, milli, max(born) FROM level"
            " WHERE product IN (SELECT value FROM json_each(?)) AND born BETWEEN ? AND ?"
            " GROUP BY product",
            msgspec.json.encode(products).decode(),
            published.floor,
            published.generation,
        )
        return {product: milli for product, milli, _ in rows if milli is not None}

    def receipt(self, number: str) -> tuple[SharedRow, bytes] | None:
        """The newest with this number, and its entry's bytes."""
        row = self._db.one(
            f"SELECT {_FIELDS}, body FROM receipt WHERE number = ? ORDER BY occurred_at DESC LIMIT 1",
            number,
        )
        return (_shared(row[:-1]), row[-1]) if row else None

    def receipts(
        self, query: str, limit: int, before: tuple[str, str] | None = None
    ) -> list[SharedRow]:
        """Newest first; ``query`` is part of a number, ``before`` (time as kept, id) of the last one seen."""
        pattern = "%" + query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        rows = self._db.query(
            f"SELECT {_FIELDS} FROM receipt WHERE number LIKE ? ESCAPE '\\'"
            " AND (occurred_at, id) < (?, ?) ORDER BY occurred_at DESC, id DESC LIMIT ?",
            pattern,
            *(before or ("~", "")),
            limit,
        )
        return [_shared(row) for row in rows]


def _shared(row: tuple[Any, ...]) -> SharedRow:
    names = _FIELDS.split(", ")
    return msgspec.convert(dict(zip(names, row, strict=True)), SharedRow, strict=False)


def _level_or_none(payload: bytes) -> int | None:
    try:
        return decode_level(payload)
    except (ValueError, ArithmeticError):
        return None


def _receipt_or_none(payload: bytes) -> tuple[object, ...] | None:
    """The columns from ``number`` on; None for one that this software does not understand."""
    try:
        data = decode_shared(payload)
        body = decode_body(data)
        receipt = decode_payload(body)
    except (msgspec.DecodeError, ValueError, LookupError):
        return None
    if not isinstance(receipt, Receipt):
        return None
    at = body.occurred_at.isoformat()
    day = body.business_day.isoformat()
    return receipt.number, body.register, at, day, receipt.cashier, receipt.total, data


def _prepare(path: Path) -> Database:
    db = Database(path)
    if _version(db) not in (0, VERSION):
        db.close()
        _remove(path)
        db = Database(path)
    db.query("PRAGMA journal_mode = WAL")
    db.query("PRAGMA synchronous = NORMAL")
    if _version(db) == 0:
        make_tables(db)
    return db


def _version(db: Database) -> int:
    row = db.one("PRAGMA user_version")
    return int(row[0]) if row else 0


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()
