"""A catalogue whose file breaks while the till runs: facts go on, and it is fetched into another file."""

import sqlite3
from pathlib import Path

import pytest

from stillopen.register.syncer.engine import Engine
from stillopen.sync.codec import pack, unpack
from stillopen.sync.messages import Ack, ExchangeAnswer, ExchangeRequest, FeedPage
from tests.register.shop import Setting, catalogue_records, feed_row, heads, make_till
from tests.register.test_epochs import sale


@pytest.mark.parametrize("kind", [sqlite3.DatabaseError, sqlite3.OperationalError])
def test_it_is_fetched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    till = make_till(tmp_path / "a")
    engine = Engine(till)
    rows = tuple(feed_row(n, *x) for n, x in enumerate(catalogue_records(Setting()), start=1))
    since = {h.scope: h.seq for h in till.catalogue.cursors()}

    def answer(**more: object) -> bytes:
        request = unpack(engine.prepare().body, ExchangeRequest)
        head = till.journal.head()
        ack = Ack(head.epoch, head.seq, head.hash)
        return pack(ExchangeAnswer(request=request.request, nonce=b"n", ack=ack, **more))  # type: ignore[arg-type]

    engine.hear(answer())
    sale(till)
    engine.look_for_news()
    page = FeedPage(server_epoch=till.catalogue.server_epoch, rows=(), more=False, since=since,
                    heads=till.catalogue.cursors())
    said = answer(page=page)

    def broken(*args: object) -> None:
        raise kind("database disk image is malformed")

    with monkeypatch.context() as patch:
        patch.setattr(till.catalogue._feed, "stage", broken)
        engine.hear(said)
    assert till.journal.sending.unsent().count == 0  # the facts were acknowledged
    assert engine.behind
    before = till.catalogue._path.resolve()
    engine.look_for_news()
    request = unpack(engine.prepare().body, ExchangeRequest)
    assert request.pull is not None and request.pull.snapshot is (kind is sqlite3.DatabaseError)
    if request.pull.snapshot:
        whole = FeedPage(server_epoch="server-1", rows=rows, more=False, since=dict.fromkeys(since, 0),
                         heads=tuple(heads(len(rows))), snapshot=True)
        engine.hear(pack(ExchangeAnswer(request=request.request, nonce=b"m", ack=engine.state.acked, page=whole)))
        assert till.catalogue._path.resolve() != before
        assert till.catalogue.count("product") == 7 and not engine.behind
