"""What an exchange asks of the database: counted, and nothing that it leaves out is noticed late."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections

from stillopen.backoffice.connections import refresh
from stillopen.backoffice.devices.models import FormerDevice, Register
from stillopen.backoffice.ingest import known
from stillopen.backoffice.ingest.models import Entry
from stillopen.backoffice.ingest.refused import Refused
from stillopen.sync.messages import Pull
from tests.backoffice.ingest.statements import counted, in_step, publish_one
from tests.backoffice.ingest.till import NOON, Till, make_account, make_store, make_till
from tests.support.backoffice import Database


@pytest.fixture(autouse=True)
def just_started() -> None:
    known.forget_all()


def test_an_exchange_with_nothing_to_say_takes_two_statements(till: Till) -> None:
    till.sell(250)
    till.send()
    with counted() as seen:
        till.send([])
    assert len(seen) == 2, seen


def test_a_page_that_was_asked_for_leaves_them_planned(postgres_backoffice: Database) -> None:
    """Each is planned once for a connection, if nothing makes psycopg forget it."""
    till = make_till(make_store(make_account()))
    till.send()
    for _ in range(3):
        till.send([], pull=Pull(server_epoch=""), live=Pull(server_epoch=""))
        till.send([])
    with connection.cursor() as cursor:
        cursor.execute("""SELECT generic_plans + custom_plans FROM pg_prepared_statements
            WHERE statement LIKE '%feed_serverepoch s%' OR statement LIKE '%AND nonce = %'""")
        assert sorted(count for (count,) in cursor.fetchall()) == [3, 7]


def test_the_statements_of_an_upload_do_not_grow_with_it(till: Till) -> None:
    for _ in range(150):
        till.sell(100, 200)
    till.send(till.entries[:50])
    taken = []
    for first, last in ((50, 60), (60, 150)):
        with counted() as seen:
            assert till.send(till.entries[first:last]).ack.seq == last
        taken.append(len(seen))
    assert taken[0] == taken[1] <= 25, taken


def test_a_connection_is_only_asked_whether_it_lives_when_it_has_said_something(
    postgres_backoffice: Database,
) -> None:
    """In a thread of its own, as the sync API does it."""

    def work() -> int:
        refresh()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    def counting() -> list[str]:
        refresh()
        with counted() as seen:
            connection.cursor().execute("SELECT 2")
        return seen

    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (before,))

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        before = one.submit(work).result()
        assert one.submit(counting).result() == ["SELECT 2"]
        other.submit(end).result()
        assert one.submit(work).result() != before
        for pool in (one, other):
            pool.submit(connections.close_all).result()


def test_a_revocation_is_noticed_by_the_next_exchange(till: Till) -> None:
    till.send()
    Register.objects.update(state=Register.State.REVOKED)
    assert [x.do for x in till.send([]).instructions] == ["revoked"]


def test_a_device_that_was_replaced_only_hands_in(till: Till) -> None:
    """Though this process remembers it as the register's own."""
    till.send()
    FormerDevice.objects.create(
        account_id=till.register.account_id,
        register_id=till.register.id,
        public_key=till.public_key,
        nonce=till.nonce,
        replaced_at=NOON,
    )
    Register.objects.update(public_key=bytes(32), nonce=b"another")
    till.sell(250)
    answer = till.send()
    assert [x.do for x in answer.instructions] == ["revoked"] and answer.ack.seq == 1
    assert Entry.objects.get().code == "after_revocation"
    FormerDevice.objects.all().delete()
    with pytest.raises(Refused) as refused:
        till.send()
    assert refused.value.code == "bad_proof"


def test_a_register_that_was_moved_belongs_to_its_new_store_at_once(till: Till) -> None:
    till.send()
    other = make_store(till.register.account, "S2")
    Register.objects.update(store=other)
    till.sell(250)
    assert till.send().ack.seq == 1
    head = in_step(till, str(other.id))
    assert not till.send([], cursors_hash=head).feed_behind


def test_a_register_that_is_gone_is_unknown_at_once(till: Till) -> None:
    till.send()
    Register.objects.all().delete()
    with pytest.raises(Refused) as refused:
        till.send([])
    assert refused.value.code == "unknown_register"


def test_a_publication_is_noticed_by_the_next_exchange(till: Till) -> None:
    publish_one(till)
    store = str(till.register.store_id)
    assert not till.send([], cursors_hash=in_step(till, store)).feed_behind
    before = in_step(till, store)
    publish_one(till)
    assert till.send([], cursors_hash=before).feed_behind


def test_what_is_held_is_named_as_long_as_it_is(till: Till) -> None:
    till.sell(250)
    Register.objects.update(state=Register.State.REVOKED)
    assert [x.code for x in till.send().not_applied] == ["after_revocation"]
    assert [x.code for x in till.send([]).not_applied] == ["after_revocation"]
    Entry.objects.update(status="applied")
    assert till.send([]).not_applied == ()


def test_a_forged_request_is_refused_though_the_device_is_known(till: Till) -> None:
    till.send()
    stranger = make_till(till.register.store, "R9")
    till.key = stranger.key
    with pytest.raises(Refused) as refused:
        till.send([])
    assert refused.value.code == "bad_proof"


def test_only_what_says_nothing_new_may_be_lost_in_a_crash(postgres_backoffice: Database) -> None:
    """Everything that was acknowledged, opened or found out waits for the disk before it is answered."""
    till = make_till(make_store(make_account()))
    till.sell(250)
    assert waits_for_the_disk(till, till.entries)
    assert not waits_for_the_disk(till, [])
    assert waits_for_the_disk(till, [], label="b", journal_count=1)
    assert not waits_for_the_disk(till, [], label="b", journal_count=1)
    assert waits_for_the_disk(till, [], retry=True)
    Register.objects.update(fingerprint="here")
    assert waits_for_the_disk(till, [], machine="another")
    assert waits_for_the_disk(till, [], epoch="f" * 32, head_seq=0, head_hash=bytes(32))


def test_what_may_be_lost_is_not_on_the_disk_when_it_is_answered(
    postgres_backoffice: Database,
) -> None:
    till = make_till(make_store(make_account()))
    till.send()
    assert any(is_ahead_of_the_disk(till) for _ in range(50))


def is_ahead_of_the_disk(till: Till) -> bool:
    """PostgreSQL sees to that by itself some time later."""
    till.send([])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()")
        return bool(cursor.fetchone()[0])


def waits_for_the_disk(till: Till, entries: Sequence[Any], **changes: Any) -> bool:
    with counted() as seen:
        till.send(entries, **changes)
    assert "UPDATE devices_register" in seen[-1]
    return "synchronous_commit" not in seen[-1]
