"""What a sale writes: its entry and the shift's row; and everything that is concluded from these two."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from stillopen.register.session import Session
from stillopen.register.store import disk, schema
from stillopen.register.store.disk import Room
from stillopen.register.store.shifts import Counters
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import open_cart
from stillopen.register.usecases.close_register import close_register
from stillopen.register.usecases.new_epoch import begin_epoch
from stillopen.register.usecases.park import park, parked_carts, resume
from stillopen.register.usecases.pay import pay
from stillopen.register.usecases.receipts import reprint
from stillopen.register.usecases.scan import add_product
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.sync.messages import Ack
from tests.register.shop import reopen, signed_in
from tests.register.test_journal import CASH


def sale(till: Till, session: Session) -> str:
    """Through the open cart; the receipt's number."""
    add_product(till, session, "p-coffee")
    cart = open_cart(till)
    return pay(till, session, cart.id, cart.version, CASH).receipt.number


def rows(till: Till, table: str) -> int:
    found = till.journal.db.one(f"SELECT count(*) FROM {table}")
    return int(found[0]) if found else 0


def test_a_sale_writes_its_entry_and_one_row(till: Till, session: Session) -> None:
    sale(till, session)
    add_product(till, session, "p-coffee")
    cart = open_cart(till)
    written: list[str] = []
    till.journal.db._connection.set_trace_callback(written.append)
    pay(till, session, cart.id, cart.version, CASH)
    till.journal.db._connection.set_trace_callback(None)
    words = [" ".join(sql.split()[:4]) for sql in written if not sql.startswith("SELECT")]
    assert words == [
        "BEGIN IMMEDIATE",
        "INSERT INTO entry (epoch,",
        "INSERT OR REPLACE INTO",
        "COMMIT",
    ]


def test_a_paid_cart_is_gone_though_its_row_is_there(till: Till, session: Session) -> None:
    sale(till, session)
    paid = till.journal.shifts.paid_cart()
    assert rows(till, "cart") == 1
    with closing(reopen(till)) as again:
        assert again.journal.carts.open_cart() is None and again.journal.carts.get(paid) is None
        assert again.journal.shifts.counters() == Counters(1, 0, 350)
        who = signed_in(again)
        sell(again, who, again.clock.new_id(), [SaleLine(sku="100")], CASH)  # not of the open cart
        assert again.journal.carts.open_cart() is None
        begin_epoch(again)
        again.journal.db._memory.clear()
        assert again.journal.carts.open_cart() is None
        assert again.journal.shifts.counters() == Counters(0, 0, 0)
        add_product(again, who, "p-coffee")
        assert rows(again, "cart") == 1 and open_cart(again).id != paid


def test_a_cart_with_another_id_takes_the_place_of_the_paid_one(
    till: Till, session: Session
) -> None:
    add_product(till, session, "p-coffee")
    parked = open_cart(till).id
    park(till, session)
    sale(till, session)
    resume(till, session, parked)
    assert (open_cart(till).id, rows(till, "cart"), parked_carts(till)) == (parked, 1, [])
    with closing(reopen(till)) as again:
        assert open_cart(again).id == parked


def test_a_new_epoch_does_not_bring_a_paid_cart_back(till: Till, session: Session) -> None:
    sale(till, session)
    with till.journal.transaction():
        till.journal.carts.rename(till.clock.new_id)
    with closing(reopen(till)) as again:
        assert again.journal.carts.open_cart() is None


def test_the_counters_outlive_the_shift(till: Till, session: Session) -> None:
    sale(till, session)
    close_register(till, session, 10350)
    assert rows(till, "cart") == rows(till, "shift") == 0
    with closing(reopen(till)) as again:
        assert again.journal.shifts.counters() == Counters(1, 1, 350)
        assert sale(again, signed_in(again)) == "S1-R1-000002"


def test_a_journal_of_version_4_goes_on_where_it_was(till: Till, session: Session) -> None:
    for _ in range(3):
        sale(till, session)
    add_product(till, session, "p-coffee")
    cart, shift = open_cart(till), till.journal.shifts.open_shift()
    assert shift is not None
    till.close()
    make_version_4(till.data_dir / "journal.db")
    with closing(Till.open(till.data_dir, till.clock)) as again:
        assert again.journal.db.one("PRAGMA user_version") == (schema.VERSION,)
        assert again.journal.shifts.counters() == Counters(3, 0, 1050)
        present = again.journal.shifts.open_shift()
        assert present is not None and present.totals == shift.totals
        assert open_cart(again) == cart
        who = signed_in(again)
        assert pay(again, who, cart.id, cart.version, CASH).receipt.number == "S1-R1-000004"
        assert reprint(again, who, "S1-R1-000002").receipt.number == "S1-R1-000002"
        assert again.journal.sending.unsent_sales() == 4
        assert close_register(again, who, 11400).difference == 0


