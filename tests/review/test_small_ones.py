from pathlib import Path

import pytest

from stillopen.register.store.entries import EntryStore
from stillopen.register.syncer.engine import Engine
from stillopen.register.usecases.inspect_journal import export_lines
from stillopen.register.usecases.new_epoch import begin_epoch
from stillopen.sync.codec import pack, unpack
from stillopen.sync.journalfile import read_lines
from stillopen.sync.messages import Ack, ExchangeAnswer, ExchangeRequest
from tests.register.shop import make_till
from tests.register.test_epochs import sale


def test_backups_that_reach_less_are_believed_where_the_entry_is_purged(tmp_path: Path) -> None:
    """An older backup was put beside the others again: what is above it must not be purged any more."""
    till = make_till(tmp_path / "a")
    for _ in range(6):
        sale(till)
    engine, head = Engine(till), till.journal.head()
    entries = till.journal.entries.raw_after(0, 100, head.epoch)

    def hear(reach: Ack) -> None:
        request = unpack(engine.prepare().body, ExchangeRequest)
        ack = Ack(head.epoch, head.seq, head.hash)
        engine.hear(pack(ExchangeAnswer(request=request.request, nonce=b"n", ack=ack, backed_up=reach)))

    hear(Ack(head.epoch, 5, entries[4].hash))
    assert till.journal.sending.backed_up(head.epoch) == 5
    with till.journal.transaction():
        till.journal.entries.purge(head.epoch, 3)
    hear(Ack(head.epoch, 2, entries[1].hash))
    assert till.journal.sending.backed_up(head.epoch) == 2


def test_an_export_beside_a_till_is_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    till = make_till(tmp_path / "a")
    sale(till)
    real = EntryStore.count

    def count(self: EntryStore, ends: dict[str, int]) -> int:
        if till.journal.entries is not self:
            begin_epoch(till)
            sale(till)
            with till.journal.transaction():
                epoch = till.journal.identity.epochs()[0].id
                till.journal.entries.purge(epoch, 1)
        return real(self, ends)

    monkeypatch.setattr(EntryStore, "count", count)
    assert len(list(read_lines(export_lines(tmp_path / "a")))) >= 2
