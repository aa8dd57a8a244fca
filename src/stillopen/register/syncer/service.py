"""The syncer: three loops around one engine.

exchange   waits until there is something to say (a sale, a poke, a person's Sync, a quiet half minute)
           and exchanges until nothing is left
stream     holds the poke stream open, or polls (listener.py); every event is a sign of life
watch      looks at the clock: redraws the indicator, sends probes while there is doubt

When a sign of life comes after the line was lost, every old connection is dropped: packets that were
under way in the silence are worthless, and a fresh connection answers at once.
"""

import asyncio
import logging
import random
from typing import Any

from stillopen.register.store.identity import Identity
from stillopen.register.store.sending import SyncRun
from stillopen.register.syncer.engine import Engine, Heard, offline_error
from stillopen.register.syncer.linewatch import LineWatch
from stillopen.register.syncer.listener import Listener, is_cancelling
from stillopen.register.syncer.snapshots import Fetcher
from stillopen.register.syncer.upkeep import Upkeep
from stillopen.register.syncer.wire import Answered, Wire, WireError
from stillopen.register.till import SyncResult, Till
from stillopen.sync import register_side
from stillopen.sync.codec import BadMessage
from stillopen.sync.link import Cause, LineState, Thresholds
from stillopen.sync.quality import expected

_log = logging.getLogger(__name__)
_TICK = 0.1  # seconds between looks at the clock
_QUIET = 30.0  # seconds after which an exchange is made with nothing to say
_MAX_PROBES = 5
#: A request of more bytes than this is not sent again on the chance that the nonce is still in force.
_HEAVY = 4096
#: An exchange is overdue when it takes more than this many times as long as expected, and half a second.
#: (A black-out of some seconds on a slow line is cheaper to wait for than to send everything again.)
_OVERDUE = 2.5
#: Seconds without a piece worth the name, of an exchange that is overdue on a line that is fine otherwise.
_CRAWL = 10.0
_PATIENCE = 20.0  # seconds that a person's Sync waits at most


