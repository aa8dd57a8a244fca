"""What a seed lets happen, and when."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stillopen.register.store.schema import MIGRATIONS
from stillopen.simulator.disk import Image, die, disk_of, io_error
from stillopen.simulator.fleet import Fleet
from stillopen.simulator.register_node import RegisterNode
from stillopen.simulator.till_process import Sold
from stillopen.simulator.wire import FINE, Weather

_YEARS = 365 * 86400.0


class Faults:
    """Schedules the faults of one run over ``span`` virtual seconds from now."""

    def __init__(self, fleet: Fleet, span: float, only: tuple[str, ...] = ()) -> None:
        self.only = only
        self.fleet, self.world, self.span = fleet, fleet.world, span
        self.rng = fleet.world.rng
        self.images: dict[str, tuple[Image, dict[str, Sold]]] = {}
        self._copies = 0

    def schedule(self, count: int) -> None:
        """``count`` faults at random times; and the weather of each line."""
        for node in self.fleet.nodes.values():
            node.wire.weather = self._weather()
            if self.world.chance(0.15):
                node.wrong = self.rng.choice((-1, 1)) * self.rng.uniform(1, 9) * _YEARS
        names = [name for name in _WEIGHTS if not self.only or name in self.only]
        chosen = self.rng.choices(names, [_WEIGHTS[name] for name in names], k=count)
        for name in chosen:
            self._at(self.rng.uniform(0.05, 0.9) * self.span, getattr(self, name))

    def _at(self, seconds: float, action: Callable[[], object]) -> None:
        self.world.after(seconds, action)

    def _fault_at(self, seconds: float, action: Callable[[], object]) -> None:
        """The same for what must not happen any more once the faults are over."""

        def act() -> None:
            if not self.fleet.server.settling:
                action()

        self._at(seconds, act)

    def _weather(self) -> Weather:
        rng = self.rng
        if self.world.chance(0.3):
            return FINE
        slow = rng.choice((0.1, 1.0, 8.0))
        return Weather(
            latency=(0.02, slow),
            loss=rng.choice((0.0, 0.05, 0.3)),
            repeat=rng.choice((0.0, 0.1)),
            late=rng.choice((0.0, 0.05)),
            truncate=rng.choice((0.0, 0.05)),
        )

    def _node(self) -> RegisterNode | None:
        running = list(self.fleet.running)
        return self.rng.choice(running) if running else None

    def _untrapped(self) -> RegisterNode | None:
        """One that is not about to die: what is done to its files is not done by its program."""
        node = self._node()
        if node is not None:
            disk_of(node.folder).disarm()
        return node

    # -- the line ----------------------------------------------------------------------------

    def cut(self) -> None:
        self._cut(True, True)

    def cut_one_way(self) -> None:
        up = self.world.chance(0.5)
        self._cut(up, not up)

    def _cut(self, up: bool, down: bool) -> None:
        node = self._node()
        if node is None:
            return
        self.fleet.cut(node.name, up, down)
        self._at(self.rng.expovariate(1 / 1800), lambda: self.fleet.mend(node.name))

    def all_return_at_once(self) -> None:
        for node in self.fleet.running:
            self.fleet.cut(node.name)

        def back() -> None:
            self.world.fault("all_returned_at_once")
            for node in self.fleet.nodes.values():
                self.fleet.mend(node.name)

        self._at(self.rng.uniform(600, 5400), back)

    # -- tills -------------------------------------------------------------------------------

    def kill(self) -> None:
        """At some statement of whatever it does next."""
        node = self._node()
        if node is not None:
            disk_of(node.folder).set_trap(self.rng.randint(0, 40), lambda _: die("kill -9"))

    def power_cut(self) -> None:
        node = self._untrapped()
        if node is not None:
            node.kill(power_cut=True)
            node.restart_later()

    def restart(self) -> None:
        node = self._untrapped()
        if node is not None:
            self.world.fault("restarted")
            node.say("is shut down")
            node.stop()
            node.restart_later()

    def failed_fsync(self) -> None:
        """The next commit that is reached fails; it may or may not be on the disk."""
        node = self._node()
        if node is None:
            return

        def spring(ended: bool) -> None:
            self.world.fault("failed_fsync")
            raise io_error("disk I/O error", sqlite3.SQLITE_IOERR_FSYNC)

        disk_of(node.folder).set_trap(self.rng.randint(0, 5), spring, only="COMMIT")

    def full_disk(self) -> None:
        node = self._untrapped()
        if node is None or node.till is None:
            return
        life = node.life
        for name in ("journal.db", "catalogue.db"):
            pages = node.fill_disk(name)
        node.say(f"has a full disk at {pages} pages")

        def free() -> None:
            if node.life == life and node.running:
                disk_of(node.folder).disarm()  # this is not the till's own doing either
                node.free_disk()
                node.wake()

        self._at(self.rng.uniform(60, 1800), free)

    def busy(self) -> None:
        """Another program holds the journal's lock for a while."""
        node = self._untrapped()
        if node is None or node.till is None:
            return
        node.till.journal.db.query("PRAGMA busy_timeout = 0")
        other = sqlite3.connect(node.folder / "journal.db", isolation_level=None, timeout=0)
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # it is locked already
            other.close()
            return
        node.say("finds its journal locked")

        def unlock() -> None:
            with suppress(sqlite3.Error):
                other.execute("ROLLBACK")
            other.close()

        self._at(self.rng.uniform(10, 400), unlock)

    def cache_cleared(self) -> None:
        """A person lets the till fetch the whole catalogue again; it may lose its power over that."""
        node = self._untrapped()
        if node is None or node.engine is None:
            return
        self.world.fault("cache_cleared")
        node.say("has its cache cleared")
        node.engine.look_for_news(snapshot=True)
        node.wake()
        life = node.life

        def lose_power() -> None:
            if node.life == life and node.running:
                node.kill(power_cut=True)
                node.restart_later()

        if self.world.chance(0.6):
            self._fault_at(self.rng.uniform(0.05, 5.0), lose_power)

    def flip_bits(self) -> None:
        """In the stored bytes of an entry that has not been sent yet."""
        node = self._untrapped()
        if node is not None and not node.awaits_answer and node.flip_bits():
            self._poison(node)

    def _poison(self, node: RegisterNode) -> None:
        self.world.fault("flipped_bits")
        assert node.flipped is not None
        self.fleet.oracle.poisoned[node.flipped] = "bad_hash"

    def old_client(self) -> None:
        node = self._node()
        if node is None:
            return
        node.protocol = self.rng.choice(((0, 0), (7, 9)))
        node.say(f"speaks protocol {node.protocol}")
        self.world.fault("old_client" if node.protocol == (0, 0) else "newer_client")

        def upgraded() -> None:
            node.protocol = None
            node.poke()

        self._at(self.rng.uniform(300, 5400), upgraded)

    def migration(self) -> None:
        """The till was still on the first version of its file: it is upgraded with what is unsent."""
        node = self._untrapped()
        if node is None or node.till is None or len(node.till.journal.identity.epochs()) != 1:
            return
        if node.is_purged:  # the first version could not
            return
        unsent = node.till.journal.sending.unsent().count
        acked = node.till.journal.sending.ack().seq
        node.stop()
        write_first_version(node.folder / "journal.db", acked)
        node.say(f"is upgraded from the first version with {unsent} unsent entries")
        self.world.fault("migrated_unsent" if unsent else "migrated")
        node.boot()

    # -- lineage -----------------------------------------------------------------------------

    def stale_restore(self) -> None:
        """An image is taken now and comes back later."""
        node = self._node()
        if node is None:
            return
        image = node.image()
        node.say("has its disk imaged")

        def restore() -> None:
            if not node.destroyed:
                self.world.fault("stale_restore")
                self.fleet.restore_disk(node.name, image)

        self._fault_at(self.rng.uniform(300, 9000), restore)

    def clone(self) -> None:
        node = self._node()
        if node is None or self._copies >= 2:
            return
        self._copies += 1
        number = 1 + sum("copy" in name for name in self.fleet.nodes)  # of earlier days, too
        same = self.world.chance(0.5)
        self.world.fault("clone_same_machine" if same else "clone_other_machine")
        copy = self.fleet.copy(node.name, f"{node.name}copy{number}", same)
        copy.wire.weather = self._weather()
        self.keep_selling(copy)

    def keep_selling(self, node: RegisterNode) -> None:
        """A few more sales at a till that came later."""
        for _ in range(self.rng.randint(1, 6)):
            self._at(self.rng.uniform(60, 9000), lambda: self.fleet.sell(node.name))

    def server_backup_and_restore(self) -> None:
        backup = self.fleet.server.backup()
        raised = self.world.chance(0.7)

        def restore() -> None:
            if backup is not None:
                self.world.fault("server_restore" if raised else "server_restore_same_epoch")
                self.fleet.server.restore(backup, raised)

        self._fault_at(self.rng.uniform(300, 9000), restore)

    def purge(self) -> None:
        """The Back Office is backed up twice; some time later every till that is in touch with it forgets what
        it may."""
        for seconds in (0.0, self.rng.uniform(300, 3600)):
            self._at(seconds, self.fleet.server.backup)

        def forget() -> None:
            for node in filter(self.fleet.is_in_touch, list(self.fleet.running)):
                disk_of(node.folder).disarm()
                node.purge()

        self._fault_at(self.rng.uniform(3600, 9000), forget)

    def both_restored(self) -> None:
        """The same night, from the same evening's backups."""
        node = self._node()
        backup = self.fleet.server.backup()
        if node is None or backup is None:
            return
        disk = node.image()

        def restore() -> None:
            self.world.fault("both_restored")
            self.fleet.server.restore(backup, True)
            if not node.destroyed:
                self.fleet.restore_disk(node.name, disk)

        self._fault_at(self.rng.uniform(300, 9000), restore)

    def replaced(self) -> None:
        """Revoked and replaced; the old device may be heard of again, or is destroyed."""
        node = self._node()
        if node is None or not self.fleet.server.up or "new" in node.name:
            return
        server = self.fleet.server
        if server.register(node.position).state != "active":
            return
        if not server.attempt(lambda: server.revoke(node.position)):
            return
        self.world.fault("revoked")
        node.poke()
        keys: list[str] = []
        if self.world.chance(0.5):
            server.attempt(lambda: keys.append(server.new_key(node.position)))
        if keys:
            self._replace(node, keys[0])

    def _replace(self, node: RegisterNode, key: str) -> None:
        fleet = self.fleet
        self.world.fault("replaced")
        if self.world.chance(0.3):
            fleet.destroy(node.name)
        name = f"{node.position}new{len(fleet.nodes)}"
        fresh = fleet.add_register(name, node.position)
        fleet.server.attempt(lambda: fleet.activate(fresh.name, key))
        self.keep_selling(fresh)

    def moved(self) -> None:
        node = self._node()
        if node is not None and self.fleet.server.up:
            self.fleet.oracle.moved.add(node.position)
            store = self.rng.choice(("S1", "S2"))
            if self.fleet.server.attempt(lambda: self.fleet.server.move(node.position, store)):
                self.world.fault("moved")
                node.poke()

    # -- the server --------------------------------------------------------------------------

    def snapshots_deleted(self) -> None:
        if self.fleet.server.lose_files():
            self.world.fault("snapshots_deleted")

    def second_process(self) -> None:
        self.fleet.server.add_process()

    def server_kill(self) -> None:
        self.fleet.server.set_kill(self.rng.randint(0, 60))

    def server_io_error(self) -> None:
        self.fleet.server.set_failure(self.rng.randint(0, 60), "disk I/O error")

    def server_full_disk(self) -> None:
        if self.fleet.server.up:
            self._at(self.rng.uniform(60, 1800), self.fleet.server.fill_disk())

    def server_busy(self) -> None:
        if self.fleet.server.up:
            with suppress(sqlite3.OperationalError):
                self._at(self.rng.uniform(5, 120), self.fleet.server.lock_database())


