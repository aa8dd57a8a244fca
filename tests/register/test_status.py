"""What the till says of itself; above all that *All data is synced* is never said falsely."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillopen.domain.errors import DomainError
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.clock import ManualClock
from stillopen.register.linkview import LineState, LinkView
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.check_clock import clock_jump, confirm_clock
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.register.usecases.status import status
from stillopen.register.wording import money
from stillopen.sync.messages import Ack, NotApplied
from tests.register.shop import NOON, make_till, reopen, signed_in

CONNECTED = LinkView(state=LineState.CONNECTED, feed_behind=False)


def sell_one(till: Till, session: Session) -> None:
    tender = Tender(type=TenderType.CASH, amount=350)
    sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], [tender])


def ack(till: Till, seq: int | None = None) -> None:
    entry = till.journal.entries.raw_after(0, 10000)[(seq or 0) - 1]
    till.journal.sending.set_ack(Ack(till.journal.head().epoch, entry.seq, entry.hash))
    till.journal.sending.update(last_exchange_at=till.clock.now())


def test_synced_is_said_only_when_everything_is(till: Till, session: Session) -> None:
    till.set_link(CONNECTED)
    sell_one(till, session)
    now = status(till)
    assert (now.indicator, now.state, now.word) == ("green", "sending", "Sending 3")
    assert now.sentence == "1 sale worth €3.50 is saved here and not sent yet"
    ack(till)
    now = status(till)
    assert (now.state, now.word, now.sentence) == ("synced", "Synced", "All data is synced")
    till.set_link(LinkView(state=LineState.CONNECTED, feed_behind=True))
    assert (status(till).state, status(till).word) == ("sending", "Syncing")
    till.set_link(CONNECTED)
    held = NotApplied(seq=3, id="x", status="waiting", code="c")
    till.journal.sending.replace_not_applied([held])
    now = status(till)
    assert (now.state, now.waiting) == ("sending", 1)
    assert now.sentence == "1 entry waits in the Back Office; everything else is sent"
    held = NotApplied(seq=3, id="x", status="quarantined", code="c")
    till.journal.sending.replace_not_applied([held])
    now = status(till)
    assert (now.state, now.word, now.quarantined) == ("sending", "1 errored", 1)
    assert now.sentence == (
        "1 entry needs attention in the Back Office, where it is stored; everything else is sent"
    )


_links = st.builds(
    LinkView,
    state=st.sampled_from(LineState),
    feed_behind=st.booleans(),
    incoming=st.integers(0, 5),
)


@settings(max_examples=80, deadline=None)
@given(link=_links, acked=st.integers(0, 4), held=st.integers(0, 1))
def test_whatever_is_known_the_sentence_is_true(
    status_till: Till, link: LinkView, acked: int, held: int
) -> None:
    till = status_till
    till.link = link
    till.journal.sending.set_ack(Ack(till.journal.head().epoch, acked, b""))
    rows = [NotApplied(seq=1, id="x", status="quarantined", code="c")][:held]
    till.journal.sending.replace_not_applied(rows)
    now = status(till)
    synced = link.state is LineState.CONNECTED and not link.feed_behind and acked == 4 and not held
    assert (now.sentence == "All data is synced") == synced == (now.state == "synced")
    if now.unsent_sales and now.state not in ("not_activated",):
        assert "not sent yet" in now.sentence
    assert now.sentence and now.word


@pytest.fixture(scope="module")
def status_till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    till = make_till(tmp_path_factory.mktemp("status"))
    session = signed_in(till)
    sell_one(till, session)
    sell_one(till, session)
    yield till
    till.close()


def test_colours_and_causes(till: Till, session: Session) -> None:
    ack(till)
    till.set_link(LinkView(state=LineState.OFFLINE, cause="dns", since=NOON))
    now = status(till)
    assert (now.indicator, now.word, now.since) == ("red", "Offline", NOON)
    assert now.cause_words == "the Back Office's name is not found"
    assert now.sentence == ("Everything made here is sent; the Back Office was last heard at 12:00")
    till.set_link(LinkView(state=LineState.UNSTABLE, cause="refused_device"))
    assert "kept here, also what was sent" in status(till).sentence
    till.journal.sending.update(stopped="revoked")
    now = status(till)
    assert (now.indicator, now.state, now.word) == ("gray", "revoked", "Revoked")


def test_without_a_catalogue_nothing_is_sold_but_what_is_unsent_is_told(
    till: Till, session: Session
) -> None:
    sell_one(till, session)
    folder = till.data_dir
    till.close()
    for path in folder.glob("catalogue.db*"):
        path.unlink()
    with closing(Till.open(folder)) as bare:
        now = status(bare)
        assert (now.state, now.products) == ("never_synced", 0)
        assert "1 sale worth €3.50 is saved here" in now.sentence
        with pytest.raises(DomainError) as refused:
            sell_one(bare, session)
        assert refused.value.code == "never_synced"


def test_a_jump_of_the_clock_is_put_to_a_manager(till: Till, session: Session) -> None:
    till.clock.heard_server(NOON + timedelta(hours=11))
    assert clock_jump(till) is None
    till.clock.heard_server(NOON + timedelta(hours=36))
    assert status(till).clock_jump
    with closing(reopen(till)) as again:
        assert clock_jump(again) == (NOON + timedelta(hours=11), NOON + timedelta(hours=36))
        with pytest.raises(DomainError):
            confirm_clock(again, signed_in(again, "3"))
        confirm_clock(again, signed_in(again, "2"))
        assert not status(again).clock_jump


def test_after_a_boot_time_is_never_before_the_last_entry(till: Till, session: Session) -> None:
    assert isinstance(till.clock, ManualClock)
    till.clock.advance(600)
    sell_one(till, session)
    till.close()
    with closing(Till.open(till.data_dir, ManualClock(NOON - timedelta(days=2000)))) as again:
        assert again.clock.now() == NOON + timedelta(minutes=10)
        assert status(again).clock_jump
        again.clock.advance(5)  # type: ignore[attr-defined]
        assert again.clock.now() == NOON + timedelta(minutes=10, seconds=5)


def test_ids_are_in_the_order_of_time() -> None:
    clock = ManualClock(NOON)
    ids = []
    for _ in range(50):
        ids.append(clock.new_id())
        clock.advance(0.001)
    assert ids == sorted(ids) and len(set(ids)) == 50


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [(4120, "EUR", "€41.20"), (412, "JPY", "¥412"), (4120, "BHD", "BHD4.120"),
     (123456789, "USD", "$1,234,567.89")],
)  # fmt: skip
def test_money_in_words(amount: int, currency: str, words: str) -> None:
    assert money(amount, currency).replace("\xa0", "") == words


def test_the_files_can_be_read_beside_a_running_till(till: Till, session: Session) -> None:
    sell_one(till, session)
    with closing(Till.open_to_read(till.data_dir)) as reader:
        now = status(reader)
        assert (now.head_seq, now.unsent.value, now.products) == (3, 350, 7)
        assert (now.state, now.cause) == ("offline", "not_running")


def test_there_must_be_a_register(tmp_path: Path) -> None:
    with pytest.raises(DomainError) as refused:
        Till.open_to_read(tmp_path)
    assert refused.value.code == "no_register"
    assert list(tmp_path.iterdir()) == []
