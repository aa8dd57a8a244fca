"""One exchange after another against the real stores, on both databases."""

import uuid
from decimal import Decimal

import pytest

from stillopen.backoffice.devices.models import Epoch, FormerDevice, Register
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ledger.models import Payment, Receipt, ReceiptLine, Shift
from stillopen.backoffice.stock.models import Level, Movement
from stillopen.sync.lineage import local_label
from tests.backoffice.ingest.till import NOON, Till, make_line, make_sale


def ack_of(till: Till) -> int:
    return Epoch.objects.get(register_id=till.register.id, branch=till.epoch).acked_seq


def test_sales_arrive_with_lines_payments_and_stock(till: Till) -> None:
    till.open_shift()
    milk, bread = make_line(120, "3", product="milk"), make_line(240, product="bread")
    till.sell(receipt=make_sale("S1-R1-000001", lines=[milk, bread]))
    till.sell(receipt=make_sale("S1-R1-000002", lines=[milk]))
    answer = till.send()
    assert (answer.ack.seq, answer.ack.hash, answer.not_applied) == (3, till.head, ())
    assert ack_of(till) == 3
    first, second = Receipt.objects.order_by("seq")
    assert (first.number, first.total, first.currency) == ("S1-R1-000001", 600, "EUR")
    assert (first.seq, first.shift_id, first.branch) == (2, second.shift_id, till.epoch)
    assert first.store_id == till.register.store_id and first.change == 9400
    lines = ReceiptLine.objects.filter(receipt_id=first.id).order_by("line")
    assert [(x.line, int(x.quantity), x.gross) for x in lines] == [(1, 3, 360), (2, 1, 240)]
    payment = Payment.objects.get(receipt_id=first.id)
    assert (payment.type, payment.amount, payment.change) == ("cash", 10000, 9400)
    assert Level.objects.get(product_id="milk").quantity == -6
    assert Level.objects.get(product_id="bread").quantity == -1
    assert [m.quantity for m in Movement.objects.filter(product_id="milk")] == [-3, -3]
    assert {e.code for e in ExceptionItem.objects.all()} == {"unknown_product"}


def test_raw_entries_are_kept_to_the_byte(till: Till) -> None:
    till.open_shift()
    till.sell(100)
    till.send()
    kept = Entry.objects.order_by("seq")
    assert [(bytes(e.body), bytes(e.hash), e.status) for e in kept] == [
        (e.body, e.hash, "applied") for e in till.entries
    ]


def test_the_same_batch_again_is_acknowledged_and_changes_nothing(till: Till) -> None:
    till.open_shift()
    till.sell(100)
    till.send()
    for _ in range(2):
        answer = till.send()
        assert answer.ack.seq == 2 and not answer.stale and not answer.instructions
    assert (Entry.objects.count(), Receipt.objects.count(), Movement.objects.count()) == (2, 1, 1)
    assert Level.objects.get().quantity == -1


def test_only_what_is_new_of_an_overlapping_batch_is_taken(till: Till) -> None:
    till.open_shift()
    till.send()
    till.sell(100)
    till.sell(200)
    assert till.send().ack.seq == 3
    assert Receipt.objects.count() == 2


def test_a_gap_is_not_jumped(till: Till) -> None:
    till.open_shift()
    till.sell(100)
    till.sell(200)
    answer = till.send([till.entries[0], till.entries[2]])
    assert answer.ack.seq == 1
    assert Entry.objects.count() == 1


def test_stock_adds_up_exactly_in_thousandths(till: Till) -> None:
    for number in range(1, 31):
        weighed = make_line(1000, "0.1", product="apples")
        till.sell(receipt=make_sale(f"S1-R1-{number:06d}", lines=[weighed]))
        till.send(till.entries[-1:])
    assert Level.objects.get().quantity == Decimal("-3.000")


@pytest.mark.parametrize("order", ["before", "after", "without"])
def test_a_shift_is_whole_whatever_order_it_comes_in(till: Till, order: str) -> None:
    """The journal is in order; branches are not: a shift's opening may come after its sales, or never."""
    till.open_shift()
    opening = till.entries.pop()
    if order == "before":
        till.entries.append(opening)
    till.sell(100)
    till.send()
    shift = Shift.objects.get()
    assert (shift.opened_at is None) == (order != "before")
    till.close_shift()
    if order == "after":
        till.add_bytes(opening.body.replace(b'"seq":1,', b'"seq":3,'))
    answer = till.send()
    assert answer.ack.seq == len(till.entries) and answer.not_applied == ()
    shift = Shift.objects.get()
    assert (shift.float, shift.opened_at, shift.z_number) == (10_000, NOON, 1)
    assert (shift.expected, shift.counted, shift.difference) == (10_000, 9_950, -50)
    assert shift.closed_at is not None and shift.report is not None
    assert str(shift.id) == till.shift and Receipt.objects.get().shift_id == shift.id


def test_the_register_row_says_what_the_register_said(till: Till) -> None:
    till.open_shift()
    till.send(software="1.2.3", journal_count=7, shift_open=True, clock=NOON.replace(second=3))
    row = Register.objects.get()
    assert (row.software, row.receipts_made, row.shift_open) == ("1.2.3", 7, True)
    assert (row.head_seq, row.head_epoch, row.last_seen_at) == (1, till.epoch, NOON)
    assert row.clock_offset == 3.0 and bytes(row.nonce or b"") == till.nonce


def test_a_server_that_went_back_unnoticed_gives_this_register_no_letters(till: Till) -> None:
    """Nobody knows which ones it had given since: a letter given twice would be two receipts of one number."""
    till.open_shift()
    till.send()
    told = till.send([], head_seq=9, head_hash=b"9" * 32, acked_seq=9)
    assert [i.do for i in told.instructions] == ["rewind"]
    later = Till(till.register, key=till.key, epoch=uuid.uuid4().hex, nonce=till.nonce)
    later.open_shift()
    assert later.send().label == local_label(later.epoch)


def test_a_former_device_finds_out_that_the_server_went_back(till: Till) -> None:
    till.open_shift()
    till.send()
    Register.objects.filter(id=till.register.id).update(public_key=b"2" * 32)
    FormerDevice.objects.create(
        account_id=till.register.account_id,
        register_id=till.register.id,
        public_key=till.public_key,
        nonce=till.nonce,
        replaced_at=NOON,
    )
    told = till.send([], head_seq=9, head_hash=b"9" * 32, acked_seq=9)
    assert "rewind" in [i.do for i in told.instructions]
    assert Register.objects.get().labels_lost
