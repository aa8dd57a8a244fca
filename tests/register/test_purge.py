"""Old entries leave the till once they are safe elsewhere; the chain goes on from the anchor."""

import time
from collections.abc import Mapping
from datetime import timedelta

import pytest

from stillopen.domain.errors import DomainError
from stillopen.register.clock import ManualClock
from stillopen.register.housekeeping import Housekeeper
from stillopen.register.linkview import LineState, LinkView
from stillopen.register.session import Session
from stillopen.register.store.entries import EntryStore
from stillopen.register.till import Till
from stillopen.register.usecases import purge as purging
from stillopen.register.usecases.inspect_journal import export_lines, verify_journal
from stillopen.register.usecases.new_epoch import begin_epoch
from stillopen.register.usecases.purge import purge
from stillopen.register.usecases.receipts import find_receipt
from stillopen.register.usecases.x_report import x_report
from stillopen.sync.journalfile import read_lines
from stillopen.sync.messages import Ack
from tests.register.selling import one_sale
from tests.register.shop import reopen, signed_in

YEAR = timedelta(days=401)


def later(till: Till, by: timedelta) -> None:
    assert isinstance(till.clock, ManualClock)
    till.clock.advance(by.total_seconds())


def safe_up_to(till: Till, acked: int, backed_up: int) -> None:
    epoch = till.journal.head().epoch
    entry = till.journal.entries.raw_after(acked - 1, 1)[0]
    till.journal.sending.set_ack(Ack(epoch, entry.seq, entry.hash))
    till.journal.sending.set_backed_up(epoch, backed_up)


def left(till: Till) -> list[int]:
    return [entry.seq for entry in till.journal.entries.raw_after(0, 99)]


def test_only_what_is_acked_backed_up_and_old_goes(
    till: Till, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "CHUNK", 2)
    first = one_sale(till, session)
    for _ in range(3):
        one_sale(till, session)
    middle = till.journal.head().seq
    later(till, YEAR)
    one_sale(till, session)
    head = till.journal.head()
    assert list(purge(till)) == []  # nothing is backed up
    safe_up_to(till, head.seq, 3)
    assert sum(purge(till)) == 3 and left(till)[0] == 4
    safe_up_to(till, head.seq, head.seq)
    assert sum(purge(till)) == middle - 3
    assert left(till) == [head.seq] and till.journal.head() == head

    verdict = verify_journal(till.data_dir)
    assert (verdict.entries, verdict.faults) == (1, ())
    (read,) = read_lines(list(export_lines(till.data_dir)))
    assert read.gap and read.entry.seq == head.seq
    assert till.journal.sending.unsent().count == 0
    with pytest.raises(DomainError) as refused:
        find_receipt(till, first.receipt.number)
    assert refused.value.code == "receipt_purged"
    with pytest.raises(DomainError) as refused:
        find_receipt(till, "S1-R1-000900")
    assert refused.value.code == "no_such_receipt"


def test_numbers_and_sums_go_on_after_everything_went(till: Till, session: Session) -> None:
    one_sale(till, session)
    before = x_report(till, session).totals
    head = till.journal.head()
    later(till, YEAR)
    safe_up_to(till, head.seq, head.seq)
    assert sum(purge(till)) == head.seq and left(till) == []
    till = reopen(till)
    assert till.journal.head() == head
    assert verify_journal(till.data_dir).faults == ()
    epoch = head.epoch
    assert till.journal.sending.batch(epoch, head.seq, 10) == ((), ())
    # Asked for what is gone, it says so.
    _, (gap,) = till.journal.sending.batch(epoch, 0, 10)
    assert (gap.first, gap.last, gap.hash) == (1, head.seq, head.hash)
    assert x_report(till, signed_in(till)).totals == before
    assert one_sale(till, signed_in(till)).seq == head.seq + 3  # behind two sign-ins
    till.close()


def test_what_waits_for_the_line_never_goes(till: Till, session: Session) -> None:
    for _ in range(3):
        one_sale(till, session)
    head = till.journal.head().seq
    later(till, YEAR)
    safe_up_to(till, 2, head)  # the server knows more than it has told
    assert sum(purge(till)) == 2 and left(till) == list(range(3, head + 1))


def test_an_export_beside_a_running_till_is_of_one_moment(
    till: Till, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_sale(till, session)
    right = EntryStore.count

    def count(entries: EntryStore, ends: Mapping[str, int]) -> int:
        if entries is not till.journal.entries:  # the till goes on while the export has begun
            former = till.journal.head().epoch
            begin_epoch(till)
            one_sale(till, session)
            with till.journal.transaction():
                till.journal.entries.purge(former, 1)
        return right(entries, ends)

    monkeypatch.setattr(EntryStore, "count", count)
    read = list(read_lines(export_lines(till.data_dir)))
    assert [x.entry.seq for x in read] == list(range(1, len(read) + 1))


def test_it_goes_by_itself_while_connected(till: Till, session: Session) -> None:
    """What a till that is offline knows of the backups may be old."""
    one_sale(till, session)
    head = till.journal.head()
    safe_up_to(till, head.seq, head.seq)
    later(till, YEAR)
    keeper = Housekeeper(till, first=0.01, every=0.01)
    keeper.start()
    try:
        time.sleep(0.2)
        assert left(till)[0] == 1
        till.set_link(LinkView(state=LineState.CONNECTED, feed_behind=False))
        deadline = time.monotonic() + 5
        while left(till) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left(till) == []
    finally:
        keeper.end()
