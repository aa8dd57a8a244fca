"""What is older or newer than the server, through its real functions on both databases."""

from datetime import timedelta

import msgspec
import pytest

from stillopen.backoffice.ingest.models import Entry
from stillopen.backoffice.ingest.receive import exchange
from stillopen.backoffice.ledger.models import Receipt
from stillopen.backoffice.worker.tasks import run_due, schedule_standing
from stillopen.domain import receipt as domain_receipt
from stillopen.sync import facts
from stillopen.sync.codec import unpack
from stillopen.sync.messages import ExchangeAnswer, Pull
from tests.backoffice.ingest.till import NOON, Till, make_account, make_sale, make_store, make_till
from tests.support.backoffice import Database
from tests.sync.test_wire_format import OLDER_REQUEST


@pytest.fixture
def till(backoffice: Database) -> Till:
    return make_till(make_store(make_account()))


def states() -> list[tuple[int, str, str]]:
    found = Entry.objects.order_by("branch", "seq").values_list("seq", "status", "code")
    return [tuple(row) for row in found]  # type: ignore[misc]


def start_server(hours: int = 0) -> None:
    """What a server catches up on when it starts, all that is due."""
    now = NOON + timedelta(hours=hours)
    schedule_standing(now)
    while run_due(now):
        pass


def written_by_newer(till: Till, **fields: object) -> bytes:
    """The next sale with fields in entry, payload and line that this version does not know."""
    sale = msgspec.json.decode(facts.encode_payload(make_sale("S1-R1-000009")))
    sale["loyalty"] = {"points": 12}
    sale["lines"][0]["serial"] = "A-77"
    body = msgspec.json.decode(
        facts.encode_body(
            facts.EntryBody(
                register=str(till.register.id), epoch=till.epoch, seq=till.next_seq,
                id="019a0000-0000-7000-8000-000000000009", kind="sale", schema="1.7",
                occurred_at=NOON, business_day=NOON.date(), payload=msgspec.Raw(b"{}"),
            )
        )
    )  # fmt: skip
    return msgspec.json.encode(body | {"payload": sale | fields, "witness": [1, 2]})


def test_unknown_minor_fields_are_kept_as_they_were_sent(till: Till) -> None:
    data = written_by_newer(till)
    till.add_bytes(data)
    assert till.send().not_applied == ()
    assert Receipt.objects.get().number == "S1-R1-000009"
    assert bytes(Entry.objects.get().body) == data


def test_a_new_word_in_an_old_field_waits_for_the_upgrade(till: Till) -> None:
    """Only where a later minor schema says that it may be new; else the bytes are damaged."""
    till.add_bytes(written_by_newer(till, tenders=[{"type": "voucher", "amount": 250}]))
    till.sell(100)
    assert [(n.seq, n.status, n.code) for n in till.send().not_applied] == [
        (1, "waiting", "needs_newer_server")
    ]
    assert Receipt.objects.count() == 1
    start_server()
    assert states() == [(1, "waiting", "needs_newer_server"), (2, "applied", "")]


def test_an_unknown_kind_is_applied_by_the_server_that_knows_it(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.add("tip_given", msgspec.Raw(b'{"amount":120,"to":"Anna"}'))
    till.sell(100)
    assert [n.code for n in till.send().not_applied] == ["needs_newer_server"]
    start_server()
    assert states()[0] == (1, "waiting", "needs_newer_server")

    tip = msgspec.defstruct("TipGiven", [("amount", int), ("to", str, "")], frozen=True)
    monkeypatch.setitem(facts.KINDS, "tip_given", ("1.0", tip))
    monkeypatch.setitem(facts._payload_decoders, "tip_given", msgspec.json.Decoder(tip))
    start_server(hours=1)
    assert states() == [(1, "applied", ""), (2, "applied", "")]
    assert till.send([]).not_applied == ()
    assert bytes(Entry.objects.get(seq=1).body) == till.entries[0].body


def test_an_unknown_major_schema_is_applied_by_the_server_that_knows_it(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.sell(250, schema="2.0")
    till.send()
    assert (states(), Receipt.objects.count()) == ([(1, "waiting", "needs_newer_server")], 0)
    monkeypatch.setitem(facts.KINDS, "sale", ("2.0", domain_receipt.Receipt))
    start_server(hours=1)
    assert (states(), Receipt.objects.count()) == ([(1, "applied", "")], 1)


def older_exchange(till: Till, first: int, last: int) -> ExchangeAnswer:
    """As a register from before branches asks: without ack, gaps, label and machine."""
    entries = [e for e in till.entries if first <= e.seq <= last]
    whole = msgspec.msgpack.decode(msgspec.msgpack.encode(till.request(entries)))
    data = msgspec.msgpack.encode({k: v for k, v in whole.items() if k in OLDER_REQUEST})
    answer = unpack(exchange(str(till.register.id), data, till.sign(data), NOON), ExchangeAnswer)
    till.nonce = answer.nonce
    return answer


def test_an_older_register_sends_batch_after_batch(till: Till) -> None:
    for _ in range(7):
        till.sell(100)
    for first, last in ((1, 3), (4, 6), (7, 7)):
        assert older_exchange(till, first, last).ack.seq == last
    answer = older_exchange(till, 8, 8)
    assert (answer.ack.seq, answer.instructions, Receipt.objects.count()) == (7, (), 7)


def test_an_older_register_whose_disk_was_restored_is_told_so(till: Till) -> None:
    for _ in range(5):
        till.sell(100)
    older_exchange(till, 1, 5)
    del till.entries[3:]
    assert [i.do for i in older_exchange(till, 4, 3).instructions] == ["new_epoch"]
    till.sell(777)
    answer = older_exchange(till, 4, 4)
    assert [i.do for i in answer.instructions] == ["new_epoch"] and answer.ack.seq == 4
    assert Entry.objects.count() == 6  # nothing overwritten


def test_software_that_is_too_old_hands_in_and_gets_nothing(till: Till) -> None:
    till.sell(100)
    answer = till.send(protocol=(0, 0), pull=Pull(server_epoch="", snapshot=True))
    assert [i.do for i in answer.instructions] == ["upgrade"]
    assert (answer.ack.seq, Receipt.objects.count()) == (1, 1)
    assert answer.page is None and not answer.feed_behind and answer.live is None
