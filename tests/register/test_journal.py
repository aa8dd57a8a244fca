"""journal.db: sealed entries, one transaction, and what a failing or full disk does."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillopen.domain.errors import DomainError
from stillopen.domain.shift import CashKind
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.clock import ManualClock
from stillopen.register.session import Session
from stillopen.register.store import schema
from stillopen.register.store.database import EXIT_DISK, Database
from stillopen.register.store.disk import Room
from stillopen.register.store.entries import Draft
from stillopen.register.store.journal import Journal
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import open_cart
from stillopen.register.usecases.close_register import close_register
from stillopen.register.usecases.inspect_journal import verify_journal
from stillopen.register.usecases.pay import pay
from stillopen.register.usecases.receipts import find_receipt, list_receipts
from stillopen.register.usecases.scan import add_product, scan
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.register.usecases.sign_in import sign_in
from stillopen.sync.chain import verify
from stillopen.sync.facts import KINDS, CashMovement, DrawerOpened, decode_body, decode_payload
from stillopen.sync.live import place_id
from stillopen.sync.messages import Ack, NotApplied
from tests.register.shop import NOON, PIN, make_till, reopen, signed_in
from tests.support.disk import fill, small_disk

CASH = [Tender(type=TenderType.CASH, amount=50000)]
TEN = 10
PAYING = 4  # BEGIN, the entry, the shift's row, COMMIT


def draft(till: Till, note: str, kind: str = "drawer_opened") -> Draft:
    payload = DrawerOpened(reason=note)
    if kind == "cash_movement":
        payload = CashMovement(kind=CashKind.PAY_IN, amount=1, reason=note)  # type: ignore[assignment]
    return Draft(
        id=till.clock.new_id(),
        kind=kind,
        payload=payload,
        occurred_at=NOON,
        business_day=date(2026, 3, 2),
    )


@settings(max_examples=40, deadline=None)
@given(
    runs=st.lists(
        st.tuples(
            st.lists(
                st.tuples(
                    st.text(max_size=20), st.sampled_from(["drawer_opened", "cash_movement"])
                ),
                max_size=4,
            ),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_whatever_is_written_the_chain_holds_and_a_rollback_leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[tuple[list[tuple[str, str]], bool]],
) -> None:
    till = make_till(tmp_path_factory.mktemp("till"), setting=None)
    kept: list[str] = []
    for notes, commits in runs:
        drafts = [
            draft(till, note.encode("utf-8", "ignore").decode(), kind) for note, kind in notes
        ]
        try:
            with till.journal.transaction():
                for one in drafts:
                    till.journal.entries.append(one)
                if not commits:
                    raise RuntimeError("changed my mind")
            kept += [one.id for one in drafts]
        except RuntimeError:
            pass
    till = reopen(till)
    entries = till.journal.entries.raw_after(0, 1000)
    assert verify(entries) == []
    bodies = [decode_body(entry.body) for entry in entries]
    assert [body.id for body in bodies] == kept
    assert [body.seq for body in bodies] == list(range(1, len(kept) + 1))
    assert all(isinstance(decode_payload(b), KINDS[b.kind][1]) for b in bodies)
    till.close()


def test_a_write_outside_of_a_transaction_is_a_mistake(till: Till) -> None:
    with pytest.raises(RuntimeError):
        till.journal.entries.append(draft(till, ""))


def test_an_id_can_be_written_once(till: Till) -> None:
    one = draft(till, "")
    with till.journal.transaction():
        till.journal.entries.append(one)
    with pytest.raises(sqlite3.IntegrityError), till.journal.transaction():
        till.journal.entries.append(one)
    assert till.journal.head().seq == 1


def test_it_is_kept_the_safe_way(till: Till) -> None:
    assert till.journal.db.one("PRAGMA journal_mode") == ("wal",)
    assert till.journal.db.one("PRAGMA synchronous") == (2,)  # FULL


def test_writers_take_turns(till: Till, session: Session) -> None:
    def work() -> None:
        for _ in range(TEN):
            with till.journal.transaction():
                till.journal.entries.append(draft(till, "t"))

    before = till.journal.head().seq
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert till.journal.head().seq == before + 4 * TEN
    assert verify(till.journal.entries.raw_after(0, 1000)) == []


@pytest.mark.parametrize(
    "damage",
    [
        "body = replace(body, 'Flat', 'Fiat')",
        "hash = randomblob(32)",
        "prev_hash = randomblob(32)",
    ],
)
@pytest.mark.parametrize("sales", [2, 3])  # the damaged one is the last; it is not
def test_a_damaged_row_is_one_fault_and_the_chain_goes_on(
    till: Till, session: Session, damage: str, sales: int
) -> None:
    for _ in range(sales):
        sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    with till.journal.transaction() as db:
        db.execute(f"UPDATE entry SET {damage} WHERE seq = 4")
    sent, _ = till.journal.sending.batch(till.journal.head().epoch, 0, 100)
    assert [entry.seq for entry in sent if not entry.intact] == [4]
    verdict = verify_journal(till.data_dir)
    assert [(fault.seq, fault.code) for _, fault in verdict.faults] == [(4, "bad_hash")]
    sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    assert len(verify_journal(till.data_dir).faults) == 1


def test_what_follows_a_damaged_hash_is_sent_with_it(till: Till, session: Session) -> None:
    """Else it would look as if it followed on another entry."""
    for _ in range(4):
        sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    with till.journal.transaction() as db:
        db.execute("UPDATE entry SET hash = randomblob(32) WHERE seq = 4")
    damaged, epoch = till.journal.entries.raw_after(3, 1)[0], till.journal.head().epoch
    till.journal.sending.set_ack(Ack(epoch, 4, damaged.hash))
    sent, gaps = till.journal.sending.batch(epoch, 4, 1)
    assert ([entry.seq for entry in sent], gaps) == ([4, 5], ())
    till.journal.sending.set_ack(Ack(epoch, 5, sent[-1].hash))
    assert [entry.seq for entry in till.journal.sending.batch(epoch, 5, 1)[0]] == [6]


# -- versions -----------------------------------------------------------------------------


def test_software_older_than_the_file_may_send_but_not_sell(till: Till, session: Session) -> None:
    sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    with till.journal.transaction() as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with closing(reopen(till)) as old:
        with pytest.raises(DomainError) as refused:
            sell(old, session, old.clock.new_id(), [SaleLine(sku="100")], CASH)
        assert refused.value.code == "software_too_old"
        batch = old.journal.sending.batch(old.journal.sending.ack().epoch, 0, 100)[0]
        assert len(batch) == old.journal.head().seq
        old.journal.sending.set_ack(
            Ack(old.journal.sending.ack().epoch, batch[-1].seq, batch[-1].hash)
        )
        assert old.journal.sending.unsent().count == 0


def test_migrations_only_add(tmp_path: Path) -> None:
    """A file is made by running all scripts in order; none may drop or rewrite what another made, indexes
    excepted: they say nothing of their own."""
    script = " ".join(schema.MIGRATIONS).upper().replace("DROP INDEX ", "")
    assert "DROP " not in script and "UPDATE " not in script and "DELETE " not in script
    with closing(Journal.open(tmp_path / "journal.db")) as journal:
        assert journal.db.one("PRAGMA user_version") == (schema.VERSION,)


# -- sending ------------------------------------------------------------------------------


def test_what_is_unsent_follows_the_ack(till: Till, session: Session) -> None:
    for _ in range(3):
        sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    sending = till.journal.sending
    unsent = sending.unsent()
    assert (unsent.count, unsent.value, sending.unsent_sales()) == (5, 3 * 350, 3)
    assert unsent.oldest_at == NOON
    entries = sending.batch(sending.ack().epoch, 0, 1000)[0]
    sending.set_ack(Ack(sending.ack().epoch, 4, entries[3].hash))
    assert (sending.unsent().count, sending.unsent().value) == (1, 350)
    assert [item.receipt for item in sending.unsent_items()] == ["S1-R1-000003"]
    sending.set_ack(Ack(sending.ack().epoch, 5, entries[4].hash))
    assert (sending.unsent().count, sending.unsent().oldest_at) == (0, None)


def test_held_entries_stay_in_the_list_with_their_reason(till: Till, session: Session) -> None:
    paid = sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    head = till.journal.head()
    till.journal.sending.set_ack(Ack(till.journal.sending.ack().epoch, head.seq, head.hash))
    held = NotApplied(seq=paid.seq, id=paid.id, status="quarantined", code="unknown_tax")
    till.journal.sending.replace_not_applied([held])
    (item,) = till.journal.sending.unsent_items()
    assert (item.receipt, item.total, item.status, item.code) == (
        "S1-R1-000001", 350, "quarantined", "unknown_tax",
    )  # fmt: skip
    till.journal.sending.replace_not_applied([])
    assert till.journal.sending.unsent_items() == []


def test_one_that_the_server_cannot_read_is_in_the_list_by_its_place(
    till: Till, session: Session
) -> None:
    """A damaged entry has no id there that could be believed."""
    paid = sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    sending, head = till.journal.sending, till.journal.head()
    sending.set_ack(Ack(head.epoch, head.seq, head.hash))
    place = place_id(head.epoch, paid.seq)
    damaged = NotApplied(seq=paid.seq, id=place, status="quarantined", code="bad_hash")
    elsewhere = NotApplied(
        seq=paid.seq, id=place_id("f" * 32, paid.seq), status="quarantined", code="c"
    )
    sending.replace_not_applied([damaged, elsewhere])
    (item,) = sending.unsent_items()
    assert (item.id, item.receipt, item.code) == (paid.id, "S1-R1-000001", "bad_hash")
    (row,) = list_receipts(till)
    assert row.status == "quarantined"
    assert find_receipt(till, "S1-R1-000001").status == "quarantined"
    sending.replace_not_applied([])
    assert sending.unsent_items() == []
    assert list_receipts(till)[0].status == "sent"


def test_a_batch_is_bounded_but_never_empty(till: Till, session: Session) -> None:
    for _ in range(3):
        sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    sending = till.journal.sending
    assert [e.seq for e in sending.batch(sending.ack().epoch, 2, 2)[0]] == [3, 4]
    assert [e.seq for e in sending.batch(sending.ack().epoch, 2, 100, max_bytes=1)[0]] == [3]
    assert sending.batch(sending.ack().epoch, 5, 100)[0] == ()


def test_old_requests_are_forgotten_but_never_a_sales(
    till: Till, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stillopen.register.store.requests.KEEP", 2)
    sale_id = till.clock.new_id()
    sell(till, session, sale_id, [SaleLine(sku="100")], CASH)
    for n in range(5):
        scan(till, session, "103", request_id=f"r{n}")
    with closing(reopen(till)) as again:
        kept = {row[0] for row in again.journal.db.query("SELECT id FROM answered_request")}
        assert kept == {sale_id, "r3", "r4"}
        assert again.journal.prints.waiting() == []


# -- the disk -----------------------------------------------------------------------------


def scarce(folder: Path, keep: int) -> Room:
    """A room in which the file system's free space is below the reserve."""
    numbers = os.statvfs(folder)
    free = numbers.f_bavail * numbers.f_frsize
    return Room(folder, reserve=free + keep, ballast=4096)


