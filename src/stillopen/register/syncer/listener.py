"""Hearing of news: holds the poke stream open, or polls where something on the way holds streams back."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable

from stillopen.register.syncer.engine import Engine
from stillopen.register.syncer.linewatch import LineWatch
from stillopen.register.syncer.wire import Wire, WireError
from stillopen.sync import listening
from stillopen.sync.link import Cause
from stillopen.sync.listening import Listening

_RETRY = 0.5  # seconds
#: An exchange that is answered within this long, beside its round trips, shows that the silence of a stream is
#: neither the line's nor a busy server's.
_AT_ONCE = 1.0
#: An exchange this soon after a stream broke off shows that the line is fine.
_SOON = 2.0
_UNKNOWN_TRIP = 0.3
_LIVE_WITHIN = 2.0  # seconds
#: A stream that is silent for this long has ended, also where exchanges beside it prove the line.
_DEAD = 10.0


class Listener:
    """Every event is a sign of life. ``speak`` asks for an exchange; ``changed`` is set when one was answered or
    the line is proven again."""

    def __init__(self, line: LineWatch, speak: Callable[[], None], changed: asyncio.Event) -> None:
        self._line, self._speak, self._changed = line, speak, changed
        self._rng = random.Random()
        self._engine: Engine | None = None
        self._wire: Wire | None = None
        self._address = ""
        self._mode = Listening()
        self._task: asyncio.Task[None] | None = None
        self._live_due: asyncio.TimerHandle | None = None
        self._opened = self._heard = 0.0
        self._silent = (
            False  # the last stream brought nothing; the next exchange tells whose fault it is
        )
        self._broke: tuple[float, float] | None = (
            None  # (when a stream broke off, how long it had lived)
        )

    def begin(self, engine: Engine, wire: Wire) -> None:
        """What was found out about another address does not count for this one."""
        self._engine, self._wire = engine, wire
        if wire.address != self._address:
            self._address, self._mode = wire.address, Listening()

    @property
    def polls(self) -> bool:
        return listening.by_poll(self._mode, self._line.now())

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task

    async def run(self) -> None:
        """Listen while the line is proven and a nonce is there to sign with."""
        while True:
            if not self._can():
                self._changed.clear()
                await self._change(1.0)
                continue
            self._task = asyncio.create_task(self._poll() if self.polls else self._listen())
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            if is_cancelling():
                raise asyncio.CancelledError
            self._task = None
            await asyncio.sleep(_RETRY * (0.5 + self._rng.random()))

    async def _change(self, seconds: float) -> None:
        """Wait for an exchange or the line, so long at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _can(self) -> bool:
        engine = self._engine
        return (
            engine is not None
            and bool(engine.state.nonce)
            and not engine.state.in_flight
            and not engine.state.revoked
            and not self._line.doubtful
        )

    # -- what others saw ---------------------------------------------------------------------

    def exchanged(self, seconds: float) -> None:
        """An exchange was answered: what was wrong with a stream just now was not the line."""
        now = self._line.now()
        if self._silent and seconds < _AT_ONCE + 3 * self._trip():
            self._mode = listening.held_back(self._mode, now)
        if self._broke is not None and now - self._broke[0] < _SOON:
            self._mode = listening.ended(self._mode, now, self._broke[1])
        self._silent, self._broke = False, None

    def is_overdue(self) -> bool:
        """Whether a heartbeat should have come long ago on a line of this quality."""
        silence = self._line.now() - max(self._heard, self._opened)
        return silence > self._line.limits().yellow_after + 4 * self._trip() - 0.01

    def drop(self, line_was_fine: bool) -> None:
        """End a stream that fell silent; ``line_was_fine``: a probe beside it was answered at once."""
        if self._task is not None:
            self._task.cancel()
            now = self._line.now()
            if line_was_fine and not self.polls:
                self._mode = listening.ended(self._mode, now, now - self._opened)

    def _trip(self) -> float:
        trip = self._line.quality.round_trip
        return _UNKNOWN_TRIP if trip is None else trip

    # -- the two ways ------------------------------------------------------------------------

    async def _listen(self) -> None:
        assert self._engine is not None and self._wire is not None
        self._opened = self._line.now()
        events = self._wire.pokes(self._engine.poke_proof())
        try:
            patience = listening.FIRST_HEARTBEAT + 3 * self._trip()
            async with asyncio.timeout(patience):
                first = await anext(events, None)
            if first is not None:
                self._take(first)
                while (event := await self._next(events)) is not None:
                    self._take(event)
        except TimeoutError:
            self._silent = True
            self._speak()
            return
        except WireError as error:
            if not self._refused(error):
                self._line.judge(error)
                self._broke_off()
            return
        finally:
            await events.aclose()
        self._line.broke_off()
        self._broke_off()

    async def _next(self, events: AsyncGenerator[str, None]) -> str | None:
        """The next event, None at the end. Where yellow is to come late, silence is borne as long."""
        patience = max(_DEAD, self._line.limits().yellow_after + 4 * self._trip())
        try:
            async with asyncio.timeout(patience):
                return await anext(events, None)
        except TimeoutError:
            raise WireError(Cause.TIMEOUT) from None

    def _broke_off(self) -> None:
        now = self._line.now()
        self._broke = (now, now - self._opened)

    async def _poll(self) -> None:
        assert self._engine is not None and self._wire is not None
        pause, wait = 0.0, 0.5  # soon after whatever was before
        while self.polls and self._can():
            self._opened = self._line.now()
            try:
                events = await self._wire.poll(self._engine.poke_proof(), wait)
            except WireError as error:
                if not self._refused(error):
                    self._line.judge(error)
                return
            wait = listening.poll_wait(self._line.limits().yellow_after, self._trip())
            self._changed.clear()
            for event in events:
                self._take(event)
            if events == ["hb"]:
                pause = 0.0
                continue
            # What is due stays due until the exchange that it asks for has been made.
            await self._change(2.0)
            await asyncio.sleep(pause)
            pause = min(2 * pause + 0.05, 2.0)

    def _take(self, event: str) -> None:
        assert self._engine is not None
        self._heard = self._line.now()
        self._line.alive()
        if event in ("poke", "revoked"):
            self._engine.look_for_news()
            self._speak()
        elif event == "live" and self._live_due is None:
            # The tills of a store do not all ask at once, for every sale of one of them.
            wait = self._rng.uniform(0, _LIVE_WITHIN)
            self._live_due = asyncio.get_running_loop().call_later(wait, self._look_for_live)

    def _look_for_live(self) -> None:
        """Stock or receipts moved."""
        self._live_due = None
        if self._engine is not None:
            self._engine.look_for_live()
            self._speak()

    def _refused(self, error: WireError) -> bool:
        """The nonce moved on meanwhile, or the device is no longer welcome: an exchange tells."""
        if error.cause is Cause.REFUSED_DEVICE:
            self._speak()
        return error.cause is Cause.REFUSED_DEVICE


def is_cancelling() -> bool:
    """Whether the running task itself is being cancelled, and not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
