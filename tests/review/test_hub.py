"""The thread behind all poke streams of a process must outlive the database's trouble, whoever names it."""

import asyncio
import sqlite3
import threading

from stillopen.backoffice.sync_api.hub import Hub
from stillopen.backoffice.sync_api.watch import Ticket, Watch
from tests.backoffice.ingest.till import make_account, make_store, make_till


def test_the_thread_goes_on(sqlite_backoffice, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    till = make_till(make_store(make_account()))
    real, calls = Watch._file_changed, []

    def stumble(self: Watch) -> bool:
        calls.append(1)
        if len(calls) == 3:
            raise sqlite3.OperationalError("disk I/O error")
        return real(self)

    monkeypatch.setattr(Watch, "_file_changed", stumble)

    async def main() -> bool:
        hub = Hub()
        hub.join(Ticket(str(till.register.id), str(till.register.account_id), till.public_key, {}))
        await asyncio.sleep(2.0)
        alive = any(thread.name == "pokes" for thread in threading.enumerate())
        hub.stop()
        return alive

    assert asyncio.run(main())
