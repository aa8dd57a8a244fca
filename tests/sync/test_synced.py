"""``All data is synced`` is only said by a register that would be told of news."""

import msgspec
import pytest

from stillopen.sync.chain import GENESIS
from stillopen.sync.messages import Ack, Cursor, Unsent
from stillopen.sync.register_side import Outlook, SyncState, is_synced

IN_STEP = SyncState(
    acked=Ack("e", 0, GENESIS), confirmed=("e",), feed_behind=False, live_behind=False
)
OUTLOOK = Outlook(
    register="r",
    software="1",
    epoch="e",
    head_seq=0,
    head_hash=GENESIS,
    server_epoch="s",
    cursors=(Cursor("account", 1, b"c"),),
    staged={},
    unsent=Unsent(),
    shift_open=False,
    receipts_made=0,
)


def test_a_register_in_step_says_so() -> None:
    assert is_synced(IN_STEP, OUTLOOK, 0)


@pytest.mark.parametrize("why", ["revoked", "strange", "waiting_for_upgrade"])
def test_a_register_that_gets_nothing_does_not(why: str) -> None:
    assert not is_synced(msgspec.structs.replace(IN_STEP, **{why: True}), OUTLOOK, 0)
