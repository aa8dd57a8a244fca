"""Numbering anew: a disk on another machine, a journal that the server has told to part."""

import re
import shutil
from pathlib import Path

import msgspec
import pytest

from stillopen.domain.errors import DomainError
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.clock import ManualClock
from stillopen.register.syncer.engine import Engine
from stillopen.register.till import Till
from stillopen.register.usecases.new_epoch import begin_epoch, take_label
from stillopen.register.usecases.receipts import list_receipts
from stillopen.register.usecases.scan import scan
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.sync.messages import Ack
from tests.register.shop import NOON, make_till, signed_in
from tests.support.disk import fill, small_disk

CASH = [Tender(type=TenderType.CASH, amount=100_00)]


def sale(till: Till) -> str:
    lines = [SaleLine(sku="100", quantity="1")]
    return sell(till, signed_in(till), till.clock.new_id(), lines, CASH).receipt.number


def copy_of(till: Till, folder: Path, machine: str) -> Till:
    shutil.copytree(till.data_dir, folder)
    return Till.open(folder, ManualClock(NOON), machine=machine)


def test_a_disk_on_another_machine_numbers_anew_before_its_first_sale(tmp_path: Path) -> None:
    till = make_till(tmp_path / "a")
    assert sale(till) == "S1-R1-000001"
    copy = copy_of(till, tmp_path / "b", "another")
    assert re.fullmatch(r"S1-R1x\d{4}-000001", sale(copy))
    assert sale(till) == "S1-R1-000002"
    assert len(list_receipts(copy)) == 2  # what it had before stays to be seen
    copy.close()
    again = Till.open(tmp_path / "b", ManualClock(NOON), machine="another")
    assert sale(again).endswith("-000002")  # once, not at every start


def test_a_machine_without_a_name_is_no_other_machine(tmp_path: Path) -> None:
    till = make_till(tmp_path / "a")
    sale(till)
    assert sale(copy_of(till, tmp_path / "b", "")) == "S1-R1-000002"


def test_what_a_former_epoch_has_left_is_sent_first(tmp_path: Path) -> None:
    till = make_till(tmp_path / "a")
    sale(till)
    former = till.journal.head()
    begin_epoch(till)
    sale(till)
    engine, sending = Engine(till), till.journal.sending
    outlook = engine.outlook()
    assert (outlook.epoch, outlook.former, outlook.head_seq) == (former.epoch, True, former.seq)
    assert sending.unsent().count == former.seq + till.journal.head().seq
    assert not engine.is_synced()
    sending.set_ack(Ack(former.epoch, former.seq, former.hash))
    assert engine.outlook().former  # until the server itself has spoken of it
    engine.state = msgspec.structs.replace(engine.state, confirmed=(former.epoch,))
    outlook = engine.outlook()
    assert (outlook.epoch, outlook.former) == (till.journal.head().epoch, False)
    assert sending.unsent_sales() == 1


def test_a_sync_is_not_over_before_a_new_epoch_has_its_label(tmp_path: Path) -> None:
    till = make_till(tmp_path / "a")
    sale(till)
    engine, asked = Engine(till), till.journal.head()
    till.journal.sending.set_ack(Ack(asked.epoch, asked.seq, asked.hash))
    engine.state = msgspec.structs.replace(
        engine.state, nonce=b"n", feed_behind=False, confirmed=(asked.epoch,)
    )
    assert engine.has_caught_up(asked)
    epoch = begin_epoch(till)
    assert not engine.has_caught_up(asked)
    engine.state = msgspec.structs.replace(engine.state, confirmed=(asked.epoch, epoch.id))
    assert engine.has_caught_up(asked)


def test_the_servers_label_counts_until_a_receipt_bears_another(tmp_path: Path) -> None:
    till = make_till(tmp_path / "a")
    epoch = begin_epoch(till)
    take_label(till, epoch.id, "b")
    assert sale(till) == "S1-R1b-000001"
    take_label(till, epoch.id, "c")
    assert sale(till) == "S1-R1b-000002"
    second = begin_epoch(till)
    number = sale(till)
    take_label(till, second.id, "c")
    assert sale(till)[:-1] == number[:-1]


def test_the_open_cart_of_a_copied_disk_becomes_another_sale(tmp_path: Path) -> None:
    till = make_till(tmp_path / "a")
    session = signed_in(till)
    scan(till, session, "100")
    copy = copy_of(till, tmp_path / "b", "another")
    first, second = till.journal.carts.open_cart(), copy.journal.carts.open_cart()
    assert first and second and first.lines == second.lines and first.id != second.id


def test_an_epoch_that_the_disk_had_no_room_for_is_not_sold_in(tmp_path: Path) -> None:
    """Else its sales would be in an epoch that the file does not know, and nobody would ever send them."""
    with small_disk(tmp_path / "disk", 24) as disk:
        till = make_till(disk / "till")
        sale(till)
        till.journal.db.room = None
        till.journal.db.query("PRAGMA wal_checkpoint(TRUNCATE)")
        filler = fill(disk)
        with pytest.raises(DomainError, match="disk") as refused, till.journal.transaction():
            begin_epoch(till)  # as when an answer is carried out
            till.journal.sending.update(stopped="")
        assert refused.value.code == "disk_full"
        filler.unlink()
        sale(till)
        till.close()
        again = Till.open(disk / "till", ManualClock(NOON), machine=till.machine)
        sales = again.journal.db.query("SELECT epoch FROM entry WHERE kind = 'sale'")
        assert {row[0] for row in sales} == {e.id for e in again.journal.identity.epochs()}
        assert len(sales) == again.journal.sending.unsent_sales() == 2
        again.close()


def test_a_label_that_was_rolled_back_is_not_printed(tmp_path: Path) -> None:
    till = make_till(tmp_path / "a")
    before = begin_epoch(till)
    with pytest.raises(RuntimeError), till.journal.transaction():
        take_label(till, before.id, "b")
        raise RuntimeError("the disk is full")
    assert till.journal.identity.epoch() == before
