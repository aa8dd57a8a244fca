"""The program of a till on its disk: it starts, is killed at any statement, and its disk fails it."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from stillopen.domain.errors import DomainError
from stillopen.register import keys
from stillopen.register.store.database import Database
from stillopen.register.store.disk import Room
from stillopen.register.store.entries import Head
from stillopen.register.store.journal import FILE as JOURNAL
from stillopen.register.till import Till
from stillopen.register.usecases.purge import is_purged, purge
from stillopen.simulator import disk
from stillopen.simulator.disk import Image, disk_of, put_image, take_image
from stillopen.simulator.world import Killed, SimClock, World

REBOOT = (5.0, 90.0)  # seconds that a killed till is away


class Sold(NamedTuple):
    """A sale that a customer saw as paid. ``quantities``: product id → pieces."""

    id: str
    number: str
    total: int
    quantities: dict[str, int]


class TillProcess:
    """``paid`` is what customers saw of this very disk: it goes into images with it."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.folder = world.folder / name
        self.machine = world.bytes.randbytes(16).hex()
        self.wrong = 0.0  # seconds that the device's clock is off
        self.paid: dict[str, Sold] = {}
        self.places: dict[str, Head] = {}  # sale → its entry in the journal
        self.destroyed = False
        self.life = 0  # counts the starts of its process
        self.till: Till | None = None
        self.flipped: bytes | None = None  # hash of the entry that was broken last
        #: What on_disk() has read: in which life, up to which row, and the ids up to there.
        self._sales: tuple[int, int, set[str]] = (0, 0, set())
        self.booted: list[Callable[[], None]] = []
        self.purged: list[Callable[[], None]] = []

    @property
    def running(self) -> bool:
        return self.till is not None

    @property
    def epoch(self) -> str:
        """The epoch in force."""
        return self.till.journal.head().epoch if self.till is not None else ""

    def say(self, words: str) -> None:
        self.world.say(self.name, words)

    # -- life --------------------------------------------------------------------------------

    def make_device(self) -> None:
        """A new disk, with a key of its own."""
        self.folder.mkdir(parents=True)
        device = keys.Device(
            private_key=self.world.bytes.randbytes(32), fingerprint=self.machine, name=self.name
        )
        keys.save_device(self.folder, device)

    def boot(self) -> None:
        """Start the program on what lies on the disk."""
        if self.running or self.destroyed:
            return
        self.life += 1
        try:
            self._open()
        except Killed as killed:
            return self._died(killed)
        except sqlite3.OperationalError as error:  # another program holds the lock
            self.world.fault("busy")
            self.say(f"cannot start: {error}")
            self._gone()
            return self.restart_later()
        self.say("starts")
        for watcher in self.booted:
            watcher()
        self.begin()

    def begin(self) -> None:
        """What the program does once it is open."""

    def _open(self) -> None:
        clock = SimClock(self.world, self.wrong)
        room = Room(self.folder, reserve=0, ballast=0)
        self.till = Till.open(self.folder, clock, room, self.machine, self._fatal)

    def _fatal(self, reason: str) -> None:
        self.say(f"stops: {reason}")
        raise Killed(reason)

    def stop(self) -> None:
        """End the program in good order."""
        if self.till is not None:
            self.till.close()
        self._gone()

    def _gone(self) -> None:
        self.till = None
        disk_of(self.folder).disarm()

    def kill(self, power_cut: bool = False) -> None:
        """End it where it is; ``power_cut``: and lose what was never flushed."""
        if self.till is None:
            return
        image = take_image(self.folder)
        if power_cut:
            self._lose(image)
        with suppress(sqlite3.Error):
            self.till.close()
        put_image(self.folder, image)
        self._gone()

    def _lose(self, image: Image) -> None:
        assert self.till is not None
        full = self.till.journal.db.query("PRAGMA synchronous")[0][0]
        lost = 0
        for wal in [name for name in image.files if name.endswith("-wal")]:
            name = wal.removesuffix("-wal")
            # What can be fetched again is flushed now and then.
            level = full if name == JOURNAL else 1
            lost += disk.lose_unsynced(self.folder, image, name, level, self.world.rng)
        self.world.fault("power_cut")
        if disk.lose_files(image, self.world.rng):
            self.world.fault("unflushed_files_cut")
        if lost:
            self.world.fault("unsynced_lost")
        self.say(f"loses its power, and {lost} frames")

    def _died(self, killed: Killed) -> None:
        """The process ended by itself, in the middle of something."""
        self.world.fault("killed")
        self.say(f"is killed ({killed})")
        self.kill(power_cut=self.world.chance(0.3))
        self.restart_later()

    def restart_later(self) -> None:
        self.world.after(self.world.rng.uniform(*REBOOT), self.boot)

    def guarded(self, action: Callable[[], None]) -> None:
        """Do ``action`` in the till's process; a kill ends only that."""
        try:
            action()
        except Killed as killed:
            self._died(killed)

    def _try(self, action: Callable[[], None]) -> bool:
        """False where the till refuses, with a line of the transcript."""
        try:
            action()
        except DomainError as error:
            if error.code == "disk_full":
                self.world.fault("disk_full")
            self.say(f"refuses: {error.code}")
            return False
        except sqlite3.OperationalError as error:
            self.world.fault("busy")
            self.say(f"cannot: {error}")
            return False
        return True

    # -- what lies on its disk ---------------------------------------------------------------

    def purge(self) -> None:
        """Forget everything that may be forgotten, however young it is."""

        def go() -> None:
            assert self.till is not None
            gone = sum(purge(self.till, 0))
            if gone:
                self.world.fault("purged")
                self.say(f"forgets {gone} entries that every backup holds")

        def forget() -> None:
            self._try(go)

        self.guarded(forget)
        if self.till is not None:
            for watcher in self.purged:
                watcher()

    def has_purged(self, sale: str) -> bool:
        """Whether the entry of ``sale`` lies below an anchor of this disk."""
        assert self.till is not None
        place = self.places.get(sale)
        return place is not None and place.seq <= self.till.journal.entries.anchor(place.epoch)[0]

    @property
    def is_purged(self) -> bool:
        return self.till is not None and is_purged(self.till)

    def made_here(self) -> set[str]:
        """Ids of all sales of this disk, also those that nobody was told of, or that were purged."""
        return self.on_disk() | self.paid.keys()

    def on_disk(self) -> set[str]:
        """Ids of the sales in the journal, also those that nobody was told of."""
        assert self.till is not None
        life, last, ids = self._sales
        if life != self.life:  # the file may be another one
            last, ids = 0, set()
        rows = self.till.journal.db.query(
            "SELECT rowid, id FROM entry WHERE kind = 'sale' AND rowid > ? ORDER BY rowid", last
        )
        ids.update(row[1] for row in rows)
        self._sales = (self.life, rows[-1][0] if rows else last, ids)
        return ids

    # -- what happens to its disk --------------------------------------------------------------

    def fill_disk(self, name: str) -> int:
        """No page more fits into the file ``name``; how many there are."""
        assert self.till is not None
        db = self._database(name)
        pages = int(db.query("PRAGMA page_count")[0][0])
        db.query(f"PRAGMA max_page_count = {pages}")
        return pages

    def free_disk(self) -> None:
        for name in ("journal.db", "catalogue.db"):
            self._database(name).query("PRAGMA max_page_count = 1073741823")

    def _database(self, name: str) -> Database:
        assert self.till is not None
        return self.till.journal.db if name == "journal.db" else self.till.catalogue._writer_db

    def lose_below(self, seq: int) -> None:
        """The entries before ``seq`` of the epoch in force are gone from the disk."""
        assert self.till is not None
        with self.till.journal.transaction() as db:
            db.execute("DELETE FROM entry WHERE epoch = ? AND seq < ?", self.epoch, seq)
        self._sales = (0, 0, set())
        self.paid = {sale: self.paid[sale] for sale in self.paid if sale in self.on_disk()}
        self.say(f"has lost its entries below {seq}")

    def flip_bits(self) -> bool:
        """One bit of the last unsent entry of the epoch in force, or of one of its hashes; whether there was one."""
        assert self.till is not None
        journal = self.till.journal
        rows = journal.db.query(
            "SELECT seq, hash, prev_hash, body FROM entry WHERE epoch = ? AND seq > ?"
            " ORDER BY seq DESC LIMIT 1",
            journal.head().epoch,
            journal.sending.ack().seq,
        )
        if not rows:
            return False
        seq, *stored = rows[0]
        column = self.world.rng.choice(("hash", "prev_hash", "body", "body"))
        broken = bytearray(stored[("hash", "prev_hash", "body").index(column)])
        broken[self.world.rng.randrange(len(broken))] ^= 1 << self.world.rng.randrange(8)
        with journal.transaction() as db:
            db.execute(
                f"UPDATE entry SET {column} = ? WHERE epoch = ? AND seq = ?",
                bytes(broken),
                journal.head().epoch,
                seq,
            )
        self.flipped = bytes(broken) if column == "hash" else stored[0]
        for sale, place in self.places.items():
            if place.hash == stored[0]:
                self.places[sale] = Head(place.epoch, place.seq, self.flipped)
        self.say(f"has a flipped bit in the {column} of entry {seq}")
        return True

    # -- images ------------------------------------------------------------------------------

    def image(self) -> tuple[Image, dict[str, Sold]]:
        """What lies on the disk now, the program may be running."""
        return take_image(self.folder), dict(self.paid)

    def restore(self, image: tuple[Image, dict[str, Sold]]) -> None:
        """The disk is as it was then."""
        self.kill()
        put_image(self.folder, image[0])
        self.paid = dict(image[1])
