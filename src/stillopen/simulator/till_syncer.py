"""What the syncer of a till does, in virtual time: the real engine over a simulated line."""

import sqlite3
from collections.abc import Callable

import msgspec

from stillopen.register.syncer.engine import Engine, Heard, Prepared
from stillopen.register.syncer.snapshots import Fetcher
from stillopen.simulator.server_node import ServerNode
from stillopen.simulator.till_download import Download
from stillopen.simulator.till_process import TillProcess
from stillopen.simulator.transcript import brief
from stillopen.simulator.wire import Answer, Wire
from stillopen.simulator.world import World
from stillopen.sync.codec import BadMessage, pack, unpack
from stillopen.sync.messages import ExchangeRequest
from stillopen.sync.proof import EXCHANGE, sign

TIMEOUT = 12.0  # seconds that a till waits for an answer
RETRY = (0.7, 3.0)
_BUSY, _UNWELCOME = 60.0, 600.0  # most seconds between tries when refused again and again
QUIET = (1800.0, 7200.0)  # seconds from one look whether a poll would bring something to the next


def longest_wait(status: int, refusals: int) -> float:
    """Most seconds until a till tries again that was refused so often in a row."""
    most = _BUSY if status == 503 else _UNWELCOME
    return min(most, 2.0 ** min(refusals, 10))  # a till that nobody knows any more asks for days


class TillSyncer(TillProcess):
    """``heard`` and ``stumbled`` are told of each answer that was carried out, or only half-way."""

    def __init__(self, world: World, server: ServerNode, name: str) -> None:
        super().__init__(world, name)
        self.server = server
        self.wire = Wire(world, server, name)
        self.engine: Engine | None = None
        self.counted = False  # whether the answer heard last was to the latest request
        self.refused = ""  # code of the last answer that was a refusal
        self._refusals = 0
        self._told: list[str] = []
        self._waiting: int | None = None  # number of the request whose answer is awaited
        self._due = False  # an exchange is scheduled
        self._speak = False  # one is to be made even if there is nothing to say
        self._changes = 0  # of the Back Office, when the latest request went out
        self._known_changes = -1  # of those, what it has told this till
        self.protocol: tuple[int, int] | None = None  # that it says it speaks; None: the truth
        self._download: Download | None = None
        self.heard: list[Callable[[bytes, Heard], None]] = []
        self.stumbled: list[Callable[[bytes], None]] = []

    @property
    def busy(self) -> bool:
        """Whether it has something to send or to fetch, or waits for an answer."""
        if self.engine is None:
            return False
        return self._waiting is not None or self._due or self._fetching or self.engine.has_work()

    @property
    def _fetching(self) -> bool:
        return self._download is not None and not self._download.over

    @property
    def awaits_answer(self) -> bool:
        return self._waiting is not None

    def _open(self) -> None:
        super()._open()
        self._waiting, self._due, self._speak = None, False, False
        self._known_changes = -1
        if self.till is not None and self.till.identity is not None:
            self._begin_engine()

    def _begin_engine(self) -> None:
        assert self.till is not None
        self.engine = Engine(self.till)
        self._fetcher = Fetcher(self.folder, self.till.catalogue, self._speak_soon)
        if self.server.offers_files:
            self.engine.formats = self._fetcher.formats

    def begin(self) -> None:
        self.wake()
        self._poll()

    def _gone(self) -> None:
        if self._download is not None:
            self._download.end()
        super()._gone()
        self.engine = self._waiting = self._download = None

    def answer_is_carried_out(self) -> None:
        """For whoever waited for one."""

    def wake(self, delay: float = 0.01) -> None:
        """Make an exchange soon, if there is something to say."""
        if self._due or self.engine is None:
            return
        self._due = True
        life = self.life
        self.world.after(delay, lambda: self._turn(life))

    def _speak_soon(self) -> None:
        self._speak = True
        self.wake()

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
                    self._speak_soon()
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
            wait = self.world.rng.uniform(0.0, longest_wait(answer.status, self._refusals))
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
                watcher(body)
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
            watcher(body, heard)
        if number == self._waiting:
            self._waiting, self.refused, self._refusals = None, "", 0
        self.answer_is_carried_out()
        if heard.switched:
            self._speak = True  # one more, so that the Back Office shows what is applied here
        self.wake(self.world.rng.uniform(0.0, 0.05))
        self._fetch()

    # -- snapshot files ----------------------------------------------------------------------

    def _fetch(self) -> None:
        """Begin with the file that was offered, if there is one and nobody has."""
        if self.engine is None or self.engine.offer is None or self._fetching:
            return
        self.say(f"fetches a snapshot of {self.engine.offer.rows} rows")
        self._download = Download(
            self.world, self.wire, self._fetcher, self.engine, self._while_fetching
        )
        self._download.go_on()

    def _while_fetching(self, action: Callable[[], None]) -> None:
        """In the till's process; a disk that fails ends the download, and what is offered stays offered."""

        def go() -> None:
            try:
                action()
            except (sqlite3.Error, OSError) as error:
                self.say(f"stumbles over {error}")
                self._speak = True
                self.wake(self.world.rng.uniform(*RETRY))

        self.guarded(go)

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
