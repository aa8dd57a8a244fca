"""catalogue.db: the records of the feed by generation, barcodes, and the search. May be deleted any time."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import msgspec

from stillopen.register.store.catalogue_audit import Audit
from stillopen.register.store.catalogue_feed import CHUNK, FeedWriter
from stillopen.register.store.catalogue_files import (
    can_link,
    configure_new,
    name_for,
    prepare,
    prepare_new,
    put_in_force,
    remove,
    remove_logs,
    remove_others,
    settle,
)
from stillopen.register.store.catalogue_read import Snapshot
from stillopen.register.store.catalogue_schema import VERSION, make_tables
from stillopen.register.store.database import Database
from stillopen.register.store.disk import Room
from stillopen.sync.digest import Key
from stillopen.sync.messages import Cursor, Digest, FeedRow
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

    Writing has a connection of its own, so a long transfer does not make a scan wait. A snapshot is another
    file: what comes after it is staged there, and the switch puts that file in the place of this one.
    """

    def __init__(
        self, writer: Database, reader: Database, room: Room | None = None, path: Path | None = None
    ) -> None:
        self._writer_db, self._reader_db, self._room = writer, reader, room
        self._path = path
        self._feed = FeedWriter(writer)
        self._base: Path | None = None  # of a snapshot that is not yet in force; _feed writes there
        self._base_db: Database | None = None
        self._in_force: FeedWriter | None = None  # while pages fill an empty base
        self._audit: Audit | None = None
        self._broken = False
        self._listeners: list[Callable[[], None]] = []
        self._cleaning = Lock()  # the writer in force is not closed meanwhile
        if not reader.read_only:
            self._feed.discard()
        # A connection that has read has its files open, and can finish although their names are gone.
        reader.query("SELECT generation FROM meta")
        self._now = Snapshot(reader, self._feed.generation)

    @classmethod
    def open(cls, path: Path, room: Room | None = None) -> "Catalogue":
        """Leftovers of an unfinished transfer are discarded; a broken file is replaced by an empty one."""
        try:
            opened = cls(prepare(path), Database(path), room, path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            remove(path)
            opened = cls(prepare(path), Database(path), room, path)
        remove_others(path)
        return opened

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
        if self._base_db is not None:
            self._base_db.close()
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
        return (self._in_force or self._feed).server_epoch()

    def cursors(self) -> tuple[Cursor, ...]:
        """From where to pull, ordered by scope; empty before the first sync. Those in force, or those of a
        snapshot that was taken and is to be completed."""
        return (self._in_force or self._feed).cursors()

    def staged(self) -> dict[str, int]:
        """scope → highest seq staged in the running transfer; {} when there is none."""
        return self._feed.staged()

    @property
    def transfer_runs(self) -> bool:
        return self._feed.active

    def begin(self, snapshot: bool) -> None:
        """Begin a transfer (abandoning one that runs); ``snapshot``: its rows replace everything."""
        if snapshot or self._in_force is not None:
            self.drop_base()
        if snapshot and (self._broken or self._is_large()):
            self._begin_file()
        self._feed.begin(snapshot)

    def stage(self, rows: Sequence[FeedRow]) -> None:
        """Write rows into the next generation, at most 1 000 per transaction; invisible so far.

        ``DomainError disk_full`` while the disk has no room left besides the reserve of the journal.
        """
        if self._room is not None:
            self._room.require()
        self._feed.stage(rows)

    def switch(
        self,
        heads: Sequence[Cursor],
        server_epoch: str,
        digests: Sequence[Digest] = (),
        repaired: Sequence[Key] = (),
    ) -> int:
        """Make the staged rows visible and take ``heads`` as cursors, in one transaction.

        Scopes that are not in ``heads`` lose their rows; of the (scope, kind) in ``repaired`` only staged
        rows stay. ``digests`` is what the server says of it then. Returns how many rows changed.
        """
        changed = self._feed.switch(heads, server_epoch, digests, repaired)
        if self._base is not None:
            self._put_base_in_force()
        self._now = Snapshot(self._reader_db, self._feed.generation)
        for listener in list(self._listeners):
            listener()
        return changed

    def abandon(self) -> None:
        """Discard the running transfer, if any."""
        if self._in_force is not None:
            self.drop_base()
        self._feed.discard()

    def clean(self, limit: int = CHUNK) -> bool:
        """Remove up to ``limit`` rows that no generation shows; True while there are more. From any thread."""
        with self._cleaning:
            return self._feed.clean(limit)

    def count_ahead(self) -> None:
        """Count the products beside the readers, so that no screen waits for it after a switch."""
        with self._cleaning:
            self._now.count("product", self._writer_db)

    # -- is it what it should be? ------------------------------------------------------------

    def differing(self) -> tuple[Key, ...]:
        """(scope, kind) of which what was written is not what the server said."""
        return () if self._base is not None else self._feed.differing()

    def audit(self, limit: int = 500) -> tuple[Key, ...] | None:
        """Look at ``limit`` rows more of those that are stored; None while that is not the last of them,
        else the (scope, kind) that differ from what the server said.

        ``sqlite3.DatabaseError`` where the file cannot be read: the next snapshot then goes into a new one.
        """
        if self._base is not None or not self.generation:
            return ()
        if self._audit is None or self._audit.generation != self.generation:
            self._audit = Audit(self._reader_db, self.generation)
        try:
            if not self._audit.step(limit):
                return None
            result = self._audit.result()
        except sqlite3.DatabaseError as error:
            self._broken = not isinstance(error, sqlite3.OperationalError)
            self._audit = None
            raise
        self._audit = None
        return result

    def distrust(self) -> bool:
        """What was written to is broken. True where it is the file in force: the next snapshot then goes into a
        new one."""
        if self._base is None:
            self._broken = True
        return self._base is None

    # -- snapshots ---------------------------------------------------------------------------

    def base_path(self, mark: str) -> Path:
        """Where to put the file of a snapshot; ``mark`` tells it from others."""
        if self._path is None:
            raise RuntimeError("a catalogue that is only read takes no snapshot")
        return name_for(self._path, f"{mark}-{self.generation + 1}")

    def take_base(self, file: Path, head: Cursor, server_epoch: str) -> bool:
        """Take ``file``, which is complete, as what the next transfer adds to. What is in
        force stays so until the switch. False (and the file is gone) if it is not what was promised."""
        self.drop_base()
        try:
            db = Database(file)
            configure_new(db)
            feed = FeedWriter(db)
            good = db.one("PRAGMA user_version") == (VERSION,)
            if not good or (feed.cursors(), feed.server_epoch()) != ((head,), server_epoch):
                db.close()
                raise sqlite3.DatabaseError("not the snapshot that was promised")
            self._use_base(file, db)
        except sqlite3.DatabaseError:
            remove(file)
            return False
        return True

    def _is_large(self) -> bool:
        """Whether what is in force is replaced faster by another file than row by row."""
        return self._path is not None and self._feed.is_large() and can_link(self._path.parent)

    def _begin_file(self) -> None:
        """An empty file beside the one in force."""
        in_force = self._feed
        if not self._broken:
            in_force.discard()
        file = self.base_path("new")
        self._use_base(file, prepare_new(file))
        self._in_force = None if self._broken else in_force

    def _use_base(self, file: Path, db: Database) -> None:
        """Generations go on counting: whoever remembers one must notice that it changed."""
        with db.transaction():
            db.execute("UPDATE meta SET generation = max(generation, ?)", self.generation)
        self._base, self._base_db, self._feed = file, db, FeedWriter(db)

    def drop_base(self) -> None:
        """Forget a snapshot that was taken and is not in force."""
        if self._base is None or self._base_db is None:
            return
        with self._cleaning:
            self._base_db.close()
            self._feed = FeedWriter(self._writer_db)
        remove(self._base)
        self._base = self._base_db = self._in_force = None

    def _put_base_in_force(self) -> None:
        """The old reader is not closed: whoever is reading finishes with it."""
        assert self._base is not None and self._base_db is not None and self._path is not None
        settle(self._base_db, gently=self._now.generation > 0)
        old = self._path.resolve()
        put_in_force(self._path, self._base)
        with self._cleaning:
            self._writer_db.close()
            self._writer_db, self._reader_db = self._base_db, Database(self._base)
        self._reader_db.query("SELECT generation FROM meta")
        self._base = self._base_db = self._in_force = None
        self._broken = False
        if old != self._path:
            remove(old)
        else:
            remove_logs(old)

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
