"""Entries that are gone at the register and at the server: real stores on both sides of real exchanges."""

from datetime import timedelta
from pathlib import Path

import pytest

from stillopen.backoffice.backups.making import make_backup
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ingest.receive import exchange
from stillopen.register.clock import ManualClock
from stillopen.register.keys import load_device
from stillopen.register.store.entries import Draft
from stillopen.register.store.identity import Identity
from stillopen.register.syncer.engine import Engine
from stillopen.register.till import Till
from stillopen.register.usecases.purge import purge
from stillopen.sync.facts import DrawerOpened
from tests.backoffice.backups.test_backup import restore
from tests.backoffice.ingest.till import NOON, make_account, make_store, make_till
from tests.support.backoffice import Database


class Side:
    """A register on its real files, that exchanges with the Back Office of this process."""

    def __init__(self, folder: Path, register: Register) -> None:
        self.clock = ManualClock(NOON)
        device = load_device(folder)
        register.public_key, register.fingerprint = device.public_key, ""
        register.save()
        self.till = Till.open(folder, self.clock)
        self.till.journal.identity.save(
            Identity(
                register=str(register.id),
                register_name=register.name,
                store=str(register.store_id),
                store_code="S1",
                store_name="S1",
                account="A",
                account_name="A",
                currency="EUR",
                backoffice="http://127.0.0.1:1",
                activated_at=NOON,
            )
        )
        self.engine = Engine(self.till)

    def add(self, count: int) -> None:
        for _ in range(count):
            with self.till.journal.transaction():
                self.till.journal.entries.append(
                    Draft(
                        id=self.clock.new_id(),
                        kind="drawer_opened",
                        payload=DrawerOpened(),
                        occurred_at=self.clock.now(),
                        business_day=self.clock.now().date(),
                    )
                )

    def talk(self, rounds: int = 6) -> None:
        for _ in range(rounds):
            asked = self.engine.prepare()
            register, _, signature = asked.proof.partition(":")
            answer = exchange(register, asked.body, bytes.fromhex(signature), self.clock.now())
            self.engine.hear(answer)


@pytest.fixture
def side(backoffice: Database, tmp_path: Path) -> Side:
    folder = tmp_path / "till"
    folder.mkdir()
    return Side(folder, make_till(make_store(make_account())).register)


def test_what_is_gone_on_both_sides_is_declared_and_the_rest_goes_on(
    side: Side, backoffice: Database, tmp_path: Path
) -> None:
    side.add(3)
    side.talk()
    make_backup(tmp_path / "old", 14, False, side.clock.now())
    for path in (tmp_path / "old").iterdir():  # put away where the Back Office cannot see it
        (tmp_path / "vault").mkdir(exist_ok=True)
        path.rename(tmp_path / "vault" / path.name)
    side.add(4)
    side.talk()
    make_backup(tmp_path / "new", 14, False, side.clock.now())
    side.talk()
    journal = side.till.journal
    epoch = journal.head().epoch
    assert journal.sending.backed_up(epoch) == 7
    side.clock.advance(timedelta(days=401).total_seconds())
    assert sum(purge(side.till)) == 7
    side.add(2)
    side.talk()
    assert Entry.objects.count() == 9 and journal.sending.unsent().count == 0

    restore(backoffice, tmp_path / "vault")  # older than every backup that was counted on
    assert Entry.objects.count() == 3
    side.add(1)
    side.talk(10)
    assert journal.sending.unsent().count == 0
    kept = list(Entry.objects.order_by("seq").values_list("seq", "kind", "status"))
    assert [row[0] for row in kept] == [1, 2, 3, 7, 8, 9, 10]
    assert {row[2] for row in kept} == {"applied"} and kept[3][1] == "gap"
    (missing,) = ExceptionItem.objects.filter(code="entries_missing")
    assert (missing.details["first"], missing.details["last"]) == (4, 7)
    assert missing.details["critical"] is True
