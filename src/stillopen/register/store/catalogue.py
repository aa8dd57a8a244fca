"""catalogue.db: the records of the feed by generation, barcodes, and the search. May be deleted any time."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from stillopen.register.store.catalogue_feed import FeedWriter
from stillopen.register.store.catalogue_read import Snapshot
from stillopen.register.store.catalogue_schema import TABLES, VERSION
from stillopen.register.store.database import Database
from stillopen.register.store.disk import Room
from stillopen.sync.messages import Cursor, FeedRow
from stillopen.sync.records import (
    AccountSettings,
    CategoryRecord,
    EmployeeRecord,
    PaymentTypeRecord,
    ProductRecord,
    QuickKeysRecord,
    RegisterSettings,
    RoleRecord,
    StoreSettings,
    TaxRateRecord,
)

FILE = "catalogue.db"


class Item(msgspec.Struct, frozen=True):
    """A product with its record id."""

    id: str
    record: ProductRecord


class Catalogue:
    """Readers see one generation; a transfer is staged beside it and becomes visible in one switch.

    Writing has a connection of its own, so a long transfer does not make a scan wait.
    """

    def __init__(self, writer: Database, reader: Database, room: Room | None = None) -> None:
        self._writer_db, self._reader_db, self._room = writer, reader, room
        self._feed = FeedWriter(writer)
        self._listeners: list[Callable[[], None]] = []
        if not reader.read_only:
            self._feed.discard()
        self._now = Snapshot(reader, self._feed.generation)

    @classmethod
    def open(cls, path: Path, room: Room | None = None) -> "Catalogue":
        """Leftovers of an unfinished transfer are discarded; a broken file is replaced by an empty one."""
        try:
            return cls(_prepare(path), Database(path), room)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            _remove(path)
            return cls(_prepare(path), Database(path), room)

    @classmethod
    def open_to_read(cls, path: Path) -> "Catalogue":
        """The file as it lies there, beside a till that may be running; empty where there is none."""
        if path.exists():
            db = Database(path, read_only=True)
        else:
            db = Database(None)
            make_tables(db)
        return cls(db, db)

    def close(self) -> None:
        self._writer_db.close()
        self._reader_db.close()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Called after each switch."""
        self._listeners.append(listener)

    @property
    def generation(self) -> int:
        """0 before the first switch."""
        return self._now.generation

    # -- feed: for the syncer ----------------------------------------------------------------

    @property
    def server_epoch(self) -> str:
        return self._feed.server_epoch()

    def cursors(self) -> tuple[Cursor, ...]:
        """In force, ordered by scope; empty before the first sync."""
        return self._feed.cursors()

    def staged(self) -> dict[str, int]:
        """scope → highest seq staged in the running transfer; {} when there is none."""
        return self._feed.staged()

    @property
    def transfer_runs(self) -> bool:
        return self._feed.active

    def begin(self, snapshot: bool) -> None:
        """Begin a transfer (abandoning one that runs); ``snapshot``: its rows replace everything."""
        self._feed.begin(snapshot)

    def stage(self, rows: Sequence[FeedRow]) -> None:
        """Write rows into the next generation, at most 1 000 per transaction; invisible so far.

        ``DomainError disk_full`` while the disk has no room left besides the reserve of the journal.
        """
        if self._room is not None:
            self._room.require()
        self._feed.stage(rows)

    def switch(self, heads: Sequence[Cursor], server_epoch: str) -> int:
        """Make the staged rows visible and take ``heads`` as cursors, in one transaction.

        Scopes that are not in ``heads`` lose their rows. Returns how many rows changed.
        """
        changed = self._feed.switch(heads, server_epoch)
        self._now = Snapshot(self._reader_db, self._feed.generation)
        for listener in list(self._listeners):
            listener()
        return changed

    def abandon(self) -> None:
        """Discard the running transfer, if any."""
        self._feed.discard()

    def clean(self, limit: int = 1000) -> bool:
        """Remove up to ``limit`` rows that no generation shows; True while there are more."""
        return self._feed.clean(limit)

    # -- readers ----------------------------------------------------------------------------

    def count(self, kind: str) -> int:
        return self._now.count(kind)

    def account_settings(self) -> AccountSettings | None:
        return next(iter(self._now.all_of("account_settings", AccountSettings).values()), None)

    def store_settings(self) -> StoreSettings | None:
        return next(iter(self._now.all_of("store_settings", StoreSettings).values()), None)

    def register_settings(self) -> RegisterSettings | None:
        return next(iter(self._now.all_of("register_settings", RegisterSettings).values()), None)

    def product(self, product_id: str) -> Item | None:
        return _item(self._now.product(product_id))

    def products(self, ids: Sequence[str]) -> list[Item]:
        """Those that exist, in the order given."""
        return [item for item in map(self.product, ids) if item is not None]

    def by_barcode(self, code: str) -> Item | None:
        return _item(self._now.by_barcode(code))

    def by_sku(self, sku: str) -> Item | None:
        """Exact; case does not matter where that is unambiguous."""
        return _item(self._now.by_sku(sku))

    def search(self, text: str, limit: int = 50, offset: int = 0) -> list[Item]:
        """By the beginnings of words of the name, by SKU and by barcode. Never raises on odd input."""
        return [Item(*found) for found in self._now.search(text, limit, offset)]

    def in_category(self, category: str, limit: int = 100, offset: int = 0) -> list[Item]:
        """Ordered by name."""
        return [Item(*found) for found in self._now.in_category(category, limit, offset)]

    def tax_rates(self) -> dict[str, TaxRateRecord]:
        return self._now.all_of("tax_rate", TaxRateRecord)

    def categories(self) -> list[tuple[str, CategoryRecord]]:
        """(id, record) by position, then name."""
        found = self._now.all_of("category", CategoryRecord)
        return sorted(found.items(), key=lambda x: (x[1].position, x[1].name))

    def quick_keys(self) -> list[tuple[str, QuickKeysRecord]]:
        """Pages by position, then name."""
        found = self._now.all_of("quick_keys", QuickKeysRecord)
        return sorted(found.items(), key=lambda x: (x[1].position, x[1].name))

    def employees(self) -> dict[str, EmployeeRecord]:
        """By record id, those of this register's store."""
        return self._now.all_of("employee", EmployeeRecord)

    def roles(self) -> dict[str, RoleRecord]:
        return self._now.all_of("role", RoleRecord)

    def payment_types(self) -> list[PaymentTypeRecord]:
        """By position."""
        found = self._now.all_of("payment_type", PaymentTypeRecord)
        return sorted(found.values(), key=lambda x: (x.position, x.name))


def _item(found: tuple[str, ProductRecord] | None) -> Item | None:
    return Item(*found) if found else None


def _prepare(path: Path) -> Database:
    """The file with its tables; one of another version is begun anew."""
    db = Database(path)
    row = db.one("PRAGMA user_version")
    if row is not None and row[0] not in (0, VERSION):
        db.close()
        _remove(path)
        db = Database(path)
        row = (0,)
    db.query("PRAGMA journal_mode = WAL")
    db.query("PRAGMA synchronous = NORMAL")
    if row is None or row[0] == 0:
        make_tables(db)
    return db


def make_tables(db: Database) -> None:
    with db.transaction():
        for statement in TABLES.split(";"):
            if statement.strip():
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()
