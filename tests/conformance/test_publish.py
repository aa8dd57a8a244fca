"""Publishing: dense sequence numbers, commit order is sequence order, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from threading import Event
from uuid import UUID, uuid4

import pytest
from django.db import connections, transaction
from django.utils import timezone

from stillopen.backoffice.feed import models
from stillopen.backoffice.feed.publish import Publication, RecordChange, publish
from stillopen.sync.feed import GENESIS_CHAIN, next_chain
from stillopen.sync.messages import FeedRow
from tests.support.backoffice import Database

STORE = f"store:{uuid4()}"


def change(
    payload: bytes | None, record: UUID | None = None, scope: str = "account"
) -> RecordChange:
    return RecordChange(scope, "product", record or uuid4(), payload)


def rows(account: UUID, scope: str = "account") -> list[models.Published]:
    return list(models.Published.objects.filter(account_id=account, scope=scope).order_by("seq"))


def head(account: UUID, scope: str = "account") -> models.Head:
    return models.Head.objects.get(account_id=account, scope=scope)


def test_every_changed_record_gets_the_next_number(backoffice: Database) -> None:
    account, first, second = uuid4(), uuid4(), uuid4()
    assert publish(account, [change(b"1", first), change(b"2", second)], "a") == Publication(1, 2)
    assert publish(account, [change(b"1", first), change(b"3", second)], "a") == Publication(2, 1)
    assert [(r.record, r.seq, r.version) for r in rows(account)] == [(first, 1, 1), (second, 3, 2)]
    assert bytes(rows(account)[1].payload) == b"3"
    assert head(account).seq == 3


def test_nothing_changed_is_no_publication(backoffice: Database) -> None:
    account, record = uuid4(), uuid4()
    publish(account, [change(b"1", record)], "a")
    before = models.Pulse.objects.get(account_id=account).count
    assert publish(account, [change(b"1", record)], "a") == Publication(1, 0)
    assert publish(account, [], "a") == Publication(1, 0)
    assert models.Publication.objects.filter(account_id=account).count() == 1
    assert models.Pulse.objects.get(account_id=account).count == before


def test_deleting_leaves_a_tombstone_and_happens_once(backoffice: Database) -> None:
    account, record = uuid4(), uuid4()
    publish(account, [change(b"1", record)], "a")
    assert publish(account, [change(None, record)], "a").records == 1
    assert publish(account, [change(None, record)], "a").records == 0
    assert publish(account, [change(None)], "a").records == 0  # never was there
    [row] = rows(account)
    assert (row.seq, row.deleted, bytes(row.payload)) == (2, True, b"")
    assert publish(account, [change(b"1", record)], "a").records == 1  # and it comes back
    [row] = rows(account)
    assert (row.seq, row.deleted, row.version) == (3, False, 3)


def test_scopes_count_on_their_own_and_share_the_number(backoffice: Database) -> None:
    account = uuid4()
    publication = publish(account, [change(b"s", scope=STORE), change(b"a")], "a")
    assert publication == Publication(1, 2)
    assert (head(account).seq, head(account, STORE).seq) == (1, 1)
    assert publish(account, [change(b"t", scope=STORE)], "a") == Publication(2, 1)
    numbers = models.Publication.objects.filter(account_id=account).order_by("scope", "seq")
    assert [(p.scope, p.seq, p.number) for p in numbers] == [
        ("account", 1, 1), (STORE, 1, 1), (STORE, 2, 2)
    ]  # fmt: skip


def test_the_chain_runs_over_what_registers_get(backoffice: Database) -> None:
    account, record = uuid4(), uuid4()
    publish(account, [change(b"1", record)], "a")
    publish(account, [change(None, record)], "a")
    first = next_chain(GENESIS_CHAIN, [FeedRow("account", 1, "product", str(record), b"1")])
    second = next_chain(first, [FeedRow("account", 2, "product", str(record), b"", True)])
    chains = models.Publication.objects.filter(account_id=account).order_by("seq")
    assert [bytes(p.chain) for p in chains] == [first, second]
    assert bytes(head(account).chain) == second


def test_one_account_does_not_move_another(backoffice: Database) -> None:
    account, other, record = uuid4(), uuid4(), uuid4()
    publish(account, [change(b"1", record)], "a")
    publish(other, [change(b"2", record)], "b")
    assert [bytes(r.payload) for r in rows(account)] == [b"1"]
    assert head(other).seq == 1


def test_it_refuses_to_be_part_of_a_longer_transaction(backoffice: Database) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        publish(uuid4(), [change(b"1")], "a")


def test_many_thousand_records_at_once(backoffice: Database) -> None:
    account = uuid4()
    changes = [change(str(i).encode()) for i in range(2500)]
    assert publish(account, changes, "a").records == 2500
    assert [r.seq for r in rows(account)] == list(range(1, 2501))
    assert publish(account, changes, "a").records == 0


PUBLISHERS, ROUNDS, RECORDS = 6, 8, 3


def _publish_often(account: UUID, name: int) -> int:
    """Some records of one's own and one that all fight for, in two scopes."""
    shared = UUID(int=1)
    try:
        total = 0
        for turn in range(ROUNDS):
            own = [change(f"{name}.{turn}.{i}".encode()) for i in range(RECORDS - 1)]
            stored = change(f"{name}.{turn}".encode(), shared, STORE)
            total += publish(
                account, [stored, *own, change(b"%d" % turn, shared)], str(name)
            ).records
        return total
    finally:
        connections.close_all()


