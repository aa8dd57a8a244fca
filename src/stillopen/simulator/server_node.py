"""The Back Office of a run: real Django on a real SQLite file, called without HTTP."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import django.db
from django.conf import settings
from django.db import connection, connections

from stillopen.backoffice.accounts.models import Account, Employee, Store
from stillopen.backoffice.backups import keeping
from stillopen.backoffice.backups.making import make_backup
from stillopen.backoffice.backups.manifest import backups_in, read_manifest
from stillopen.backoffice.catalogue import verbs as catalogue
from stillopen.backoffice.catalogue.models import Product
from stillopen.backoffice.catalogue.publishing import publish_drafts
from stillopen.backoffice.devices import verbs as devices
from stillopen.backoffice.devices.activation import activate
from stillopen.backoffice.devices.epochs import forget_labels
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed import offers, snapshot_files
from stillopen.backoffice.feed.epoch import set_server_epoch
from stillopen.backoffice.home import database_settings
from stillopen.backoffice.ingest import known
from stillopen.backoffice.ingest.models import ExceptionItem
from stillopen.backoffice.ingest.receive import exchange
from stillopen.backoffice.ingest.refused import Refused
from stillopen.backoffice.ingest.retry import retry_exception, retry_register
from stillopen.backoffice.ingest.store import Device
from stillopen.backoffice.sync_api.snapshots import read_part
from stillopen.backoffice.worker.worker import Worker
from stillopen.domain.errors import DomainError
from stillopen.simulator.disk import Image, put_image, take_image
from stillopen.simulator.transcript import brief
from stillopen.simulator.wire import Answer
from stillopen.simulator.world import Killed, World
from stillopen.sync.messages import ActivateAnswer, ActivateRequest

FILE = "backoffice.db"
WORK = (2.0, 900.0)  # seconds until the worker looks for what is due: most looks are elided
#: The same at most, once the faults are over: an exchange may give it work again, and that another.
SETTLING = 600.0
REBOOT = (1.0, 20.0)  # seconds that a killed server is away
KEPT = 2  # backups; a third makes the oldest go
#: Rows that are worth a snapshot file, for a till that has nothing and for one that is behind.
_WORTH = (5, 3)


def point_django(folder: Path) -> None:
    """Make the SQLite file in ``folder`` Django's database. It never waits for a lock: time stands still."""
    connections.close_all()
    known.forget_all()
    database: dict[str, Any] = database_settings(folder, "")
    database["OPTIONS"] = {**database["OPTIONS"], "timeout": 0, "cached_statements": 512}
    connections.settings = connections.configure_settings({"default": database})
    with suppress(AttributeError):
        del connections["default"]


class Trap:
    """Springs at a statement of the server's: ``left`` statements from now."""

    def __init__(self) -> None:
        self.left = 0
        self.spring: Callable[[], None] | None = None

    def set(self, statements: int, spring: Callable[[], None]) -> None:
        self.left, self.spring = statements, spring

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        # Rolling back fails on no disk.
        if not sql.startswith("ROLLBACK"):
            self.left -= 1
            if self.left < 0 and self.spring is not None:
                spring, self.spring = self.spring, None
                spring()
        return execute(sql, params, many, context)