_WEIGHTS = {
    "cut": 5, "cut_one_way": 5, "all_return_at_once": 1,
    "kill": 6, "power_cut": 3, "restart": 1, "failed_fsync": 2, "full_disk": 2, "busy": 1,
    "flip_bits": 2, "old_client": 1, "migration": 1, "cache_cleared": 2,
    "stale_restore": 2, "clone": 2, "server_backup_and_restore": 2, "both_restored": 1,
    "purge": 3, "replaced": 2, "moved": 1, "second_process": 2,
    "server_kill": 4, "server_io_error": 3, "server_full_disk": 1, "server_busy": 2, "snapshots_deleted": 1,
}  # fmt: skip


def write_first_version(path: Path, acked: int) -> None:
    """Rewrite the journal as version 1 of its schema had it; ``acked`` was kept in the send state then."""
    old = path.with_name("journal.v1")
    db = sqlite3.connect(old, isolation_level=None)
    db.executescript(MIGRATIONS[0])
    db.execute("ATTACH ? AS now", (str(path),))
    tables = [r[0] for r in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
    db.execute("BEGIN")
    for table in tables:
        columns = ", ".join(r[1] for r in db.execute(f"PRAGMA main.table_info({table})"))
        db.execute(f"DELETE FROM main.{table}")
        db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table}")
    db.execute(
        "UPDATE main.send_state SET body = CAST(json_set(CAST(body AS TEXT), '$.acked_seq', ?) AS BLOB)",
        (acked,),
    )
    db.execute("COMMIT")
    db.execute("PRAGMA main.user_version = 1")
    db.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    old.replace(path)
