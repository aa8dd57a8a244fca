"""The catalogue between transfers: rows that nothing shows any more are removed, and now and then (at the
start, every hour, after something was mended) what is stored is compared with what the server said.

A little at a time, beside the screens and beside the exchanges, so that neither a sale nor its way up waits.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable

from stillopen.domain.errors import DomainError
from stillopen.register.store.catalogue import Catalogue
from stillopen.register.syncer.engine import Engine
from stillopen.sync.digest import Key

_log = logging.getLogger(__name__)

EVERY = 3600.0  # seconds
LOOK = 1.0  # between looks whether an audit is due
ROWS = 250  # at a time
PAUSE = 0.02  # between two times


class Upkeep:
    """``engine`` gives the one in use, ``tell`` makes it speak when there is something to mend."""

    def __init__(
        self, catalogue: Catalogue, engine: Callable[[], Engine | None], tell: Callable[[], None]
    ) -> None:
        self._catalogue, self._engine, self._tell = catalogue, engine, tell
        self._last = time.monotonic()
        self._tidied = -1  # the generation beside which nothing dead is left

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            if self._catalogue.generation != self._tidied:
                await self._tidy()
            engine = self._engine()
            hourly = time.monotonic() - self._last > EVERY
            if engine is not None and (engine.audit_due or hourly):
                await self._look(engine, hourly)

    async def _tidy(self) -> None:
        generation = self._catalogue.generation
        try:
            await asyncio.to_thread(self._catalogue.count_ahead)
            while await asyncio.to_thread(self._catalogue.clean):
                await asyncio.sleep(PAUSE)
        except (sqlite3.Error, DomainError) as error:
            _log.warning("old rows of the catalogue could not be removed: %s", error)
        self._tidied = generation

    async def _look(self, engine: Engine, hourly: bool) -> None:
        engine.audit_due = False
        if hourly:
            self._last = time.monotonic()
        try:
            wrong = await self._audit()
        except sqlite3.OperationalError as error:
            _log.warning("the catalogue could not be looked through: %s", error)
        except sqlite3.DatabaseError as error:
            _log.warning("the catalogue cannot be read and is fetched anew: %s", error)
            engine.look_for_news(snapshot=True)
            self._tell()
        else:
            engine.audited(wrong, again=hourly)
            if wrong:
                _log.warning("the catalogue differs in %s and is mended", wrong)
                self._tell()

    async def _audit(self) -> tuple[Key, ...]:
        while (wrong := await asyncio.to_thread(self._catalogue.audit, ROWS)) is None:
            await asyncio.sleep(PAUSE)
        return wrong