def test_below_the_reserve_no_payment_is_taken_but_a_shift_can_be_closed(tmp_path: Path) -> None:
    (tmp_path / "till").mkdir()
    till = make_till(tmp_path / "till")
    session = signed_in(till)
    sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    till.journal.db.room = scarce(tmp_path, 10**9)
    add_product(till, session, "p-coffee")
    with pytest.raises(DomainError) as refused:
        sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    assert refused.value.code == "disk_full"
    till.journal.carts.open_cart()
    with till.journal.transaction():
        cart = till.journal.carts.open_cart()
        assert cart is not None
        till.journal.carts.remove(cart.id)
    assert close_register(till, session, 10350).difference == 0
    till.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 12) as place:
        yield place


def test_a_disk_that_fills_up_in_the_middle(disk: Path) -> None:
    """No sale is answered that is not kept, and giving the ballast up lets the shift be closed."""
    room = Room(disk / "till", reserve=64 * 1024, ballast=1024 * 1024)
    till = make_till(disk / "till", room=room)
    session = signed_in(till)
    assert (disk / "till" / "ballast").stat().st_size == 1024 * 1024
    filler = (disk / "filler").open("wb")
    answered: list[str] = []
    refused = ""
    for _ in range(3000):
        try:
            paid = sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
            answered.append(paid.receipt.number)
        except DomainError as error:
            refused = error.code
            break
        free = os.statvfs(disk).f_bavail * 4096
        if free > 160 * 1024:
            filler.write(b"x" * 64 * 1024)
            filler.flush()
    assert refused == "disk_full"
    room.drop_ballast()
    z = close_register(till, session, 10000 + 350 * len(answered))
    assert (z.totals.sales_count, z.difference) == (len(answered), 0)
    till.close()
    verdict = verify_journal(disk / "till")
    assert verdict.faults == () and verdict.entries == len(answered) + 3
    filler.close()


