"""Single requests: what must not be believed, registers from before branches, and names."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillopen.sync import register_side
from stillopen.sync.chain import GENESIS
from stillopen.sync.codec import pack, unpack
from stillopen.sync.lineage import (
    Branch,
    epoch_of,
    free_label,
    is_label,
    local_label,
    place,
    server_label,
)
from stillopen.sync.messages import Ack, ExchangeAnswer, ExchangeRequest, Gap
from stillopen.sync.server_side import Known, judge
from tests.sync.journals import (
    EPOCH,
    entries,
    history,
    request,
    shop,
    told,
)
from tests.sync.lines import Books


def test_an_ack_ahead_of_the_head_with_another_hash_advances_nothing() -> None:
    """A stale answer about the other copy's longer line."""
    _, till = shop(3)
    till.sell()
    till.request()
    for seq in range(6):
        answer = ExchangeAnswer(
            request=till.state.request,
            nonce=b"n",
            ack=Ack(till.disk.lines[0].id, seq, b"other" * 6 + b"ab"),
            stale=True,
        )
        state, due = register_side.conclude(till.state, till.outlook(), answer, b"own hash")
        assert due == () and state.acked == till.state.acked


def test_an_ack_goes_back_only_by_a_rewind() -> None:
    _, till = shop(5)
    line = till.disk.lines[0]
    till.request()
    low = ExchangeAnswer(
        request=till.state.request, nonce=b"n", ack=Ack(line.id, 2, line.entries[1].hash)
    )
    state, _ = register_side.conclude(till.state, till.outlook(), low, line.entries[1].hash)
    assert state.acked.seq == 5


