"""The thread behind all poke streams of a process outlives the trouble of its database."""

import asyncio
import sqlite3
import threading

import pytest

from stillopen.backoffice.sync_api import hub as hubs
from stillopen.backoffice.sync_api.hub import Hub
from stillopen.backoffice.sync_api.watch import Ticket, Watch
from tests.backoffice.ingest.till import make_account, make_store, make_till
from tests.support.backoffice import Database


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), KeyError("x")])
def test_it_goes_on(
    sqlite_backoffice: Database, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    till = make_till(make_store(make_account()))
    right, looks = Watch._file_changed, []

    def stumble(watch: Watch) -> bool:
        looks.append(1)
        if len(looks) == 3:
            raise error
        return right(watch)

    monkeypatch.setattr(Watch, "_file_changed", stumble)
    monkeypatch.setattr(hubs, "_AFTER_ERROR", 0.05)

    async def live() -> bool:
        hub = Hub()
        register, account = str(till.register.id), str(till.register.account_id)
        hub.join(Ticket(register, account, till.public_key, {}))
        async with asyncio.timeout(10):
            while len(looks) < 6:
                await asyncio.sleep(0.02)
        alive = any(thread.name == "pokes" for thread in threading.enumerate())
        hub.stop()
        return alive

    assert asyncio.run(live())