def test_a_till_starts_and_closes_its_shift_on_a_full_disk(disk: Path) -> None:
    """A power cut in that moment must not keep what was sold from being sent."""
    room = Room(disk / "till", reserve=4 * 1024 * 1024, ballast=2 * 1024 * 1024)
    till = make_till(disk / "till", room=room)
    sell(till, signed_in(till), till.clock.new_id(), [SaleLine(sku="100")], CASH)
    till.close()
    fill(disk)
    again = Till.open(till.data_dir, ManualClock(NOON), room)
    session = sign_in(again, "1", PIN)
    with pytest.raises(DomainError) as refused:
        sell(again, session, again.clock.new_id(), [SaleLine(sku="100")], CASH)
    assert refused.value.code == "disk_full"
    assert close_register(again, session, 10350).difference == 0
    again.close()


def test_a_shift_is_closed_at_the_first_try_when_the_disk_fills_up_meanwhile(disk: Path) -> None:
    room = Room(disk / "till", reserve=4 * 1024 * 1024, ballast=2 * 1024 * 1024)
    till = make_till(disk / "till", room=room)
    session = signed_in(till)
    fill(disk)
    assert close_register(till, session, 10000).difference == 0
    till.close()


def test_a_full_disk_inside_a_transaction_changes_nothing(disk: Path) -> None:
    room = Room(disk / "till", reserve=0, ballast=512 * 1024)
    till = make_till(disk / "till", room=room)
    session = signed_in(till)
    ballast = disk / "till" / "ballast"
    assert ballast.exists()
    fill(disk)
    answered = 0
    with pytest.raises(DomainError) as refused:
        for _ in range(3000):
            sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
            answered += 1
    assert refused.value.code == "disk_full"
    assert not ballast.exists()  # it was given up …
    z = close_register(till, session, 10000)  # … so what was begun can be finished
    assert z.totals.sales_count == answered
    till.close()