@given(
    acked_seq=st.integers(0, 12),
    acked_hash=st.sampled_from([b"", b"w" * 32, "own"]),
    head_seq=st.integers(0, 12),
    head_hash=st.sampled_from([GENESIS, b"w" * 32, "own"]),
    first=st.integers(1, 12),
    count=st.integers(0, 5),
    word=st.sampled_from([b"", b"other"]),
    broken=st.sampled_from(["", "link", "hash", "order", "double"]),
    gap=st.none() | st.tuples(st.integers(1, 12), st.integers(0, 5)),
    held=st.integers(0, 10),
    branch=st.booleans(),
    former=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_no_request_gets_an_ack_of_what_is_not_held(
    acked_seq: int, acked_hash: bytes | str, head_seq: int, head_hash: bytes | str, first: int, count: int,
    word: bytes, broken: str, gap: tuple[int, int] | None, held: int, branch: bool, former: bool,
) -> None:  # fmt: skip
    """Whatever a device says, the books stay whole: :meth:`Books.check` looks at each ack."""
    books = Books(random.Random(0), nonce=b"n")
    own = entries(12)
    books.lines[EPOCH] = list(history(own[:held]).branches)
    books.labels[EPOCH] = ""
    books.stored.update({(EPOCH, e.seq): e for e in own[:held]})
    if branch and held > 2:
        mine = entries(3, b"branch", (2, own[1].hash))
        books.lines[EPOCH].append(Branch(f"{EPOCH}.2", 5, mine[-1].hash, EPOCH, 2))
        books.stored.update({(f"{EPOCH}.2", e.seq): e for e in mine})
    before = dict(books.stored)
    sent = (own if not word else entries(12, word))[first - 1 : first - 1 + count]
    if sent and broken in ("link", "hash"):
        field_ = "prev_hash" if broken == "link" else "hash"
        sent[-1] = msgspec.structs.replace(sent[-1], **{field_: b"z" * 32})
    if broken == "order":
        sent.reverse()
    if broken == "double":
        sent = sent * 2
    hashes = {0: GENESIS} | {e.seq: e.hash for e in own}
    asked = request(
        acked_seq=acked_seq,
        acked_hash=hashes[acked_seq] if acked_hash == "own" else acked_hash,
        head_seq=head_seq,
        head_hash=hashes[head_seq] if head_hash == "own" else head_hash,
        entries=tuple(sent),
        gaps=() if gap is None else (Gap(gap[0], gap[0] + gap[1], b"g" * 32),),
        former=former,
    )
    answer = unpack(books.answer(pack(asked)), ExchangeAnswer)
    assert not answer.stale
    assert all(books.stored[at] == step for at, step in before.items())
    assert not former or "new_epoch" not in [i.do for i in answer.instructions]


def test_an_entry_that_follows_on_another_one_is_no_continuation() -> None:
    own = entries(5)
    foreign = entries(2, b"other", (5, b"f" * 32))
    asked = request(
        acked_seq=5, acked_hash=own[4].hash, head_seq=7, head_hash=foreign[-1].hash,
        entries=tuple(foreign),
    )  # fmt: skip
    placed = place(asked, history(own))
    assert placed.opens and placed.branch == Branch(f"{EPOCH}.2", 5, own[4].hash, EPOCH, 5)
    assert placed.accept == tuple(foreign)


def test_a_former_epoch_is_never_told_to_number_anew() -> None:
    own, other = entries(5), entries(3, b"other", (2, entries(5)[1].hash))
    asked = request(
        former=True, acked_seq=2, acked_hash=own[1].hash, head_seq=5, head_hash=other[-1].hash,
        entries=tuple(other),
    )  # fmt: skip
    verdict = judge(asked, Known(state="active", nonce=b"n", history=history(own)))
    assert verdict.opens and len(verdict.accept) == 3 and verdict.instructions == ()


def test_a_former_epoch_that_another_till_goes_on_with_is_no_news() -> None:
    own = entries(5)
    asked = request(former=True, acked_seq=3, head_seq=3, head_hash=own[2].hash)
    verdict = judge(asked, Known(state="active", nonce=b"n", history=history(own)))
    assert verdict.ack == Ack(EPOCH, 3, own[2].hash)
    assert not verdict.restored and verdict.instructions == ()


def test_a_stale_request_opens_nothing() -> None:
    own = entries(5)
    asked = request(nonce=b"late", head_seq=6, head_hash=b"h" * 32, entries=tuple(entries(6, b"o")))
    verdict = judge(asked, Known(state="active", nonce=b"n", history=history(own)))
    assert verdict.stale and verdict.accept == () and verdict.branch is None
    assert verdict.instructions == () and not verdict.feed


def test_a_server_without_a_nonce_takes_nothing() -> None:
    asked = request(nonce=b"", head_seq=1, head_hash=b"h" * 32, entries=tuple(entries(1)))
    assert judge(asked, Known(state="active", nonce=b"")).stale


# -- registers from before branches


def older(**fields: object) -> ExchangeRequest:
    """A request as it was before it named an ack: neither acked_seq nor gaps nor machine."""
    return request(**fields)


def test_an_older_register_goes_on_where_it_was() -> None:
    own = entries(8)
    asked = older(head_seq=8, head_hash=own[-1].hash, entries=tuple(own[5:]))
    placed = place(asked, history(own[:5]))
    assert placed.seq == 8 and len(placed.accept) == 3 and not placed.rewind and not placed.opens


@pytest.mark.parametrize("unsent", [0, 3])
def test_an_older_register_sends_again_what_a_restored_server_lost(unsent: int) -> None:
    own = entries(8)
    asked = older(head_seq=8, head_hash=own[-1].hash, entries=tuple(own[8 - unsent :]))
    placed = place(asked, history(own[:3]))
    assert placed.rewind and placed.seq == 0 and not placed.opens and placed.accept == ()
    again = place(older(head_seq=8, head_hash=own[-1].hash, entries=tuple(own)), history(own[:3]))
    assert again.seq == 8 and [e.seq for e in again.accept] == [4, 5, 6, 7, 8]


def test_an_older_register_with_a_restored_disk_is_noticed_while_it_sells_nothing() -> None:
    own = entries(5)
    books = Books(random.Random(0), nonce=b"n")
    books.lines[EPOCH] = list(history(own).branches)
    books.labels[EPOCH] = ""
    books.stored.update({(EPOCH, e.seq): e for e in own})
    books.answer(pack(older(head_seq=3, head_hash=own[2].hash)))
    assert books.verdicts[-1].restored and told(books) == ["new_epoch"]


# -- names


def test_labels_count_like_columns_and_are_never_given_twice() -> None:
    assert [server_label(n) for n in (0, 1, 25, 26, 27, 52)] == ["", "b", "z", "ba", "bb", "ca"]
    given: list[str] = []
    for _ in range(800):
        given.append(free_label(given))
    assert len(set(given)) == 800 and all(is_label(x) for x in given)
    assert free_label(["", "x1234"]) == "c" and free_label(["", "c"]) == "d"


def test_a_local_label_is_none_of_the_servers() -> None:
    local = local_label("0123456789abcdef" * 2)
    assert is_label(local) and local not in {server_label(n) for n in range(30_000)}
    assert local_label("0" * 32) == "x1000" and local_label("f" * 32).startswith("x")
    assert epoch_of(f"{EPOCH}.12") == epoch_of(EPOCH) == EPOCH
    assert not is_label("b;drop") and not is_label("é") and not is_label("a" * 9)
