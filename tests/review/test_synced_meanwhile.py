"""An answer acknowledges everything and says that the catalogue is behind: *synced* is not said while what else
came with it is being written."""

from datetime import UTC, datetime

import msgspec
import pytest
from pathlib import Path

from stillopen.register.linkview import LineState, LinkView
from stillopen.register.syncer.engine import Engine
from stillopen.register.usecases.status import status
from stillopen.sync.codec import pack, unpack
from stillopen.sync.messages import Ack, Cursor, ExchangeAnswer, ExchangeRequest, FeedPage
from tests.register.shop import make_till
from tests.register.test_epochs import sale


def test_not_synced_while_the_answer_is_carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    till = make_till(tmp_path / "a")
    engine = Engine(till)
    head = till.journal.head()

    def answer(**more: object) -> bytes:
        prepared = engine.prepare()
        request = unpack(prepared.body, ExchangeRequest)
        head = till.journal.head()
        ack = Ack(head.epoch, head.seq, head.hash)
        return pack(ExchangeAnswer(request=request.request, nonce=b"n", ack=ack, **more))  # type: ignore[arg-type]

    engine.hear(answer())
    till.set_link(LinkView(state=LineState.CONNECTED, since=till.clock.now(), feed_behind=engine.behind))
    assert status(till).state == "synced"
    sale(till)
    engine.look_for_live()
    said = answer(feed_behind=True, live=FeedPage(server_epoch="e", rows=(), more=False, since={}))
    assert status(till).state == "sending"
    seen = []
    real = till.live.stage
    monkeypatch.setattr(till.live, "stage", lambda *a: (seen.append(status(till).state), real(*a)))
    engine.hear(said)
    assert seen == ["sending"]
    assert engine.behind
