from pathlib import Path
import pytest
from stillopen.domain.errors import DomainError
from stillopen.register.clock import ManualClock
from stillopen.register.store.disk import Room
from stillopen.register.till import Till
from stillopen.register.usecases.new_epoch import begin_epoch
from tests.register.test_epochs import sale
from tests.register.shop import make_till
from tests.support.disk import fill, small_disk


def test_real_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as disk:
        till = make_till(disk / "a")
        sale(till)
        till.journal.db.room = None
        till.journal.db.query("PRAGMA wal_checkpoint(TRUNCATE)")
        filler = fill(disk)
        with pytest.raises(DomainError) as e:
            with till.journal.transaction():  # as Engine.hear does with "new_epoch"
                begin_epoch(till)
                till.journal.sending.update(stopped="")
        assert e.value.code == "disk_full"
        filler.unlink()
        number = sale(till)
        machine = till.machine
        till.close()
        again = Till.open(disk / "a", ManualClock(till.clock.now()), machine=machine)
        print(number, [e.label for e in again.journal.identity.epochs()], again.journal.sending.unsent())
        lost = again.journal.db.query("SELECT receipt FROM entry WHERE epoch NOT IN (SELECT id FROM epoch)")
        assert lost == []


def test_a_label_that_was_rolled_back_is_not_printed(tmp_path: Path) -> None:
    till = make_till(tmp_path / "a")
    begin_epoch(till)
    before = till.journal.identity.epoch()
    with pytest.raises(RuntimeError), till.journal.transaction():
        till.journal.identity.label_epoch("b")
        raise RuntimeError("the disk is full")
    assert till.journal.identity.epoch() == before