class Syncer:
    """``run`` until cancelled or ``stop``; everything happens on the event loop that runs it."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self._rng = random.Random()
        self._wake = asyncio.Event()
        self._due = False  # an exchange is wanted whether or not there is something to say
        self._changed = asyncio.Event()  # the line was proven again, or the register activated
        self._stopping = asyncio.Event()
        self._line = LineWatch(till)
        self._identity: Identity | None = None  # of the activation that engine and wire serve
        self._engine: Engine | None = None
        self._wire: Wire | None = None
        self._flight: asyncio.Task[Answered] | None = None
        self._overdue = 0.0  # when the flight should have come back at the latest
        self._moved_at = 0.0  # when something of it was last seen to arrive, here or there
        self._crawled = False  # it was given up though the line is there
        self._listener = Listener(self._line, self._speak, self._changed)
        self._probes: set[asyncio.Task[None]] = set()
        self._download: asyncio.Task[None] | None = None
        self.fetcher = Fetcher(till.data_dir, till.catalogue, self._speak)
        self._upkeep = Upkeep(till.catalogue, lambda: self._engine, self._wake.set)
        self._waiters: list[asyncio.Future[SyncResult]] = []
        self._asked_at = till.journal.head()  # what they want to have arrived, at the least
        self._loop: asyncio.AbstractEventLoop | None = None
        till.sync_now = self.sync_now

    # -- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the register until :meth:`stop`. A loop that breaks is logged and begun again: a till
        goes on selling and sending whatever happens to one exchange."""
        self._loop = asyncio.get_running_loop()
        unsubscribe = self.till.subscribe(self._on_topic)
        try:
            while not self._stopping.is_set():
                try:
                    await self._run_loops()
                except Exception:
                    _log.exception("the synchronization stumbled and begins again")
                    await asyncio.sleep(1.0)
        finally:
            unsubscribe()
            if self._wire is not None:
                await self._wire.close()

    async def _run_loops(self) -> None:
        loops = [
            asyncio.create_task(work)
            for work in (
                self._exchange_loop(),
                self._stream_loop(),
                self._watch_loop(),
                self._upkeep.run(),
            )
        ]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait([*loops, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            tasks = (self._flight, self._stream, self._download)
            await _cancel(*loops, stopping, *tasks, *self._probes)
            self._download = None

    def stop(self) -> None:
        self._stopping.set()

    def _on_topic(self, topic: str) -> None:
        """From whichever thread: a change of the journal may be something to send."""
        if topic in ("journal", "session") and self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    def _ready(self) -> bool:
        """Make engine and wire once the register is activated, and anew when it is activated again."""
        identity = self.till.identity
        if identity is None:
            return False
        if identity != self._identity:
            self._drop_connections()
            self._identity = identity
            self._engine = Engine(self.till)
            self._engine.formats = self.fetcher.formats
            self._wire = Wire(identity.backoffice)
            self._line.begin(self._engine)
            self._wire.moved = self._moved
            self._listener.begin(self._engine, self._wire)
            self._speak()
        return True

    def _drop_connections(self) -> None:
        """End what the former activation had under way."""
        for task in (self._flight, self._stream, self._download):
            if task is not None:
                task.cancel()
        if self._wire is not None:
            closing = asyncio.ensure_future(self._wire.close())
            self._probes.add(closing)
            closing.add_done_callback(self._probes.discard)

    # -- exchange ----------------------------------------------------------------------------

    async def _exchange_loop(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_QUIET):
                    await self._wake.wait()
            except TimeoutError:
                self._due = True
            self._wake.clear()
            if self._ready() and (self._waiters or self._wake_is_due()):
                await self._round()

    def _speak(self) -> None:
        """Make an exchange even if there is nothing to say."""
        self._due = True
        self._wake.set()

    def _wake_is_due(self) -> bool:
        """Whether there is something to say and it could get through: not while offline or told to wait."""
        assert self._engine is not None
        return self._line.may_speak() and (self._due or self._engine.has_work())

    async def _round(self) -> None:
        """Exchange until nothing is left; tell whoever waits for it."""
        assert self._engine is not None
        self._asked_at = self.till.journal.head()
        started, sent, received, error = self._line.now(), 0, 0, None
        try:
            while True:
                self._due = False
                heard = await self._exchange()
                sent, received = sent + heard.acked, received + heard.received
                # After a switch one more is due: the Back Office shows what each register has applied.
                if heard.switched:
                    continue
                if not self._engine.has_work():
                    break
                if self._waiters and self._engine.has_caught_up(self._asked_at):
                    self._wake.set()  # it goes on, but nobody waits for it
                    break
        except WireError as failure:
            error = failure
        self._report_round(started, sent, received, error)

    def _report_round(
        self, started: float, sent: int, received: int, error: WireError | None
    ) -> None:
        waiters, self._waiters = self._waiters, []
        if error is None and self._fetching():
            waiters, self._waiters = [], waiters  # what they wait for comes with the file
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(SyncResult(sent, received))
            else:
                waiter.set_exception(offline_error())
        if sent or received or waiters or (error is not None and self._line.ever_proven):
            self.till.journal.sending.log_sync(
                SyncRun(
                    at=self.till.clock.now(),
                    ok=error is None,
                    sent=sent,
                    received=received,
                    seconds=self._line.now() - started,
                    cause=error.cause.value if error else "",
                )
            )
        self._line.show()

    async def _exchange(self) -> Heard:
        """One request and its answer. Raises :class:`WireError`; the line is judged either way."""
        assert self._engine is not None and self._wire is not None
        prepared = self._engine.prepare()
        heavy, trip = len(prepared.body) > _HEAVY, self._line.quality.round_trip
        usual = expected(self._line.quality, len(prepared.body))
        self._moved_at, self._crawled = self._line.now(), False
        self._overdue = self._line.now() + _OVERDUE * usual + 0.5
        self._flight = asyncio.create_task(self._wire.exchange(prepared))
        try:
            answered = await self._flight
            heard = await self._hear(answered.body)
        except WireError as error:
            self._engine.failed(heavy and not error.answered)
            self._line.missed(error)
            raise
        except BadMessage as error:
            self._engine.failed()
            failure = WireError(Cause.NONSENSE, answered=True)
            self._line.missed(failure)
            raise failure from error
        except asyncio.CancelledError:
            self._engine.failed(heavy)
            if not self._flight.cancelled() or is_cancelling():
                raise
            # Dropped in favour of a new connection, or because it crawls.
            dropped = WireError(Cause.TIMEOUT, answered=self._crawled)
            if self._crawled:
                self._line.missed(dropped)
            raise dropped from None
        finally:
            self._flight = None
        timing = answered.timing
        self._engine.state = register_side.timed(
            self._engine.state, prepared.entries, timing.began, trip or 0.0
        )
        self._line.answered(timing)
        self._listener.exchanged(timing.ended)
        self._changed.set()
        self._fetch()
        return heard

    def _fetch(self) -> None:
        """Begin with the snapshot file that was offered, if there is one and nobody has."""
        engine = self._engine
        if engine is not None and engine.offer is not None and not self._fetching():
            self._download = asyncio.create_task(self.fetcher.fetch(engine, self._the_wire))

    def _fetching(self) -> bool:
        return self._download is not None and not self._download.done()

    def _the_wire(self) -> Wire:
        assert self._wire is not None
        return self._wire

    async def _hear(self, data: bytes) -> Heard:
        """Small answers are carried out in place; what may write the catalogue, beside the screens: also a
        short last page puts a whole transfer in force."""
        assert self._engine is not None
        state = self._engine.state
        if len(data) < 4096 and not (state.feed_behind or state.repair):
            return self._engine.hear(data)
        return await asyncio.to_thread(self._engine.hear, data)

    # -- stream ------------------------------------------------------------------------------

    async def _stream_loop(self) -> None:
        await self._listener.run()

    @property
    def _stream(self) -> asyncio.Task[None] | None:
        return self._listener.task

    # -- watch -------------------------------------------------------------------------------

    async def _watch_loop(self) -> None:
        while True:
            if self._ready():
                if self._flight is not None and self._the_wire().is_sending():
                    self._moved()
                self._give_up_what_crawls()
                if self._line.probe_due(self._rng.uniform(-1, 1)):
                    self._start_probe()
                self._line.show()
            await asyncio.sleep(_TICK)

    def _moved(self) -> None:
        """A piece of an exchange has arrived, which is a sign of life."""
        self._moved_at = self._line.now()
        self._line.alive()

    def _give_up_what_crawls(self) -> None:
        """An exchange of which nothing comes, though the line is proven by all else."""
        if self._flight is None or self._flight.done():
            return
        now = self._line.now()
        late = now > max(self._overdue, self._moved_at + _CRAWL)
        # Green alone proves nothing where yellow is to come late.
        proven = self._line.proven_since(now - Thresholds().yellow_after)
        if late and proven and self._line.state() is LineState.CONNECTED:
            self._crawled = True
            self._flight.cancel()

    def _start_probe(self) -> None:
        if len(self._probes) >= _MAX_PROBES:
            return
        self._line.probing()
        task = asyncio.create_task(self._probe())
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def _probe(self) -> None:
        assert self._wire is not None
        asked = self._line.now()
        try:
            trip = await self._wire.probe()
        except WireError as error:
            # A probe that waited in vain while the line was proven otherwise says nothing.
            if not self._line.proven_since(asked):
                self._line.judge(error)
            return
        before = self._line.state()
        self._line.probed(trip)
        self._changed.set()
        if before is not LineState.CONNECTED and self._is_stuck():
            await self._start_over(line_was_fine=before is not LineState.OFFLINE)
        self._speak()

    def _is_stuck(self) -> bool:
        """Whether what is under way was lost in a silence, or is only late on a slow line."""
        if self._flight is not None:
            return self._line.now() > self._overdue
        return self._listener.is_overdue()

    async def _start_over(self, line_was_fine: bool) -> None:
        """The line is back: drop what was under way in the silence, and speak first."""
        assert self._wire is not None
        if self._flight is not None:
            self._flight.cancel()
        self._listener.drop(line_was_fine)
        await self._wire.renew()

    # -- wishes ------------------------------------------------------------------------------

    async def sync_now(self, *, snapshot: bool = False, retry: bool = False) -> SyncResult:
        """Exchange at once; ``snapshot`` fetches the whole catalogue, ``retry`` re-applies errored sales.

        ``DomainError offline`` when the Back Office does not answer.
        """
        if not self._ready():
            raise offline_error()
        assert self._engine is not None
        self._engine.look_for_news(snapshot, retry)
        waiter: asyncio.Future[SyncResult] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._asked_at = self.till.journal.head()
        self._wake.set()
        deadline = self._line.now() + _PATIENCE
        while not waiter.done():
            await asyncio.wait([waiter], timeout=_TICK)
            if waiter.done():
                break
            offline = self._line.state() is LineState.OFFLINE and self._line.ever_proven
            if offline or (self._line.now() > deadline and not self._progressing()):
                self._waiters = [w for w in self._waiters if w is not waiter]
                raise offline_error()
        return waiter.result()

    def _progressing(self) -> bool:
        return self._line.state() is LineState.CONNECTED and (
            self._flight is not None or self._fetching()
        )

    async def sync_once(self) -> SyncResult:
        """Without any loop running: exchange until nothing is left. For the command line."""
        if not self._ready():
            raise offline_error()
        assert self._engine is not None and self._wire is not None
        sent = received = 0
        try:
            while self._engine.has_work():
                heard = await self._exchange()
                sent, received = sent + heard.acked, received + heard.received
                await self._wait_for_file()
            while await asyncio.to_thread(self.till.catalogue.clean):
                pass
        except WireError:
            raise offline_error() from None
        finally:
            await self._wire.close()
            self._identity = self._engine = self._wire = None
        return SyncResult(sent, received)

    async def _wait_for_file(self) -> None:
        """Until the file that is being fetched is there; :class:`WireError` when nothing comes any more."""
        assert self._engine is not None
        while self._download is not None and not self._download.done():
            before = self._engine.staged
            await asyncio.wait([self._download], timeout=_PATIENCE)
            if not self._download.done() and self._engine.staged == before:
                await _cancel(self._download)
                raise WireError(Cause.TIMEOUT)


async def _cancel(*tasks: asyncio.Task[Any] | None) -> None:
    live = [t for t in tasks if t is not None]
    for task in live:
        task.cancel()
    await asyncio.gather(*live, return_exceptions=True)
