"""The register's half of an exchange on its real stores: what it makes of an answer, also in the middle of it."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stillopen.register.linkview import LineState, LinkView
from stillopen.register.syncer.engine import Engine
from stillopen.register.till import Till
from stillopen.register.usecases.status import status
from stillopen.sync.codec import pack, unpack
from stillopen.sync.messages import Ack, ExchangeAnswer, ExchangeRequest, FeedPage
from tests.register.shop import Setting, catalogue_records, feed_row, heads, make_till
from tests.register.test_epochs import sale


class Talk:
    """A till and a Back Office that acknowledges everything."""

    def __init__(self, folder: Path) -> None:
        self.till: Till = make_till(folder)
        self.engine = Engine(self.till)

    def answer(self, **more: Any) -> bytes:
        """To the next request of the till."""
        request = unpack(self.engine.prepare().body, ExchangeRequest)
        head = self.till.journal.head()
        ack = Ack(head.epoch, head.seq, head.hash)
        return pack(ExchangeAnswer(request=request.request, nonce=b"n", ack=ack, **more))

    def hear(self, **more: Any) -> None:
        self.engine.hear(self.answer(**more))


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    return Talk(tmp_path / "till")


def test_synced_is_not_said_while_an_answer_that_says_otherwise_is_carried_out(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = talk.till
    talk.hear()
    behind = talk.engine.behind
    till.set_link(LinkView(state=LineState.CONNECTED, since=till.clock.now(), feed_behind=behind))
    assert status(till).state == "synced"
    sale(till)
    talk.engine.look_for_live()
    page = FeedPage(server_epoch="e", rows=(), more=False, since={})
    said = talk.answer(feed_behind=True, live=page)
    assert status(till).state == "sending"
    seen = []
    right = till.live.stage

    def stage(*arguments: Any) -> None:
        seen.append(status(till).state)
        right(*arguments)

    monkeypatch.setattr(till.live, "stage", stage)
    talk.engine.hear(said)
    assert seen == ["sending"]
    assert talk.engine.behind


def test_backups_that_reach_less_are_believed_where_the_entry_is_purged(talk: Talk) -> None:
    """An older backup lies beside the others again: what is above it must not be purged any more."""
    journal = talk.till.journal
    for _ in range(6):
        sale(talk.till)
    epoch = journal.head().epoch
    entries = journal.entries.raw_after(0, 100)
    talk.hear(backed_up=Ack(epoch, 5, entries[4].hash))
    assert journal.sending.backed_up(epoch) == 5
    with journal.transaction():
        journal.entries.purge(epoch, 3)
    talk.hear(backed_up=Ack(epoch, 2, entries[1].hash))
    assert journal.sending.backed_up(epoch) == 2


@pytest.mark.parametrize("kind", [sqlite3.DatabaseError, sqlite3.OperationalError])
def test_a_catalogue_that_cannot_be_written_holds_up_no_fact(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """And a broken one is fetched into another file."""
    till, engine = talk.till, talk.engine
    catalogue = till.catalogue
    since = {head.scope: head.seq for head in catalogue.cursors()}
    talk.hear()
    sale(till)
    engine.look_for_news()
    page = FeedPage(
        server_epoch=catalogue.server_epoch,
        rows=(),
        more=False,
        since=since,
        heads=catalogue.cursors(),
    )
    said = talk.answer(page=page)

    def broken(*arguments: Any) -> None:
        raise kind("database disk image is malformed")

    with monkeypatch.context() as patch:
        patch.setattr(catalogue._feed, "stage", broken)
        engine.hear(said)
    assert till.journal.sending.unsent().count == 0
    assert engine.behind
    engine.look_for_news()
    request = unpack(engine.prepare().body, ExchangeRequest)
    assert request.pull is not None
    assert request.pull.snapshot is (kind is sqlite3.DatabaseError)
    if request.pull.snapshot:
        _comes_whole(talk, since)


def _comes_whole(talk: Talk, scopes: dict[str, int]) -> None:
    catalogue = talk.till.catalogue
    before = catalogue._path.resolve()
    records = catalogue_records(Setting())
    rows = tuple(feed_row(n, *record) for n, record in enumerate(records, start=1))
    whole = FeedPage(
        server_epoch="server-1",
        rows=rows,
        more=False,
        since=dict.fromkeys(scopes, 0),
        heads=tuple(heads(len(rows))),
        snapshot=True,
    )
    talk.hear(page=whole)
    assert catalogue._path.resolve() != before
    assert catalogue.count("product") > 0 and not talk.engine.behind
