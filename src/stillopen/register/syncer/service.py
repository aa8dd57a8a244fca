"""The syncer: three loops around one engine.

exchange   waits until there is something to say (a sale, a poke, a person's Sync, a quiet half minute)
           and exchanges until nothing is left
stream     holds the poke stream open; every event is a sign of life
watch      looks at the clock: redraws the indicator, sends probes while there is doubt

When a sign of life comes after the line was lost, every old connection is dropped: packets that were
under way in the silence are worthless, and a fresh connection answers at once.
"""

import asyncio
import contextlib
import logging
import random
from typing import Any

from stillopen.register.store.identity import Identity
from stillopen.register.store.sending import SyncRun
from stillopen.register.syncer.engine import Engine, Heard, offline_error
from stillopen.register.syncer.linewatch import LineWatch
from stillopen.register.syncer.wire import Wire, WireError
from stillopen.register.till import SyncResult, Till
from stillopen.sync import register_side
from stillopen.sync.codec import BadMessage
from stillopen.sync.link import Cause, LineState

_log = logging.getLogger(__name__)
_TICK = 0.1  # seconds between looks at the clock
_QUIET = 30.0  # seconds after which an exchange is made with nothing to say
_RETRY_STREAM = 0.5
_MAX_PROBES = 5
_SMALL = 20_000  # bytes of an exchange whose time tells of the line and not of its load
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
        self._flight: asyncio.Task[bytes] | None = None
        self._stream: asyncio.Task[None] | None = None
        self._probes: set[asyncio.Task[None]] = set()
        self._waiters: list[asyncio.Future[SyncResult]] = []
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
            for work in (self._exchange_loop(), self._stream_loop(), self._watch_loop())
        ]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait([*loops, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _cancel(*loops, stopping, self._flight, self._stream, *self._probes)

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
            self._wire = Wire(identity.backoffice)
            self._line.begin(self._engine)
            self._speak()
        return True

    def _drop_connections(self) -> None:
        """End what the former activation had under way."""
        for task in (self._flight, self._stream):
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
                await asyncio.wait_for(self._wake.wait(), _QUIET)
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
        self._due = False
        started, sent, received, error = self._line.now(), 0, 0, None
        try:
            while True:
                heard = await self._exchange()
                sent, received = sent + heard.acked, received + heard.received
                # After a switch one more is due: the Back Office shows what each register has applied.
                if not heard.switched and not self._engine.has_work():
                    break
        except WireError as failure:
            error = failure
        self._report_round(started, sent, received, error)

    def _report_round(
        self, started: float, sent: int, received: int, error: WireError | None
    ) -> None:
        waiters, self._waiters = self._waiters, []
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
        began = self._line.now()
        self._flight = asyncio.create_task(self._wire.exchange(prepared))
        try:
            data = await self._flight
            heard = await self._hear(data)
        except WireError as error:
            self._engine.failed()
            self._line.judge(error)
            raise
        except BadMessage as error:
            self._engine.failed()
            failure = WireError(Cause.NONSENSE, answered=True)
            self._line.judge(failure)
            raise failure from error
        except asyncio.CancelledError:
            self._engine.failed()
            if self._flight.cancelled() and not _is_cancelling():
                raise WireError(Cause.TIMEOUT) from None  # dropped in favour of a new connection
            raise
        finally:
            self._flight = None
        seconds = self._line.now() - began
        self._engine.state = register_side.timed(self._engine.state, prepared.entries, seconds)
        self._line.answered(seconds, small=len(prepared.body) + len(data) < _SMALL)
        self._changed.set()
        return heard

    async def _hear(self, data: bytes) -> Heard:
        """Small answers are carried out in place, pages of the feed beside the screens."""
        assert self._engine is not None
        if len(data) < 4096:
            heard = self._engine.hear(data)
        else:
            heard = await asyncio.to_thread(self._engine.hear, data)
        if heard.switched:
            while await asyncio.to_thread(self.till.catalogue.clean):
                pass
        return heard

    # -- stream ------------------------------------------------------------------------------

    async def _stream_loop(self) -> None:
        """Hold the stream while the line is proven and a nonce is there to sign with."""
        while True:
            if not self._can_stream():
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 1.0)
                continue
            self._stream = asyncio.create_task(self._listen())
            with contextlib.suppress(asyncio.CancelledError):
                await self._stream
            if _is_cancelling():
                raise asyncio.CancelledError
            self._stream = None
            await asyncio.sleep(_RETRY_STREAM * (0.5 + self._rng.random()))

    def _can_stream(self) -> bool:
        engine = self._engine
        return (
            engine is not None
            and bool(engine.state.nonce)
            and not engine.state.in_flight
            and not engine.state.revoked
            and not self._line.doubtful
        )

    async def _listen(self) -> None:
        assert self._engine is not None and self._wire is not None
        try:
            async for event in self._wire.pokes(self._engine.poke_proof()):
                self._line.alive()
                if event in ("poke", "revoked"):
                    self._engine.look_for_news()
                    self._speak()
        except WireError as error:
            if error.cause is Cause.REFUSED_DEVICE:
                self._speak()  # the nonce moved on meanwhile, or the device is no longer welcome
                return
            self._line.judge(error)
            return
        self._line.broke_off()

    # -- watch -------------------------------------------------------------------------------

    async def _watch_loop(self) -> None:
        while True:
            if self._ready():
                if self._line.probe_due(self._rng.uniform(-1, 1)):
                    self._start_probe()
                self._line.show()
            await asyncio.sleep(_TICK)

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
            await self._wire.probe()
        except WireError as error:
            # A probe that waited in vain while the line was proven otherwise says nothing.
            if not self._line.proven_since(asked):
                self._line.judge(error)
            return
        was_lost = self._line.state() is not LineState.CONNECTED
        self._line.alive()
        self._changed.set()
        if was_lost:
            await self._start_over()
        self._speak()

    async def _start_over(self) -> None:
        """The line is back: drop what was under way in the silence, and speak first."""
        assert self._wire is not None
        for task in (self._flight, self._stream):
            if task is not None:
                task.cancel()
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
        return self._line.state() is LineState.CONNECTED and self._flight is not None

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
        except WireError:
            raise offline_error() from None
        finally:
            await self._wire.close()
            self._identity = self._engine = self._wire = None
        return SyncResult(sent, received)


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _cancel(*tasks: asyncio.Task[Any] | None) -> None:
    live = [t for t in tasks if t is not None]
    for task in live:
        task.cancel()
    await asyncio.gather(*live, return_exceptions=True)