class ServerNode:
    """``watch`` hears of each exchange right after it; the oracle sits there."""

    def __init__(self, world: World, template: Path) -> None:
        self.world = world
        self.folder = world.folder / "backoffice"
        put_image(self.folder, Image({FILE: (template / FILE).read_bytes()}))
        point_django(self.folder)
        self.offers_files = False
        self.account = Account.objects.get()
        self.up = True
        #: What each of the server's processes remembers. The one that answers has its memory in force.
        self._memories: list[dict[str, Device]] = [{}]
        self._serving = 0
        self.life = 0  # counts how often the file was opened anew
        self.changes = 0  # counts publications, revocations, restored files: what a poll finds out
        self.trap = Trap()
        self.back: list[Callable[[], None]] = []
        self.watch: list[Callable[[str, str, Answer], None]] = []
        self.restored: list[Callable[[], None]] = []
        self.published: list[Callable[[], None]] = []
        self.worked: list[Callable[[], None]] = []
        self._worker = Worker()
        self._work_due = False
        self.settling = False

    # -- exchanges ---------------------------------------------------------------------------

    def handle(self, who: str, proof: str, body: bytes) -> Answer | None:
        if not self.up:
            self.world.say("server", f"is down; {who} gets no answer")
            return None
        self._take_turns()
        try:
            with self._trapped():
                answer = self._exchange(proof, body)
        except Killed:
            self.die()
            return None
        words = f"answers {who} {answer.status} {answer.code or brief(answer.body)}"
        self.world.say("server", words)
        for watcher in self.watch:
            watcher(who, proof, answer)
        return answer

    # -- snapshot files ----------------------------------------------------------------------

    @contextmanager
    def offering_files(self) -> Iterator[None]:
        """Inside, so small a shop has snapshot files; they lie beside the database."""
        before = settings.DIR, offers.worth, offers.far_behind
        settings.DIR, offers.worth, offers.far_behind = self.folder, *_WORTH
        self.offers_files = True
        try:
            yield
        finally:
            self.offers_files = False
            settings.DIR, offers.worth, offers.far_behind = before

    def lose_files(self) -> bool:
        """Somebody deletes what can be made again; whether there was anything."""
        files = snapshot_files.files(str(self.account.id)) if self.offers_files else []
        for file in files:
            file.path.unlink()
        if files:
            self.world.say("server", f"loses {len(files)} snapshot files")
        return bool(files)

    def hand_out(self, who: str, proof: str, name: str, first: int, last: int) -> Answer | None:
        """A part of a snapshot file, as the answer to ``GET /sync/v1/snapshot/<name>``."""
        if not self.up:
            self.world.say("server", f"is down; {who} gets no part of a file")
            return None
        self._take_turns()
        register, signature, nonce = proof.split(":")
        try:
            with self._trapped():
                body, _ = read_part(
                    register, bytes.fromhex(signature), bytes.fromhex(nonce), name, first, last
                )
        except Killed:
            self.die()
            return None
        except Refused as refused:
            self.world.say("server", f"refuses {who} a part of a file: {refused.code}")
            return Answer(refused.status, b"", refused.code, refused.retry_after)
        self.world.say("server", f"hands {who} bytes {first}–{first + len(body) - 1}")
        return Answer(206, body)

    # -- processes ---------------------------------------------------------------------------

    def add_process(self) -> None:
        """Another one serves beside those that do, on the same file; whoever is free answers."""
        self._memories.append({})
        self.world.say("server", f"has {len(self._memories)} processes")

    def _take_turns(self) -> None:
        if len(self._memories) == 1:
            return
        chosen = self.world.rng.randrange(len(self._memories))
        if chosen != self._serving:
            self.world.fault("another_process_answers")
            self._memories[self._serving] = known.exchange_memory(self._memories[chosen])
            self._serving = chosen

    def _forget(self) -> None:
        """All processes begin anew."""
        known.forget_all()
        self._memories = [{} for _ in self._memories]

    def work_soon(self) -> None:
        """Something may be due for the worker."""
        if not self._work_due:
            self._work_due = True
            most = SETTLING if self.settling else WORK[1]
            self.world.after(self.world.rng.uniform(WORK[0], most), self._work)

    def _work(self) -> None:
        """What the worker process does when it looks: everything that is due."""
        self._work_due = False
        if not self.up:
            return
        did = False
        try:
            while self._worker.step(self.world.now()):
                did = True
        except django.db.Error as error:
            self.world.say("server", f"the worker stumbles over {error}")
            self.work_soon()
        if did:
            for watcher in self.worked:
                watcher()

    @property
    def busy(self) -> bool:
        return self._work_due

    def _exchange(self, proof: str, body: bytes) -> Answer:
        register, _, signature = proof.partition(":")
        try:
            data = exchange(register, body, bytes.fromhex(signature), self.world.now())
        except Refused as refused:
            return Answer(refused.status, b"", refused.code, refused.retry_after)
        return Answer(200, data)

    @contextmanager
    def _trapped(self) -> Iterator[None]:
        if self.trap.spring is None:
            yield
            return
        with connection.execute_wrapper(self.trap):
            yield

    def activate(self, request: ActivateRequest) -> ActivateAnswer:
        """Raises ``DomainError offline`` while the server is down."""
        if not self.up:
            raise DomainError("offline", "The Back Office cannot be reached.")
        return activate(request, self.world.now())

    # -- faults ------------------------------------------------------------------------------

    def die(self) -> None:
        """The process ends where it is; what was committed is on the disk. Another one goes on."""
        self.world.fault("server_killed")
        if len(self._memories) > 1:
            self.world.say("server", "loses the process that answered")
            self.trap = Trap()
            connections.close_all()
            known.forget_all()
            return
        self.world.say("server", "is killed")
        self.stop()
        self.world.after(self.world.rng.uniform(*REBOOT), self.start)

    def stop(self) -> None:
        """End the process where it is: closing its connections would tidy up its files."""
        image = take_image(self.folder)
        self.close()
        put_image(self.folder, image)

    def close(self) -> None:
        """End the process; nobody looks at its files again."""
        self.up = False
        self.trap = Trap()
        connections.close_all()
        self._forget()

    def start(self) -> None:
        if not self.up:
            self.up = True
            self.life += 1
            self.changes += 1
            self._worker = Worker()
            self.work_soon()
            self.world.say("server", "is up again")
            for watcher in self.back:
                watcher()

    def set_kill(self, statements: int) -> None:
        def spring() -> None:
            raise Killed("server")

        self.trap.set(statements, spring)

    def set_failure(self, statements: int, words: str) -> None:
        """One statement fails as on a failing disk."""

        def spring() -> None:
            self.world.fault("server_io_error")
            raise django.db.OperationalError(words)

        self.trap.set(statements, spring)

    def fill_disk(self) -> Callable[[], None]:
        """No page more fits; returns what makes room again."""
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA page_count")
            pages = cursor.fetchone()[0]
            cursor.execute(f"PRAGMA max_page_count = {pages}")
        self.world.say("server", f"has a full disk at {pages} pages")

        def free() -> None:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA max_page_count = 1073741823")
            self.world.say("server", "has room again")

        return free

    def lock_database(self) -> Callable[[], None]:
        """Somebody else writes for a while; returns what ends it."""
        other = sqlite3.connect(self.folder / FILE, isolation_level=None, timeout=0)
        other.execute("BEGIN IMMEDIATE")
        self.world.say("server", "is locked by another writer")

        def unlock() -> None:
            with suppress(sqlite3.Error):
                other.execute("ROLLBACK")
            other.close()

        return unlock

    def backup(self) -> Path | None:
        """As ``backoffice backup`` does it, with the newest :data:`KEPT` staying; where its manifest is.
        None where that was not possible now."""
        if not self.up:
            return None
        try:
            made = make_backup(self.backups, KEPT, False, self.world.now())
        except (django.db.Error, sqlite3.Error, DomainError) as error:
            self.world.say("server", f"cannot be backed up: {error}")
            return None
        self.world.say("server", "is backed up")
        return made.path

    @property
    def backups(self) -> Path:
        return self.world.folder / "backups"

    def restore(self, backup: Path, raise_epoch: bool = True) -> None:
        """Put ``backup`` back, or the oldest that is still kept; ``raise_epoch``: with the command for it."""
        if not backup.exists():
            backup = backups_in(self.backups)[-1][0]
        manifest = read_manifest(backup)
        assert manifest is not None
        connections.close_all()
        self._forget()
        put_image(self.folder, Image({FILE: (self.backups / manifest.file).read_bytes()}))
        if raise_epoch:
            set_server_epoch(self.world.bytes.randbytes(16).hex())
            forget_labels()
            keeping.adopt(self.backups, manifest)
            keeping.look_after(self.world.now())
        self.up = True
        self.life += 1
        self.changes += 1
        self._worker = Worker()
        self.work_soon()
        how = "with a new server epoch" if raise_epoch else "without anybody saying so"
        self.world.say("server", f"is restored from a backup, {how}")
        for watcher in self.restored:
            watcher()

    def attempt(self, action: Callable[[], object]) -> bool:
        """What a person does there; False where the server is down or cannot."""
        if not self.up:
            return False
        try:
            action()
        except django.db.Error as error:
            self.world.fault("server_refused_a_person")
            self.world.say("server", f"cannot: {error}")
            return False
        return True

    # -- people ------------------------------------------------------------------------------

    def register(self, name: str) -> Register:
        return Register.objects.select_related("store", "account").get(name=name)

    def new_key(self, name: str) -> str:
        return devices.new_license_key(self.register(name), None)

    def revoke(self, name: str) -> None:
        devices.revoke(self.register(name), None)
        self.changes += 1
        self.world.say("server", f"revokes {name}")

    def move(self, name: str, store: str) -> None:
        """To another store: no screen does it yet, the row does."""
        row = self.register(name)
        Register.objects.filter(id=row.id).update(
            store=Store.objects.get(account=self.account, code=store)
        )
        self.changes += 1
        self.world.say("server", f"moves {name} to {store}")

    def change_price(self, sku: str, price: int) -> None:
        product = Product.objects.select_related("account").get(sku=sku)
        catalogue.change_product(product, {"price": price}, None)

    def stop_product(self, sku: str, stopped: bool) -> None:
        product = Product.objects.get(sku=sku)
        catalogue.stop_products(self.account, [product.id], stopped, None)
        self._published(f"{sku} is {'sold out' if stopped else 'there again'}")

    def publish(self) -> None:
        done = publish_drafts(self.account, None, "simulator")
        self._published(f"publication {done.number} of {done.records} records")

    def _published(self, words: str) -> None:
        self.changes += 1
        self.world.say("server", f"publishes: {words}")
        for watcher in self.published:
            watcher()

    def say_yes(self) -> int:
        """A person looks at all exceptions: what waits for a yes gets it. Returns how many."""
        waiting = ExceptionItem.objects.filter(resolved_at=None, code="after_revocation")
        ids = list(waiting.order_by("created_at", "id").values_list("id", flat=True))
        for item in ids:
            retry_exception(self.account.id, item, self.world.now())
        self.changes += 1
        return len(ids)

    def retry(self, name: str) -> None:
        retry_register(self.register(name).id, self.world.now())

    def employee(self) -> Employee:
        return Employee.objects.order_by("code").first() or Employee()
