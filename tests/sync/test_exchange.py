"""The exchange over a faulty wire: nothing lost, nothing doubled, no half publication ever seen."""

import contextlib
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillopen.sync import register_side
from stillopen.sync.chain import GENESIS, verify
from stillopen.sync.codec import BadMessage, pack, unpack
from stillopen.sync.messages import Ack, ExchangeAnswer, ExchangeRequest
from stillopen.sync.server_side import Known, judge
from tests.sync.wire import EPOCH, Register, Server, Wire


def shop(seed: int = 0, loss: float = 0.0) -> Wire:
    return Wire(Server(), Register(), random.Random(seed), loss)


def test_a_first_sync_takes_a_nonce_then_everything() -> None:
    wire = shop()
    wire.server.publish("account", {f"p{n}": b"x%d" % n for n in range(8)})
    wire.server.publish("register:r1", {"settings": b"s"})
    wire.register.sell()
    assert wire.settle() == 4  # nonce, then pages of three, three and the rest
    assert wire.register.content == wire.server.content()
    assert wire.register.state.acked.seq == 1
    assert len(wire.register.views) == 1  # one switch


def test_who_hands_in_facts_asks_for_stock_and_receipts_with_them() -> None:
    wire = shop()
    wire.settle()
    assert unpack(wire.register.request(), ExchangeRequest).live is None
    wire.settle()
    wire.register.sell()
    request = unpack(wire.register.request(), ExchangeRequest)
    assert len(request.entries) == 1 and request.live is not None
    state = msgspec.structs.replace(wire.register.state, in_flight=False)
    for down, asked in ((4_000.0, False), (5_000_000.0, True)):  # on a slow line facts come alone
        outlook = msgspec.structs.replace(wire.register.outlook(), down=down)
        plan = register_side.plan(state, outlook)[1]
        assert plan.last == plan.first and (plan.request.live is not None) is asked


def test_nothing_to_say_is_one_small_exchange() -> None:
    wire = shop()
    wire.server.publish("account", {"p": b"x"})
    wire.settle()
    request = wire.register.request()
    answer = wire.server.answer(request)
    assert len(request) + len(answer) <= 600


def test_a_delayed_duplicate_has_no_effect() -> None:
    wire = shop()
    wire.settle()
    wire.register.sell()
    first = wire.register.request()
    wire.register.hear(wire.server.answer(first))
    wire.register.sell()
    late = unpack(wire.server.answer(first), ExchangeAnswer)
    assert late.stale and late.page is None and not late.instructions
    wire.settle()
    assert [e.seq for e in wire.server.entries] == [1, 2]


def test_an_answer_to_an_older_request_is_ignored() -> None:
    wire = shop()
    wire.settle()
    wire.register.sell()
    old = wire.server.answer(wire.register.request())
    wire.register.state = register_side.failed(wire.register.state)
    wire.register.request()
    wire.register.hear(old)
    assert wire.register.state.acked.seq == 0 and wire.register.state.in_flight


def test_a_lost_answer_costs_one_exchange_and_doubles_nothing() -> None:
    wire = shop()
    wire.settle()
    wire.register.sell()
    wire.server.answer(wire.register.request())  # the answer never arrives
    wire.register.state = register_side.failed(wire.register.state)
    assert wire.settle() <= 3
    assert [e.seq for e in wire.server.entries] == [1]


def test_a_restored_server_gets_everything_again() -> None:
    wire = shop()
    for _ in range(10):
        wire.register.sell()
    wire.settle()
    del wire.server.entries[4:]
    wire.server.nonce = b"restored"
    wire.register.sell()
    wire.settle()
    assert [e.seq for e in wire.server.entries] == list(range(1, 12))


def test_another_server_history_is_answered_with_a_snapshot() -> None:
    wire = shop()
    wire.server.publish("account", {"a": b"1", "b": b"2"})
    wire.settle()
    wire.server.epoch = "server-2"
    wire.server.rows.clear()
    wire.server.heads.clear()
    wire.server.known.clear()
    wire.server.publish("account", {"c": b"3"})
    wire.register.state = msgspec.structs.replace(wire.register.state, feed_behind=True)
    wire.settle()
    assert wire.register.content == {("account", "c"): b"3"}


def test_a_revoked_register_hands_in_its_facts_and_gets_nothing() -> None:
    wire = shop()
    wire.server.publish("account", {"p": b"x"})
    wire.server.state = "revoked"
    wire.register.sell()
    wire.settle()
    assert wire.register.revoked and wire.register.content == {}
    assert [e.seq for e in wire.server.entries] == [1]


def test_a_scope_that_is_taken_away_goes_in_the_same_switch() -> None:
    wire = shop()
    wire.server.publish("account", {"p": b"x"})
    wire.server.publish("register:r1", {"s": b"y"})
    wire.settle()
    wire.server.scopes = ("account",)
    wire.server.publish("account", {"p": b"z"})
    wire.register.state = msgspec.structs.replace(wire.register.state, feed_behind=True)
    wire.settle()
    assert wire.register.content == {("account", "p"): b"z"}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.0, 0.5))
