"""A sale's commit while the whole catalogue is replaced beside it, in one process, as a till does both.

A sale is due every few milliseconds; what counts is when it is on the disk after it was due, so that waiting for
the event loop, the interpreter's lock or the disk all show. The limit is the same with nothing else going on.
"""

import asyncio
import sqlite3
import sys
import time
import uuid
from contextlib import closing

from stillopen.bench.figures import Figure, figure, median, quantile
from stillopen.bench.office import PIN, Office, office
from stillopen.bench.till import Register
from stillopen.domain.errors import DomainError
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.serve import FAIR_SHARE
from stillopen.register.session import Session
from stillopen.register.store.catalogue import FILE as FILE_NAME
from stillopen.register.syncer.service import Syncer
from stillopen.register.till import Till
from stillopen.register.usecases.open_register import open_register
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.register.usecases.sign_in import sign_in

ROWS = 100_000
EVERY = 0.02  # seconds between two sales
IDLE = 10.0  # seconds
ALLOWED = 0.010  # seconds more than idle, at p99
FILE, PAGES = "the snapshot file", "pages"
_TENDER = [Tender(type=TenderType.CASH, amount=100_000)]


def run(scale: float) -> list[Figure]:
    """By snapshot file and by pages; ``scale`` 1 is 100 000 products."""
    products = max(int(ROWS * scale), 5000)
    sys.setswitchinterval(FAIR_SHARE)
    with office("sqlite", products) as bench:
        figures = []
        for way in (FILE, PAGES):
            figures += asyncio.run(_measure(bench, way, products))
        return figures


async def _measure(bench: Office, way: str, products: int) -> list[Figure]:
    till = await asyncio.to_thread(_till, bench, "R1" if way == FILE else "R2")
    syncer = Syncer(till)
    if way == PAGES:
        syncer.fetcher.formats = ()
    running = asyncio.create_task(syncer.run())
    try:
        await _synced(till, products)
        session = await asyncio.to_thread(sign_in, till, "Anna", PIN)
        open_register(till, session, 10_000)
        seller = _Seller(till, session)
        idle = await seller.until(asyncio.create_task(asyncio.sleep(IDLE)))
        began = time.perf_counter()
        busy = await seller.until(asyncio.create_task(_replace(till, syncer)))
        seconds = time.perf_counter() - began
        busy += await seller.until(asyncio.create_task(asyncio.to_thread(_until_tidy, till)))
        after = time.perf_counter() - began - seconds
    finally:
        syncer.stop()
        await running
        till.close()
    return _figures(way, products, idle, busy, (seconds, after))


def _figures(
    way: str, products: int, idle: list[float], busy: list[float], seconds: tuple[float, float]
) -> list[Figure]:
    name = f"a sale while {products} rows are replaced by {way}"
    before = quantile(idle, 0.99)
    return [
        figure(
            f"{name}, p99",
            quantile(busy, 0.99) * 1000,
            "ms",
            limit=before * 1000,
            limit_name="the same with nothing else going on",
            at_most=(before + ALLOWED) * 1000,
            note=f"{len(busy)} sales in {seconds[0]:.1f} s of replacing and {seconds[1]:.1f} s of tidying up;"
            f" worst {max(busy) * 1000:.0f} ms, idle {max(idle) * 1000:.0f} ms",
        ),
        figure(f"{name}, p50", median(busy) * 1000, "ms", limit=median(idle) * 1000),
    ]


def _till(bench: Office, name: str) -> Till:
    made = Register(bench.folder / f"till-{name}", bench, name)
    made.http.close()
    return made.till


async def _synced(till: Till, products: int) -> None:
    deadline = time.monotonic() + 120
    while till.catalogue.count("product") < products:
        if time.monotonic() > deadline:
            raise DomainError("bench_failed", "The register was not synced in time.")
        await asyncio.sleep(0.1)
    await asyncio.sleep(2.0)


async def _replace(till: Till, syncer: Syncer) -> None:
    """As Clear cache does; until the new catalogue is in force."""
    before = till.catalogue.generation
    asking = asyncio.create_task(syncer.sync_now(snapshot=True))
    while till.catalogue.generation == before:
        await asyncio.sleep(0.01)
    asking.cancel()


def _until_tidy(till: Till) -> None:
    """Until the rows that were replaced are gone."""
    time.sleep(1.0)
    file = till.data_dir / FILE_NAME
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
        while db.execute("SELECT 1 FROM row WHERE dead IS NOT NULL LIMIT 1").fetchone():
            time.sleep(0.5)


class _Seller:
    """Sells three things whenever a sale is due."""

    def __init__(self, till: Till, session: Session) -> None:
        self._till, self._session, self._number = till, session, 0

    async def until(self, task: "asyncio.Task[None]") -> list[float]:
        """Seconds from when each sale was due until it was paid, as long as ``task`` runs."""
        times: list[float] = []
        due = time.perf_counter()
        while not task.done():
            due = max(due + EVERY, time.perf_counter() - EVERY)
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            self._sell()
            times.append(time.perf_counter() - due)
        task.result()
        return times

    def _sell(self) -> None:
        self._number += 3
        lines = [SaleLine(sku=f"{100_000 + (self._number + n) % 5000}") for n in range(3)]
        sell(self._till, self._session, str(uuid.uuid4()), lines, _TENDER)
