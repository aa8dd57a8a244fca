"""The server's own trouble, stale and foreign requests: nothing half done, nothing quarantined."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillopen.backoffice.devices.models import Epoch, Register
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ingest.receive import exchange
from stillopen.backoffice.ingest.refused import Refused
from stillopen.backoffice.ledger.models import Receipt
from stillopen.backoffice.stock.models import Level
from stillopen.sync.codec import pack, unpack
from stillopen.sync.messages import Ack, ExchangeAnswer, ExchangeRequest, Instruction, Pull
from tests.backoffice.ingest.till import (
    NOON,
    Till,
    make_account,
    make_line,
    make_sale,
    make_store,
    make_till,
)
from tests.support.backoffice import Database


@contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    with pytest.raises(Refused) as error:
        yield
    assert (error.value.status, error.value.code) == (status, code)


def acked() -> int:
    return Epoch.objects.get().acked_seq


# -- infrastructure


@contextmanager
def no_room(database: Database) -> Iterator[None]:
    """SQLite: the file may not grow. PostgreSQL: a table that ingest needs stays locked."""
    if database.engine == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA page_count")
            cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0] + 2}")
            yield
            cursor.execute("PRAGMA max_page_count = 1000000")
        return
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    with psycopg.connect(database.url) as other:
        other.execute("LOCK TABLE stock_level IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_database_error_aborts_everything_and_quarantines_nothing(
    till: Till, backoffice: Database
) -> None:
    till.open_shift()
    till.sell(100)
    till.send()
    nonce = till.nonce
    for _ in range(60):
        till.sell(100)
    till.add_bytes(b"{}")
    with no_room(backoffice), refused(503, "try_again"):
        till.send()
    assert (acked(), Entry.objects.count(), Receipt.objects.count()) == (2, 2, 1)
    assert not ExceptionItem.objects.exists()
    assert bytes(Register.objects.get().nonce or b"") == nonce
    answer = till.send()  # the same again, once there is room
    assert (answer.ack.seq, [n.code for n in answer.not_applied]) == (63, ["bad_entry"])
    assert sum(level.quantity for level in Level.objects.all()) == -61


def test_a_connection_that_died_gives_503_and_then_heals(postgres_backoffice: Database) -> None:
    till = make_till(make_store(make_account()))
    till.sell(100)
    with psycopg.connect(postgres_backoffice.url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    with refused(503, "try_again"):
        till.send()
    connection.close()
    assert till.send().ack.seq == 1


# -- nonces and proofs


def test_a_stale_request_gets_ack_and_nonce_and_nothing_else(till: Till) -> None:
    till.open_shift()
    till.send(till.entries, software="new")
    current = till.nonce
    till.sell(100)
    for nonce in (b"first nonce", b"", b"anything"):
        request = till.request(
            till.entries, nonce=nonce, software="old", pull=Pull(server_epoch="")
        )
        answer = till.post(request)
        assert answer == ExchangeAnswer(
            request=request.request, nonce=current, ack=answer.ack, stale=True
        )
        assert answer.ack.seq == 1
    assert (Entry.objects.count(), Register.objects.get().software) == (1, "new")
    assert till.send().ack.seq == 2


def test_a_delayed_duplicate_changes_nothing(till: Till) -> None:
    till.sell(100)
    body = pack(till.request(till.entries))
    signature = till.sign(body)
    register = str(till.register.id)
    first = unpack(exchange(register, body, signature, NOON), ExchangeAnswer)
    again = unpack(exchange(register, body, signature, NOON), ExchangeAnswer)
    assert (first.stale, again.stale, again.nonce, again.ack) == (
        False,
        True,
        first.nonce,
        first.ack,
    )
    assert Receipt.objects.count() == 1


def test_a_register_without_a_nonce_is_given_one(till: Till) -> None:
    Register.objects.update(nonce=None)
    till.sell(100)
    assert till.send().stale
    assert till.send().ack.seq == 1


def test_another_devices_key_is_refused(till: Till) -> None:
    other = make_till(make_store(make_account("Other")))
    till.sell(100)
    body = pack(till.request(till.entries))
    register = str(till.register.id)
    for signature in (
        other.sign(body, till.nonce),
        till.sign(body, b"other nonce"),
        b"",
        bytes(64),
    ):
        with refused(401, "bad_proof"):
            exchange(register, body, signature, NOON)
    with refused(400, "bad_message"):  # its own register, the other's message
        exchange(str(other.register.id), body, other.sign(body, till.nonce), NOON)
    assert (Entry.objects.count(), acked_everywhere()) == (0, 0)


def acked_everywhere() -> int:
    return sum(e.acked_seq for e in Epoch.objects.all())


@pytest.mark.parametrize("register", ["nonsense", "", str(uuid.UUID(int=7))])
def test_an_unknown_register_is_refused(till: Till, register: str) -> None:
    body = pack(till.request([], register=register))
    with refused(401, "unknown_register"):
        exchange(register, body, till.sign(body), NOON)


# -- what is no message


def test_a_body_that_was_cut_off_is_no_message(till: Till) -> None:
    for _ in range(20):
        till.sell(100)
    body = pack(till.request(till.entries))
    for end in (0, 1, 4, 20, len(body) // 2, len(body) - 1):
        with refused(400, "bad_message"):
            exchange(str(till.register.id), body[:end], till.sign(body[:end]), NOON)
    assert not Entry.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "not an epoch"},
        {"head_seq": -1},
        {"head_seq": 2**63},
        {"request": 2**63},
        {"pull": Pull(server_epoch="", staged={"account": 2**63})},
    ],
)
def test_numbers_out_of_bounds_are_no_message(till: Till, change: dict[str, object]) -> None:
    request = till.request([], **change)
    with refused(400, "bad_message"):
        till.post(request)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=300))
def test_no_bytes_at_all_trouble_the_server(till: Till, body: bytes) -> None:
    with refused(400, "bad_message"):
        exchange(str(till.register.id), body, till.sign(body), NOON)


# -- lineage: its place


def test_a_journal_that_parted_is_kept_beside_what_is_held(till: Till) -> None:
    till.open_shift()
    till.sell(100)
    till.sell(200)
    till.send()
    kept = [bytes(e.body) for e in Entry.objects.order_by("seq")]
    del till.entries[2:]  # the disk is restored from an image
    assert [i.do for i in till.send([]).instructions] == ["new_epoch"]
    till.sell(900)
    till.sell(901)
    answer = till.send()
    assert [i.do for i in answer.instructions] == ["new_epoch"]
    assert answer.ack == Ack(till.epoch, 4, till.head)
    first = Entry.objects.filter(branch=till.epoch).order_by("seq")
    assert [bytes(e.body) for e in first] == kept
    other = Entry.objects.filter(branch=f"{till.epoch}.2").order_by("seq")
    assert [bytes(e.body) for e in other] == [e.body for e in till.entries[2:]]
    assert set(ExceptionItem.objects.values_list("code", flat=True)) == {
        "journal_forked",
        "disk_restored",
    }
    assert Receipt.objects.count() == 4


def test_a_new_epoch_gets_the_next_label_and_its_own_numbers(till: Till) -> None:
    till.sell(100)
    till.send()
    again = Till(till.register, key=till.key, nonce=till.nonce)
    again.sell(200, receipt=None)
    assert again.send().ack.seq == 1
    assert list(Epoch.objects.order_by("label").values_list("label", "acked_seq")) == [
        ("", 1),
        ("b", 1),
    ]


def test_a_register_ahead_of_the_server_is_told_to_rewind(till: Till) -> None:
    """The server was restored from a backup: it holds less than it had acknowledged."""
    for _ in range(5):
        till.sell(100)
    answer = till.send(till.entries[3:])
    assert answer.instructions == (Instruction(do="rewind", seq=0),)
    assert till.send().ack.seq == 5


def test_two_entries_of_one_number_in_a_request(till: Till) -> None:
    """The first one counts, and what is stored is what the ack names."""
    first = till.sell(100)
    till.entries.pop()
    second = till.sell(200)
    answer = till.send([first, second])
    assert answer.ack.hash == first.hash
    assert [bytes(e.body) for e in Entry.objects.all()] == [first.body]
    assert Receipt.objects.get().total == 100


# -- several at once


def test_registers_of_one_store_send_at_the_same_time(till: Till) -> None:
    """All sell the same goods, in different orders: levels are locked in one order."""
    tills = [till, *(make_till(till.register.store, f"R{n}") for n in range(2, 5))]
    products = [f"p{n}" for n in range(12)]
    failures: list[Exception] = []

    def work(one: Till, turn: int) -> None:
        try:
            for batch in range(4):
                order = products[turn * 3 :] + products[: turn * 3]
                _sell_all(one, order if batch % 2 else order[::-1])
                _send_until_taken(one)
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(one, n)) for n, one in enumerate(tills)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {level.product_id: level.quantity for level in Level.objects.all()} == dict.fromkeys(
        products, -16
    )


def _sell_all(till: Till, products: list[str]) -> None:
    for product in products:
        till.receipts += 1
        number = f"{till.register.name}-{till.receipts}"
        till.add("sale", make_sale(number, lines=[make_line(100, product=product)]))


def _send_until_taken(till: Till) -> None:
    for _ in range(50):
        try:
            if till.send(till.entries[-12:]).ack.seq == len(till.entries):
                return
        except Refused as error:
            assert error.code == "try_again"
        time.sleep(0.01)
    pytest.fail("not taken")


def test_two_requests_of_one_register_at_once_are_one_after_the_other(till: Till) -> None:
    till.sell(100)
    body = pack(till.request(till.entries))
    signature, answers = till.sign(body), []

    def work() -> None:
        answers.append(
            unpack(exchange(str(till.register.id), body, signature, NOON), ExchangeAnswer)
        )
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a.stale for a in answers) == [False, True, True, True]
    assert Receipt.objects.count() == 1


def test_what_a_request_says_of_itself_is_bounded(till: Till) -> None:
    request: ExchangeRequest = till.request([], software="v\0" * 100, journal_count=2**63)
    till.post(request)
    row = Register.objects.get()
    assert row.software == "v" * 40 and row.receipts_made == 2**62