def test_any_weather(seed: int, loss: float) -> None:
    """Sales, publications, power cuts and a bad wire in any order; then everything agrees."""
    rng = random.Random(seed)
    wire = Wire(Server(page_rows=rng.randint(1, 5)), Register(), rng, loss)
    wire.register.state = msgspec.structs.replace(
        wire.register.state, batch=rng.choice([1, 3, 100])
    )
    published = [wire.server.content()]
    acked = 0
    for _ in range(250):
        event = rng.random()
        if event < 0.10:
            wire.register.sell()
        elif event < 0.14:
            scope = rng.choice(wire.server.scopes)
            names = rng.sample(range(12), rng.randint(1, 7))
            wire.server.publish(
                scope, {f"p{n}": rng.choice([None, rng.randbytes(4)]) for n in names}
            )
            published.append(wire.server.content())
            wire.register.state = msgspec.structs.replace(wire.register.state, feed_behind=True)
        elif event < 0.16:
            wire.register.restart()
        else:
            wire.step()
        assert wire.register.state.acked.seq >= acked, "an ack went back without a rewind"
        acked = wire.register.state.acked.seq
        assert acked <= len(wire.server.entries), "an ack ran ahead of what is stored"
    wire.settle()
    assert wire.server.entries == wire.register.journal
    assert wire.register.content == wire.server.content()
    assert all(view in published for view in wire.register.views), "half a publication was seen"
    assert not verify(wire.server.entries)


def test_verify_names_each_fault_once() -> None:
    register = Register()
    entries = [register.sell() for _ in range(6)]
    assert verify(entries) == []
    flipped = msgspec.structs.replace(entries[2], body=entries[2].body[:-1] + b"!")
    assert [(f.seq, f.code) for f in verify([*entries[:2], flipped, *entries[3:]])] == [
        (3, "bad_hash")
    ]
    assert [(f.seq, f.code) for f in verify([*entries[:2], *entries[3:]])] == [(3, "missing")]
    assert verify(entries[2:], 2, entries[1].hash) == []


@pytest.mark.parametrize("column", ["body", "hash", "prev_hash"])
@pytest.mark.parametrize("place", [0, 2, 5])
def test_a_damaged_row_is_one_fault_and_parts_no_journal(column: str, place: int) -> None:
    wire = shop()
    wire.settle()
    for _ in range(6):
        wire.register.sell()
    journal = wire.register.journal
    value = bytearray(getattr(journal[place], column))
    value[len(value) // 2] ^= 1
    journal[place] = msgspec.structs.replace(journal[place], **{column: bytes(value)})
    assert [(f.seq, f.code) for f in verify(journal)] == [(place + 1, "bad_hash")]
    wire.settle()
    assert wire.server.entries == journal  # as they are; the server's one branch took them all
    wire.register.sell()  # goes on from the hash that is recorded
    wire.settle()
    assert len(wire.server.entries) == 7 and len(verify(journal)) == 1


@given(st.binary(max_size=200))
def test_nonsense_is_refused_in_one_way(data: bytes) -> None:
    with contextlib.suppress(BadMessage):
        unpack(data, ExchangeRequest)


@pytest.mark.parametrize("kind", [ExchangeRequest, ExchangeAnswer])
def test_garbage_that_is_nested_deeply_is_no_message(kind: type) -> None:
    with pytest.raises(BadMessage):
        unpack(b"\x81\xa1x" + b"\x91" * 100_000 + b"\xc0", kind)


def test_every_flipped_bit_of_a_message_is_a_message_or_refused() -> None:
    data = shop().register.request()
    for place in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        with contextlib.suppress(BadMessage):
            unpack(bytes(flipped), ExchangeRequest)


def test_every_cut_of_a_message_is_refused() -> None:
    wire = shop()
    for _ in range(30):
        wire.register.sell()
    wire.settle()
    wire.register.state = msgspec.structs.replace(wire.register.state, acked=Ack(EPOCH, 0, GENESIS))
    data = wire.register.request()
    for cut in range(len(data)):
        with pytest.raises(BadMessage):
            unpack(data[:cut], ExchangeRequest)


def test_a_protocol_too_new_is_upload_only() -> None:
    wire = shop()
    wire.register.sell()
    request = unpack(wire.register.request(), ExchangeRequest)
    request = msgspec.structs.replace(
        request, nonce=b"n", protocol=(7, 9), entries=tuple(wire.register.journal)
    )
    verdict = judge(request, Known(state="active", nonce=b"n"))
    assert len(verdict.accept) == 1 and not verdict.feed
    assert [i.do for i in verdict.instructions] == ["upgrade"]


def test_batches_follow_the_speed_of_the_link() -> None:
    state = register_side.SyncState(acked=Ack(EPOCH, 0, GENESIS))
    assert register_side.timed(state, 100, 0.1).batch == 400
    assert register_side.timed(state, 100, 1.0).batch == 200  # two seconds' worth
    assert register_side.timed(state, 100, 1.6, round_trip=0.6).batch == 240  # four round trips
    assert register_side.timed(state, 100, 2.5, round_trip=0.5).batch == 100
    assert register_side.timed(state, 100, 20.0).batch == 50  # a stall; the next one tells more
    assert register_side.timed(state, 5, 0.1).batch == 100
    assert register_side.failed(state).batch == 50


def test_a_line_that_stalls_shrinks_batches_but_not_to_nothing() -> None:
    state = register_side.SyncState(acked=Ack(EPOCH, 0, GENESIS), nonce=b"n")
    for _ in range(9):
        state = register_side.failed(state, silent=True)
    assert state.batch == register_side.STALLED_BATCH
    assert not state.nonce, "what became of a large request is asked for at no weight"
    for _ in range(9):
        state = register_side.failed(state)
    assert state.batch == 1, "what does not get through must become small enough"
    for _ in range(6):
        state = register_side.timed(state, state.batch, 0.05)
    assert state.batch == 1000


def test_what_a_request_weighs() -> None:
    small = pack(msgspec.structs.replace(shop().register.outlook(), cursors=()))
    assert len(small) < 600