def _watch(account: UUID, stop: Event) -> list[tuple[int, set[int]]]:
    """What a reader sees of the account scope, again and again: the head, and all numbers up to it."""
    seen = []
    try:
        while not stop.is_set():
            with transaction.atomic():
                at = models.Head.objects.filter(account_id=account, scope="account").first()
                top = at.seq if at else 0
                # Read after the head: a number at or below it that commits later would be missing here.
                numbers = {r.seq for r in rows(account) if r.seq <= top}
            seen.append((top, numbers))
        return seen
    finally:
        connections.close_all()


def test_numbers_are_dense_and_in_commit_order_with_many_publishers(backoffice: Database) -> None:
    account, stop = uuid4(), Event()
    with ThreadPoolExecutor(PUBLISHERS + 1) as pool:
        reader = pool.submit(_watch, account, stop) if backoffice.engine == "postgresql" else None
        totals = list(pool.map(lambda n: _publish_often(account, n), range(PUBLISHERS)))
        stop.set()
    seqs = head(account).seq + head(account, STORE).seq
    assert seqs == sum(totals)
    publications = models.Publication.objects.filter(account_id=account)
    for scope in ("account", STORE):
        ends = [0, *(p.seq for p in publications.filter(scope=scope).order_by("seq"))]
        sizes = [p.records for p in publications.filter(scope=scope).order_by("seq")]
        assert [b - a for a, b in pairwise(ends)] == sizes  # no number left out, none given twice
        assert ends[-1] == head(account, scope).seq
    numbers = sorted({p.number for p in publications})
    assert numbers == list(range(1, PUBLISHERS * ROUNDS + 1))
    if reader is not None:
        _check_no_late_arrivals(reader.result())


def _check_no_late_arrivals(seen: list[tuple[int, set[int]]]) -> None:
    """A number missed below a head once (its record had moved on) never turns up later."""
    assert len(seen) > 10
    for (top, before), (_, after) in pairwise(seen):
        assert {n for n in after if n <= top} <= before


def _age(account: UUID, seq: int, days: int) -> None:
    """Make the publication that ended at ``seq``, and its rows, ``days`` old."""
    then = timezone.now() - timedelta(days=days)
    key = {"account_id": account, "scope": "account", "seq": seq}
    models.Publication.objects.filter(**key).update(published_at=then)
    models.Published.objects.filter(**key).update(published_at=then)


def test_old_publications_and_tombstones_are_forgotten(backoffice: Database) -> None:
    account, gone, later, kept = uuid4(), uuid4(), uuid4(), uuid4()
    publish(account, [change(b"1", gone)], "a")
    publish(account, [change(None, gone)], "a")
    publish(account, [change(b"1", later)], "a")
    publish(account, [change(None, later)], "a")
    for seq, days in ((1, 400), (2, 300), (3, 200), (4, 20)):
        _age(account, seq, days)
    publish(account, [change(b"1", kept)], "a")
    ends = models.Publication.objects.filter(account_id=account).order_by("seq")
    # 3 is where a register stands that was in step until yesterday; 1 and 2 were succeeded long ago.
    assert [p.seq for p in ends] == [3, 4, 5]
    assert [(r.record, r.seq) for r in rows(account)] == [(later, 4), (kept, 5)]