_WRITE_UNTIL_IT_FAILS = """
import resource, signal, sys
from pathlib import Path
from stillopen.register.usecases.sell import SaleLine, sell
from tests.register.shop import make_till, signed_in
from tests.register.test_journal import CASH

till = make_till(Path(sys.argv[1]))
session = signed_in(till)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = (till.data_dir / "journal.db-wal").stat().st_size + 60_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
while True:
    paid = sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], CASH)
    print(paid.receipt.number, flush=True)
"""


def run_child(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def test_a_write_that_fails_stops_the_process_and_loses_no_answered_sale(tmp_path: Path) -> None:
    """The operating system refuses to let the file grow: an I/O error, not a full disk."""
    child = run_child(_WRITE_UNTIL_IT_FAILS, str(tmp_path / "till"))
    assert child.returncode == EXIT_DISK, child.stderr
    assert "disk of the journal failed" in child.stderr
    answered = child.stdout.split()
    assert answered
    with closing(Till.open(tmp_path / "till")) as till:
        kept = [row.receipt for row in reversed(till.journal.entries.sales("", 10000, None))]
        assert kept[: len(answered)] == answered
        assert verify(till.journal.entries.raw_after(0, 10000)) == []


def pay_and_die(folder: Path, left: int) -> None:
    """In a process of its own: pay the open cart, and be killed before statement ``left``."""
    till = Till.open(folder)
    session = sign_in(till, "1", PIN)
    passed = 0

    def count(_: str) -> None:
        nonlocal passed
        if passed == left:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    till.journal.db._connection.set_trace_callback(count)
    cart = open_cart(till)
    paid = pay(till, session, cart.id, cart.version, CASH)
    (folder / "said").write_text(paid.receipt.number)
    till.journal.db._connection.set_trace_callback(None)
    till.close()


def test_killed_before_any_statement_of_paying_it_is_paid_wholly_or_not_at_all(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "till"
    till = make_till(folder)
    session = signed_in(till)
    seen: set[int] = set()
    made = 0
    for statement in range(60):
        add_product(till, session, "p-coffee")
        cart = till.journal.carts.open_cart()
        assert cart is not None
        till.close()
        child = multiprocessing.get_context("fork").Process(
            target=pay_and_die, args=(folder, statement)
        )
        child.start()
        child.join(30)
        till = Till.open(folder)
        assert verify(till.journal.entries.raw_after(0, 10000)) == []
        counters, shift = till.journal.shifts.counters(), till.journal.shifts.open_shift()
        assert shift is not None
        sold = till.journal.entries.stored(cart.id) is not None
        made += sold
        assert counters.receipts == shift.totals.sales_count == made
        assert counters.grand_total == shift.totals.cash_sales
        assert (till.journal.carts.open_cart() is None) == sold
        if child.exitcode == 0:
            assert (folder / "said").read_text() == f"S1-R1-{made:06d}"
            break
        assert child.exitcode == -signal.SIGKILL
        assert not (folder / "said").exists()
        seen.add(statement)
        session = signed_in(till)
    assert len(seen) >= PAYING
    till.close()


def test_a_read_only_database_is_not_written(tmp_path: Path) -> None:
    make_till(tmp_path / "till").close()
    db = Database(tmp_path / "till" / "journal.db", read_only=True)
    with pytest.raises(sqlite3.OperationalError), db.transaction():
        db.execute("DELETE FROM entry")
    db.close()
