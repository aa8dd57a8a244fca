"""One till of a run: real stores, real use cases, the real engine; its process can die at any statement."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.ids import uuid7
from stillopen.domain.tender import Tender, TenderType
from stillopen.register import keys
from stillopen.register.session import Session
from stillopen.register.store.database import Database
from stillopen.register.store.disk import Room
from stillopen.register.store.entries import Head
from stillopen.register.syncer.engine import Engine, Heard, Prepared
from stillopen.register.till import Till
from stillopen.register.usecases.activate import activation_request, take_activation
from stillopen.register.usecases.checkout import Paid
from stillopen.register.usecases.close_register import close_register
from stillopen.register.usecases.open_register import open_register
from stillopen.register.usecases.purge import is_purged, purge
from stillopen.register.usecases.record import open_shift_id, record
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.simulator import disk
from stillopen.simulator.disk import Image, disk_of, put_image, take_image
from stillopen.simulator.server_node import ServerNode
from stillopen.simulator.transcript import brief
from stillopen.simulator.wire import Answer, Wire
from stillopen.simulator.world import Killed, SimClock, World
from stillopen.sync.codec import BadMessage, pack, unpack
from stillopen.sync.facts import SignedIn
from stillopen.sync.messages import ExchangeRequest
from stillopen.sync.proof import EXCHANGE, sign

TIMEOUT = 12.0  # seconds that a till waits for an answer
RETRY = (0.7, 3.0)
REBOOT = (5.0, 90.0)
_BUSY, _UNWELCOME = 60.0, 600.0  # most seconds between tries when refused again and again
QUIET = (1800.0, 7200.0)  # seconds from one look whether a poll would bring something to the next
FLOAT = 10_000  # minor units in the drawer


class Sold(NamedTuple):
    """A sale that a customer saw as paid. ``quantities``: product id → pieces."""

    id: str
    number: str
    total: int
    quantities: dict[str, int]


class RegisterNode:
    """``disk`` is what the tills' customers saw of this very disk: it goes into images with it."""

    def __init__(self, world: World, server: ServerNode, name: str, position: str) -> None:
        self.world, self.server = world, server
        self.name = name  # of this device; a copy has one of its own
        self.position = position  # R1: the register that it is, as the Back Office knows it
        self.folder = world.folder / name
        self.wire = Wire(world, server, name)
        self.machine = world.bytes.randbytes(16).hex()
        self.wrong = 0.0  # seconds that the device's clock is off
        self.paid: dict[str, Sold] = {}
        self.places: dict[str, Head] = {}  # sale → its entry in the journal
        self.destroyed = False
        self.went_back = False  # an older disk, and the Back Office has not answered since
        self.answered = (0.0, 0.0)  # when its last two answers counted
        self.life = 0  # counts the starts of its process
        self.till: Till | None = None
        self.engine: Engine | None = None
        self.session: Session | None = None
        self.counted = False  # whether the answer heard last was to the latest request
        self.flipped: bytes | None = None  # hash of the entry that was broken last
        self.refused = ""  # code of the last answer that was a refusal
        self._refusals = 0
        self._told: list[str] = []
        #: What on_disk() has read: in which life, up to which row, and the ids up to there.
        self._sales: tuple[int, int, set[str]] = (0, 0, set())
        self.lag = 0.01  # seconds from a sale to the exchange that sends it
        self._waiting: int | None = None  # number of the request whose answer is awaited
        self._due = False  # an exchange is scheduled
        self._speak = False  # one is to be made even if there is nothing to say
        self._changes = 0  # of the Back Office, when the latest request went out
        self._known_changes = -1  # of those, what it has told this till
        self.protocol: tuple[int, int] | None = None  # that it says it speaks; None: the truth
        self.heard: list[Callable[[RegisterNode, bytes, Heard], None]] = []
        self.stumbled: list[
            Callable[[RegisterNode, bytes], None]
        ] = []  # half-way through an answer
        self.asked: list[Callable[[str, dict[str, int]], None]] = []  # sale id, sku → pieces
        self.booted: list[Callable[[RegisterNode], None]] = []
        self.sold: list[Callable[[RegisterNode, Sold], None]] = []
        self.purged: list[Callable[[RegisterNode], None]] = []

    @property
    def running(self) -> bool:
        return self.till is not None

    @property
    def epoch(self) -> str:
        """The epoch in force."""
        return self.till.journal.head().epoch if self.till is not None else ""

    @property
    def busy(self) -> bool:
        """Whether it has something to send or to fetch, or waits for an answer."""
        if self.engine is None:
            return False
        return self._waiting is not None or self._due or self.engine.has_work()

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
        self.say("starts")
        for watcher in self.booted:
            watcher(self)
        self.guarded(self.sign_in)
        self.wake()
        self._poll()

    def _open(self) -> None:
        clock = SimClock(self.world, self.wrong)
        room = Room(self.folder, reserve=0, ballast=0)
        self.till = Till.open(self.folder, clock, room, self.machine, self._fatal)
        self._waiting, self._due, self._speak = None, False, False
        self._known_changes = -1
        if self.till.identity is not None:
            self.engine = Engine(self.till)

    def _fatal(self, reason: str) -> None:
        self.say(f"stops: {reason}")
        raise Killed(reason)

    def stop(self) -> None:
        """End the program in good order."""
        if self.till is not None:
            self.till.close()
        self._gone()

    def _gone(self) -> None:
        self.till = self.engine = self.session = None
        self._waiting = None
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
        level = self.till.journal.db.query("PRAGMA synchronous")[0][0]
        rng = self.world.rng
        lost = disk.lose_unsynced(self.folder, image, "journal.db", level, rng)
        lost += disk.lose_unsynced(self.folder, image, "catalogue.db", 1, rng)
        self.world.fault("power_cut")
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

    # -- the cashier -------------------------------------------------------------------------

    def activate(self, account: str, key: str) -> None:
        """As usecases/activate, over a line that is a function call."""
        assert self.till is not None
        answer = self.server.activate(activation_request(self.till, account, key))
        take_activation(self.till, "http://127.0.0.1", answer, False)
        self.engine = Engine(self.till)
        self.say(f"is activated as {answer.register_name}")
        self.wake()

    def sign_in(self) -> None:
        """Somebody who may do everything; without argon2, whose cost is no part of what is simulated."""
        till = self.till
        if till is None or till.identity is None:
            return
        person = next(iter(sorted(till.catalogue.employees().items())), None)
        if person is None:
            return
        session = Session(
            token="simulated",
            employee=person[0],
            code=person[1].code,
            name=person[1].name,
            role="",
            permissions=frozenset(),
        )
        till.refresh(session, person[1])
        try:
            with till.change("journal", "session"):
                fact = SignedIn(offline=self.wire.is_cut)
                record(till, "signed_in", fact, session=session, shift=open_shift_id(till))
        except (DomainError, sqlite3.OperationalError) as error:
            self.say(f"cannot sign in: {error}")
            return
        self.session = session

    def ready(self) -> bool:
        """Whether somebody is signed in and the shift is open; does what is missing, as far as it can."""
        if self.session is None:
            self.sign_in()
        if self.till is None or self.session is None:
            return False
        return self.till.journal.shift_is_open() or self._try(self.open_shift)

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

    def open_shift(self) -> None:
        assert self.till is not None and self.session is not None
        open_register(self.till, self.session, FLOAT)
        self.say("opens its shift")
        self.wake()

    def close_shift(self) -> None:
        """Count what should be there, and close."""

        def close() -> None:
            assert self.till is not None and self.session is not None
            z = close_register(self.till, self.session, FLOAT)
            self.say(f"closes its shift, Z {z.z_number}")
            self.wake()

        def when_open() -> None:
            if self.till is not None and self.session and self.till.journal.shift_is_open():
                self._try(close)

        self.guarded(when_open)

    def sell(self, sale_id: str, lines: dict[str, int]) -> bool:
        """One sale of sku → pieces; the same id again must answer the same receipt."""
        if not self.running:
            return False
        done: list[bool] = []
        for watcher in self.asked:
            watcher(sale_id, lines)

        def serve() -> None:
            if self.ready():
                done.append(self._try(lambda: self._sell(sale_id, lines)))

        self.guarded(serve)
        return bool(done and done[0])

    def _sell(self, sale_id: str, lines: dict[str, int]) -> None:
        assert self.till is not None and self.session is not None
        asked = [SaleLine(sku=sku, quantity=str(n)) for sku, n in lines.items()]
        cash = [Tender(type=TenderType.CASH, amount=1_000_000)]
        paid = sell(self.till, self.session, sale_id, asked, cash)
        self._shown(paid)
        self.wake(self.lag)

    def _shown(self, paid: Paid) -> None:
        receipt = paid.receipt
        quantities: dict[str, int] = {}
        for line in receipt.lines:
            product = line.item.product
            quantities[product] = quantities.get(product, 0) + int(line.item.quantity)
        sold = Sold(paid.id, receipt.number, receipt.total, quantities)
        known = self.paid.setdefault(paid.id, sold)
        if not paid.repeated and self.till is not None:
            self.places[paid.id] = self.till.journal.head()
        again = " again" if paid.repeated else ""
        self.say(f"shows {receipt.number} paid{again}: {receipt.total}")
        assert known == sold, f"{known} became {sold}"
        for watcher in self.sold:
            watcher(self, sold)

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
                watcher(self)

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

    def new_sale_id(self) -> str:
        """As a kiosk makes it, which keeps it over a crash of the till."""
        return str(uuid7(int(self.world.now().timestamp() * 1000), self.world.bytes.randbytes(10)))

    # -- the syncer --------------------------------------------------------------------------

    def wake(self, delay: float = 0.01) -> None:
        """Make an exchange soon, if there is something to say."""
        if self._due or self.engine is None:
            return
        self._due = True
        life = self.life
        self.world.after(delay, lambda: self._turn(life))

    def poke(self) -> None:
        """The Back Office says that there is news."""
        if self.engine is not None:
            self.engine.look_for_news()
            self.wake()

    def poke_live(self) -> None:
        """The Back Office says that there is stock or a receipt."""
        if self.engine is not None:
            self.engine.look_for_live()
            self.wake()

    def _poll(self) -> None:
        """A till that hears nothing speaks now and then. Of these exchanges only those are made that the Back
        Office has an answer for which this till has not heard."""
        life = self.life

        def look() -> None:
            if life == self.life and self.running:
                if self._known_changes != self.server.changes:
                    self._speak = True
                    self.wake()
                self._poll()

        self.world.after(self.world.rng.uniform(*QUIET), look)

    def _turn(self, life: int) -> None:
        if life != self.life:
            return
        self._due = False
        if self.engine is not None and self._waiting is None:
            self.guarded(self._exchange)

    def _exchange(self) -> None:
        assert self.engine is not None
        if not self._speak and not self.engine.has_work():
            return
        self._speak, self._changes = False, self.server.changes
        try:
            prepared = self.engine.prepare()
        except sqlite3.Error as error:
            self.say(f"stumbles over {error}")
            return self.wake(self.world.rng.uniform(*RETRY))
        if self.protocol is not None:
            prepared = self._as_another_version(prepared, self.protocol)
        number = self.engine.state.request
        what = f"{prepared.first}–{prepared.last}" if prepared.entries else "nothing"
        self.say(f"→ request {number} with {what} {brief(prepared.body)}")
        self._waiting = number
        life = self.life
        self.wire.post(number, prepared, lambda n, answer: self._answered(life, n, answer))
        self.world.after(TIMEOUT, lambda: self._timeout(life, number))

    def _as_another_version(self, prepared: Prepared, protocol: tuple[int, int]) -> Prepared:
        """What software of another protocol range would have sent."""
        assert self.engine is not None and self.till is not None
        request = msgspec.structs.replace(unpack(prepared.body, ExchangeRequest), protocol=protocol)
        body = pack(request)
        signature = sign(self.till.device.key, EXCHANGE, self.engine.state.nonce, body)
        proof = f"{request.register}:{signature.hex()}"
        return msgspec.structs.replace(prepared, body=body, proof=proof)

    def _timeout(self, life: int, number: int) -> None:
        if life == self.life and self._waiting == number and self.engine is not None:
            self.say(f"hears nothing to request {number}")
            self.engine.failed()
            self._again()

    def _again(self, wait: float | None = None) -> None:
        """Try again soon. Where nothing can answer the probes of a till find out when that changes; they
        are elided, and :meth:`line_back` stands for the one that got through."""
        self._waiting = None
        if self.wire.is_cut or not self.server.up:
            return
        self.wake(self.world.rng.uniform(*RETRY) + (wait or 0.0))

    def line_back(self) -> None:
        """A probe was answered: there may be something to say, and there may be news."""
        if self.engine is not None and self._waiting is None:
            self.engine.look_for_news()
            self.wake(self.world.rng.uniform(0.0, 1.3))

    def _answered(self, life: int, number: int, answer: Answer) -> None:
        """Answers belong to a connection: none outlives the process that asked."""
        if life != self.life or self.engine is None:
            return
        if answer.status != 200:
            return self._refused(number, answer)
        self.guarded(lambda: self._hear(number, answer.body))

    def _refused(self, number: int, answer: Answer) -> None:
        if number == self._waiting and self.engine is not None:
            self.refused = answer.code
            self.say(f"← request {number} is refused: {answer.code}")
            self.engine.failed()
            self._refusals += 1
            most = _BUSY if answer.status == 503 else _UNWELCOME
            wait = self.world.rng.uniform(0.0, min(most, 2.0**self._refusals))
            self._again(wait + (answer.retry_after or 0.0))

    def _hear(self, number: int, body: bytes) -> None:
        assert self.engine is not None and self.till is not None
        state = self.engine.state
        self.counted = state.in_flight and state.request == number
        try:
            heard = self.engine.hear(body)
            while heard.switched and self.till.catalogue.clean():
                pass
        except BadMessage:
            self.say(f"← answer {number} is garbled")
            if number == self._waiting:
                self.engine.failed()
                self._again()
            return
        except sqlite3.Error as error:
            self.say(f"stumbles over {error}")
            for watcher in self.stumbled:
                watcher(self, body)
            return self._again()
        self._note(number, body, heard)

    def _note(self, number: int, body: bytes, heard: Heard) -> None:
        assert self.engine is not None
        ack = self.engine.state.acked
        self.say(f"← answer {number} {brief(body)}: ack {ack.epoch[:4]}/{ack.seq}")
        self._tell(heard)
        if self.counted:
            self._known_changes = self._changes
        for watcher in self.heard:
            watcher(self, body, heard)
        if number == self._waiting:
            self._waiting, self.refused, self._refusals = None, "", 0
        if self.session is None:
            self.sign_in()
        if heard.switched:
            self._speak = True  # one more, so that the Back Office shows what is applied here
        self.wake(self.world.rng.uniform(0.0, 0.05))

    def _tell(self, heard: Heard) -> None:
        """What an answer has changed, in words that stay the same whatever it took to get there."""
        assert self.till is not None
        if heard.switched:
            self.say("shows a new catalogue")
        journal, told = self.till.journal, []
        for epoch in journal.identity.epochs():
            label = f" of epoch {epoch.label}" if epoch.label else ""
            told.append(f"has handed in {journal.sending.ack(epoch.id).seq} entries{label}")
        stopped = journal.sending.state().stopped
        told += [f"is told: {stopped}"] if stopped else []
        for words in told:
            if words not in self._told:
                self.say(words)
        self._told = told

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
        if not rows or self._waiting is not None:
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
