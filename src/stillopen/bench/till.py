"""A real register for a measurement, driven by hand: its stores, its syncer's engine, and HTTP."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from stillopen.bench.office import Office
from stillopen.domain.errors import DomainError
from stillopen.register.clock import SystemClock
from stillopen.register.syncer.engine import Engine, Heard
from stillopen.register.till import Till
from stillopen.register.usecases.activate import activate
from stillopen.sync import register_side
from stillopen.sync.codec import CONTENT_TYPE
from stillopen.sync.proof import HEADER


class Register:
    """An activated register in ``folder``; :meth:`exchange` is one round of its syncer."""

    def __init__(self, folder: Path, office: Office, name: str) -> None:
        key = office.add_register(name)
        self.till = Till.open(folder, SystemClock())
        asyncio.run(activate(self.till, office.url, office.account, key))
        self.engine = Engine(self.till)
        self.http = httpx.Client(base_url=office.url, trust_env=False, timeout=120)
        self.statuses: dict[int, int] = {}  # HTTP status → how often

    def exchange(self) -> Heard:
        """One request and its answer, the next batch sized by it. ``DomainError bench_failed``."""
        prepared = self.engine.prepare()
        began = time.perf_counter()
        answer = self.http.post(
            "/sync/v1/exchange",
            content=prepared.body,
            headers={HEADER: prepared.proof, "Content-Type": CONTENT_TYPE},
        )
        seconds = time.perf_counter() - began
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        if answer.status_code != 200:
            raise DomainError("bench_failed", f"The Back Office answered {answer.status_code}.")
        heard = self.engine.hear(answer.content)
        self.engine.state = register_side.timed(self.engine.state, prepared.entries, seconds)
        return heard

    def sync(self) -> int:
        """Exchange until there is nothing more to say; how many exchanges that took."""
        rounds = 0
        self.engine.look_for_news()
        while self.engine.has_work():
            self.exchange()
            rounds += 1
        return rounds

    def batches_of(self, entries: int) -> None:
        """Begin with batches of ``entries`` instead of finding the size out."""
        self.engine.state = msgspec.structs.replace(self.engine.state, batch=entries)

    def close(self) -> None:
        self.http.close()
        self.till.close()


@contextmanager
def register(office: Office, name: str = "R1") -> Iterator[Register]:
    """A register of ``office``, activated and synced, in a folder beside the Back Office's files."""
    made = Register(office.folder / f"till-{name}", office, name)
    try:
        made.sync()
        yield made
    finally:
        made.close()