def make_version_4(journal: Path) -> None:
    """Turn a closed file into what version 4 would have written: counters in their table only."""
    with closing(sqlite3.connect(journal)) as db:
        (body,) = db.execute("SELECT body FROM shift").fetchone()
        shift = msgspec.json.decode(body)
        counters, _, paid = shift.pop("counters"), shift.pop("epoch"), shift.pop("paid_cart")
        db.execute("UPDATE shift SET body = ?", (msgspec.json.encode(shift),))
        db.execute(
            "UPDATE counter SET receipts = ?, grand_total = ?",
            (counters["receipts"], counters["grand_total"]),
        )
        db.execute("DELETE FROM cart WHERE id = ?", (paid,))
        db.execute("CREATE INDEX entry_unsent ON entry (epoch, seq, kind, total, occurred_at)")
        db.execute("CREATE INDEX entry_receipt ON entry (receipt) WHERE receipt IS NOT NULL")
        db.execute("PRAGMA user_version = 4")
        db.commit()


def test_a_receipt_is_found_by_its_number_without_an_index(till: Till, session: Session) -> None:
    numbers = []
    for n in range(9):
        numbers.append(sale(till, session))
        for _ in range(n % 4):
            reprint(till, session, numbers[0])
    begin_epoch(till)
    numbers += [sale(till, session) for _ in range(3)]
    for number in numbers:
        found = till.journal.entries.receipt(number)
        assert found is not None and found[0].receipt == number
    for missing in (
        "S1-R1-000010",
        "S1-R1-000000",
        "S2-R1-000002",
        "",
        "S1-R1-x",
        "S1-R1-" + "9" * 30,
    ):
        assert till.journal.entries.receipt(missing) is None


def test_what_is_unsent_is_counted_forward_as_it_would_be_anew(
    till: Till, session: Session
) -> None:
    def told() -> tuple[object, int]:
        return till.journal.sending.unsent(), till.journal.sending.unsent_sales()

    def counted_anew() -> tuple[object, int]:
        till.journal.db.forget("unsent")
        return told()

    def acknowledge(seq: int) -> None:
        epoch = till.journal.head().epoch
        digest = till.journal.entries.hash_of(epoch, seq)
        assert digest is not None
        till.journal.sending.set_ack(Ack(epoch, seq, digest))

    for step in (0, 3, 4, 4, 2, 7, 9):  # 2: the server went back to a backup
        sale(till, session)
        if step:
            acknowledge(step)
        assert told() == counted_anew()
    assert till.journal.sending.unsent_sales() == 0
    sale(till, session)
    before = told()
    with pytest.raises(RuntimeError), till.journal.transaction():
        sale(till, session)
        assert told() != before
        raise RuntimeError
    sale(till, session)
    assert told() == counted_anew()
    assert told()[1] == 2
    sale(till, session)  # nobody asked before the next epoch began
    begin_epoch(till)
    sale(till, session)
    assert told()[1] == 4
    assert told() == counted_anew()
    for _ in range(3):
        sale(till, session)
    told()
    acknowledge(2)
    with till.journal.transaction():  # before anybody asked again
        till.journal.entries.purge(till.journal.head().epoch, 1)
    assert told() == counted_anew()


def test_a_reprint_waits_for_the_printer_as_a_sale_does(till: Till, session: Session) -> None:
    first, second = sale(till, session), sale(till, session)
    reprint(till, session, first)
    jobs = till.journal.prints.waiting()
    ids = [row.id for row in reversed(till.journal.entries.sales("", 9, None))]
    assert [sale_id for _, sale_id in jobs] == [*ids, ids[0]] and second != first
    till.journal.prints.done(jobs[0][0])
    assert till.journal.prints.waiting() == jobs[1:]
    with closing(reopen(till)) as again:
        assert again.journal.prints.waiting() == []


def test_a_disk_with_plenty_of_room_is_not_looked_at_for_each_sale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, looked, now = disk.PLENTY + 5000, 0, 100.0

    def free_bytes(_: Path) -> int:
        nonlocal looked
        looked += 1
        return free

    monkeypatch.setattr(disk, "free_bytes", free_bytes)
    monkeypatch.setattr("time.monotonic", lambda: now)
    room = Room(tmp_path, reserve=4000)
    assert not room.is_low() and not room.is_low() and looked == 1
    now += disk.LOOK_AGAIN
    free = disk.PLENTY + 3000  # enough, but not plenty: from now on each sale looks
    assert not room.is_low() and not room.is_low() and looked == 3
    free = 3999
    assert room.is_low()
