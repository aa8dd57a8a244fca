"""An exchange with nothing to say locks nothing: it comes to the same, and others may act in the middle of it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from django.db import connection, connections

from stillopen.backoffice.backups.models import BackedUp
from stillopen.backoffice.devices.models import Epoch, Register
from stillopen.backoffice.feed.models import Head
from stillopen.backoffice.ingest import known
from stillopen.backoffice.ingest.refused import Refused
from stillopen.sync.messages import ExchangeAnswer, Gap, Pull, Unsent
from tests.backoffice.ingest.statements import counted, in_step, publish_one
from tests.backoffice.ingest.till import NOON, Till, make_account, make_store, make_till
from tests.support.backoffice import Database

#: What a register may say of itself without having anything to say.
SAID: list[dict[str, Any]] = [
    {},
    {"software": "1.2.3", "clock": NOON.replace(second=7), "shift_open": True},
    {"unsent": Unsent(count=3, value=250, oldest_at=NOON)},
    {"live_hash": b"elsewhere", "machine": "here"},
    {"backed_up": 7},
    {"former": True},
]

#: What is left to the locked way.
MORE: list[dict[str, Any]] = [
    {"retry": True},
    {"gaps": (Gap(1, 1, bytes(32)),)},
    {"pull": Pull(server_epoch="")},
    {"live": Pull(server_epoch="")},
    {"label": "b", "journal_count": 1},
    {"protocol": (8, 9)},
    {"machine": "there"},
    {"head_seq": 0, "head_hash": bytes(32)},
    {"nonce": b""},
]


@pytest.fixture
def till(backoffice: Database) -> Till:
    """It has sold and sent, this process remembers it, and it is in step with the catalogue."""
    till = make_till(make_store(make_account()))
    Register.objects.update(fingerprint="here")
    publish_one(till)
    till.sell(250)
    till.send()
    BackedUp.objects.create(
        account_id=till.register.account_id,
        register_id=till.register.id,
        branch=till.epoch,
        seq=1,
        hash=till.head,
    )
    return till


@contextmanager
def in_between(change: Callable[[], object]) -> Iterator[None]:
    """Another connection does ``change`` after the exchange has read, right before it first writes."""
    todo = [change]

    def run(execute: Callable[..., Any], sql: str, params: Any, many: bool, rest: Any) -> Any:
        if todo and sql.lstrip().startswith("UPDATE devices_register"):
            with ThreadPoolExecutor(1) as other:
                other.submit(todo.pop()).result()
                other.submit(connections.close_all).result()
        return execute(sql, params, many, rest)

    with connection.execute_wrapper(run):
        yield
    assert not todo


def idle(till: Till, **changes: Any) -> ExchangeAnswer:
    head = in_step(till, str(till.register.store_id))
    return till.send([], **({"cursors_hash": head} | changes))


def row() -> dict[str, Any]:
    values: dict[str, Any] = Register.objects.values().get()
    return {n: bytes(v) if isinstance(v, memoryview) else v for n, v in values.items()}


@pytest.mark.parametrize("said", SAID, ids="-".join)
@pytest.mark.parametrize("step", [True, False])
def test_it_answers_and_stores_the_same_as_with_the_row_locked(
    till: Till, said: dict[str, Any], step: bool
) -> None:
    head = in_step(till, str(till.register.store_id)) if step else b"elsewhere"
    seen, taken = [], []
    for forget in (known.forget_all, lambda: None):
        forget()
        till.requests = 7
        Register.objects.update(software="", cursors={}, last_seen_at=None, head_seq=0)
        with counted() as statements:
            answer = till.send([], **({"cursors_hash": head} | said))
        assert row()["nonce"] == answer.nonce
        seen.append((msgspec.structs.replace(answer, nonce=b""), row() | {"nonce": b""}))
        taken.append(len(statements))
    assert seen[0] == seen[1]
    assert taken[0] > 2 == taken[1]


@pytest.mark.parametrize("more", MORE, ids="-".join)
def test_whatever_says_more_locks_the_row(till: Till, more: dict[str, Any]) -> None:
    with counted() as statements:
        idle(till, **more)
    assert any("accounts_account" in sql for sql in statements)


def test_a_revocation_in_between_is_told(till: Till) -> None:
    with in_between(lambda: Register.objects.update(state=Register.State.REVOKED)):
        assert [x.do for x in idle(till).instructions] == ["revoked"]
    assert row()["state"] == Register.State.REVOKED and row()["nonce"] == till.nonce


def test_another_exchange_in_between_makes_it_stale(till: Till) -> None:
    before = row()
    with in_between(lambda: Register.objects.update(nonce=b"another")):
        answer = idle(till, software="9.9")
    assert answer.stale and answer.nonce == b"another" and answer.ack.seq == 1
    assert row() == before | {"nonce": b"another"}


def test_another_device_in_between_is_not_mistaken_for_this_one(till: Till) -> None:
    before = row()
    with (
        in_between(lambda: Register.objects.update(public_key=bytes(32))),
        pytest.raises(Refused) as refused,
    ):
        idle(till)
    assert refused.value.code == "bad_proof"
    assert row() == before | {"public_key": bytes(32)}


def test_another_machine_in_between_is_asked_to_activate(till: Till) -> None:
    with in_between(lambda: Register.objects.update(fingerprint="there")):
        assert [x.do for x in idle(till, machine="here").instructions] == ["activate"]


def test_a_move_in_between_counts_at_once(till: Till) -> None:
    other = make_store(till.register.account, "S2")
    with in_between(lambda: Register.objects.update(store=other)):
        assert idle(till).feed_behind
    assert not till.send([], cursors_hash=in_step(till, str(other.id))).feed_behind


def test_a_register_that_is_removed_in_between_is_unknown(till: Till) -> None:
    with in_between(Register.objects.all().delete), pytest.raises(Refused) as refused:
        idle(till)
    assert refused.value.code == "unknown_register"


def test_a_publication_in_between_is_told_next_time(till: Till) -> None:
    before = in_step(till, str(till.register.store_id))
    with in_between(lambda: Head.objects.update(seq=9)):
        assert not idle(till).feed_behind
    assert idle(till, cursors_hash=before).feed_behind


def test_what_is_lost_in_between_is_asked_for_next_time(till: Till) -> None:
    """Told the next time, as if it had come right after."""
    with in_between(lambda: Epoch.objects.update(acked_seq=0, acked_hash=bytes(32))):
        assert not idle(till).instructions
    assert [x.do for x in idle(till, acked_seq=1).instructions] == ["rewind"]
