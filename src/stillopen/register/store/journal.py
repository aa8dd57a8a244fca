"""journal.db: everything that must not be lost, behind one writer.

WAL with ``synchronous=FULL``: when a transaction has ended, it is on the disk. Each part of the file
has its own module; they share one connection, so any of them can take part in one transaction.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from stillopen.register.store.carts import CartStore
from stillopen.register.store.database import Database, stop_process
from stillopen.register.store.disk import Room
from stillopen.register.store.entries import EntryStore, Head
from stillopen.register.store.identity import IdentityStore
from stillopen.register.store.pins import PinStore
from stillopen.register.store.prints import PrintStore
from stillopen.register.store.requests import NoteStore, RequestStore
from stillopen.register.store.schema import VERSION, file_version, migrate
from stillopen.register.store.sending import SendingStore
from stillopen.register.store.shifts import ShiftStore

FILE = "journal.db"


class Journal:
    """The stores of journal.db. Writes happen inside :meth:`transaction`."""

    def __init__(self, db: Database, writable: bool) -> None:
        self.db = db
        self.identity = IdentityStore(db)
        self.entries = EntryStore(db, self.identity, writable)
        self.shifts = ShiftStore(db, self.identity)
        self.carts = CartStore(db, self.shifts)
        self.requests = RequestStore(db)
        self.pins = PinStore(db)
        self.sending = SendingStore(db, self.entries, self.identity)
        self.notes = NoteStore(db)
        self.prints = PrintStore(self.entries)

    @classmethod
    def open(
        cls, path: Path, on_fatal: Callable[[str], None] = stop_process, room: Room | None = None
    ) -> "Journal":
        """Open or make the file. One that a newer version wrote can be sent from, not sold into."""
        room = room or Room(path.parent)
        room.make_room()
        db = Database(path, room=room, on_fatal=on_fatal)
        # Of a new file only: a sale touches a dozen places, and each of them writes a page.
        db.query("PRAGMA page_size = 1024")
        db.query("PRAGMA journal_mode = WAL")
        db.query("PRAGMA synchronous = FULL")
        db.query("PRAGMA wal_autocheckpoint = 4096")
        db.query("PRAGMA journal_size_limit = 4194304")
        writable = migrate(db)
        room.keep_ballast()
        journal = cls(db, writable)
        journal.requests.forget_old()
        journal.prints.forget()
        return journal

    @classmethod
    def open_to_read(cls, path: Path) -> "Journal":
        """The file as it lies there, beside a till that may be running."""
        db = Database(path, read_only=True)
        return cls(db, file_version(db) <= VERSION)

    def close(self) -> None:
        self.db.close()

    def transaction(self) -> AbstractContextManager[Database]:
        """One ``BEGIN IMMEDIATE`` … ``COMMIT``; nests into the one that is open."""
        return self.db.transaction()

    def head(self) -> Head:
        return self.entries.head()

    def receipts_made(self) -> int:
        """Receipts of the epoch in force (``ExchangeRequest.journal_count``)."""
        return self.shifts.counters().receipts

    def shift_is_open(self) -> bool:
        return self.shifts.open_shift() is not None

    def keep_ballast(self) -> None:
        """Make the ballast again where it was given up and there is room by now."""
        if self.db.room is not None:
            self.db.room.keep_ballast()

    def make_room(self) -> None:
        """Give the ballast up where not even the closing of a shift fits."""
        if self.db.room is not None:
            self.db.room.make_room()

    def disk_is_low(self) -> bool:
        return self.db.room is not None and self.db.room.is_low()

    def require_room(self) -> None:
        """``DomainError disk_full`` below the reserve: no payment is taken that may not fit."""
        if self.db.room is not None:
            self.db.room.require()
