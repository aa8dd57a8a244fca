"""Fetching a snapshot file in virtual time: the real fetcher, on an event loop whose clock is the world's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from stillopen.register.syncer.engine import Engine
from stillopen.register.syncer.snapshots import RETRY, Fetcher
from stillopen.register.syncer.wire import WireError
from stillopen.simulator.wire import Answer, Wire
from stillopen.simulator.world import World
from stillopen.sync.link import Cause

#: Asked for at a time: the shop is small, and its file is to come in several parts.
PART = 1500
TIMEOUT = 12.0  # seconds that a part is waited for
#: Of the loop: more than any chain of callbacks in the fetcher is long.
_ROUNDS = 25


class _AtOnce(ThreadPoolExecutor):
    """What others would do in a thread is done in place, so that a seed gives the same run."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # a kill, too
            done.set_exception(error)
        return done


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, world: World) -> None:
        self._world = world
        super().__init__()
        self.set_default_executor(_AtOnce(max_workers=1))

    def time(self) -> float:
        return self._world.seconds

    def turn(self) -> None:
        """Do everything that is due now."""
        for _ in range(_ROUNDS):
            self.call_soon(self.stop)
            self.run_forever()


class Download:
    """One life of a fetcher. ``guarded`` runs what the till's process does, as long as it lives."""

    def __init__(
        self,
        world: World,
        wire: Wire,
        fetcher: Fetcher,
        engine: Engine,
        guarded: Callable[[Callable[[], None]], None],
    ) -> None:
        self._world, self._wire, self._guarded = world, wire, guarded
        self._asked: asyncio.Future[Answer] | None = None
        self._loop = _Loop(world)
        self._task = self._loop.create_task(fetcher.fetch(engine, lambda: self))  # type: ignore[arg-type,return-value]

    @property
    def over(self) -> bool:
        return self._loop.is_closed()

    def go_on(self) -> None:
        self._guarded(self._step)

    def _step(self) -> None:
        """Raises what ended it: a kill, or a disk that fails."""
        if self.over:
            return
        self._loop.turn()
        if self._task.done():
            self._loop.close()
            self._task.result()
        elif self._asked is None:
            self._world.after(1.01 * RETRY, self.go_on)

    def end(self) -> None:
        """The process is gone, and with it everything that it was about to do."""
        if not self.over:
            self._task.cancel()
            self._loop.turn()
            self._loop.close()

    # -- what the fetcher takes for its wire ----------------------------------------------------

    async def snapshot(self, name: str, proof: str, first: int, count: int) -> AsyncIterator[bytes]:
        """As ``syncer.wire.Wire.snapshot``."""
        answer = await self._ask(name, proof, first, first + min(count, PART) - 1)
        if answer.status == 206:
            yield answer.body
            return
        cause = Cause.REFUSED_DEVICE if answer.status == 401 else Cause.NONSENSE
        raise WireError(Cause.SERVER_ERROR if answer.status >= 500 else cause, answered=True)

    async def _ask(self, name: str, proof: str, first: int, last: int) -> Answer:
        asked = self._asked = self._loop.create_future()

        def answered(answer: Answer) -> None:
            if not asked.done() and not self.over:
                asked.set_result(answer)
                self.go_on()

        def give_up() -> None:
            if not asked.done() and not self.over:
                asked.set_exception(WireError(Cause.TIMEOUT))
                self.go_on()

        self._world.after(TIMEOUT, give_up)
        self._wire.fetch(name, proof, first, last, answered)
        try:
            return await asked
        finally:
            self._asked = None
