"""The worker: who leads, and what is due."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from stillopen.backoffice.live.models import Stock
from stillopen.backoffice.stock.models import Level
from stillopen.backoffice.worker import lease, service, tasks
from stillopen.backoffice.worker.models import Lease, Task
from stillopen.backoffice.worker.worker import Worker
from stillopen.domain.errors import DomainError
from tests.backoffice.ingest.till import Till, make_account, make_store, make_till
from tests.support.backoffice import Database

NOW = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
LENGTH = timedelta(seconds=15)


def test_one_leads_until_it_is_silent_or_gives_up(backoffice: Database) -> None:
    assert lease.take("worker", "far:1:a", NOW, LENGTH)
    assert not lease.take("worker", "far:2:b", NOW + LENGTH / 2, LENGTH)
    assert lease.take("worker", "far:1:a", NOW + LENGTH / 2, LENGTH)
    assert not lease.take("worker", "far:2:b", NOW + LENGTH, LENGTH)
    assert lease.take("worker", "far:2:b", NOW + 2 * LENGTH, LENGTH)
    lease.give_up("worker", "far:1:a")  # it leads no more: nothing to give up
    assert not lease.take("worker", "far:1:a", NOW + 2 * LENGTH, LENGTH)
    lease.give_up("worker", "far:2:b")
    assert lease.take("worker", "far:1:a", NOW + 2 * LENGTH, LENGTH)


def test_a_killed_process_of_this_machine_is_replaced_at_once(backoffice: Database) -> None:
    host = lease.holder_here().split(":")[0]
    alive = f"{host}:{os.getppid()}:aa"
    assert lease.take("worker", alive, NOW, LENGTH)
    assert not lease.take("worker", lease.holder_here(), NOW, LENGTH)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    Lease.objects.update(holder=f"{host}:{child}:bb")
    assert lease.take("worker", lease.holder_here(), NOW, LENGTH)


def test_tasks_are_done_once_when_they_are_due(
    backoffice: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def job(now: datetime, details: dict[str, object]) -> bool:
        if details.get("bad"):
            raise DomainError("bad_field", "no")
        done.append(str(details["name"]))
        return False

    monkeypatch.setitem(tasks.JOBS, "test", tasks.Job(job))
    worker = Worker()
    while worker.step(NOW):
        pass  # what every server has to do
    later = NOW + timedelta(minutes=5)
    tasks.schedule("test", later, key="b", details={"name": "b"})
    tasks.schedule("test", later, key="a", details={"name": "a"})
    tasks.schedule("test", NOW, key="a", details={"name": "again"})
    tasks.schedule("test", later, key="x", details={"bad": True})
    assert worker.step(NOW) and not worker.step(NOW)
    assert done == ["a"]
    while worker.step(later):
        pass
    assert done == ["a", "b"]
    failed = Task.objects.get(key="x")
    assert (failed.tries, failed.error) == (1, "no") and failed.due_at > later
    assert set(Task.objects.values_list("key", flat=True)) == {"live_retention", "snapshots", "x"}


@pytest.fixture
def sleeping(backoffice: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Till]:
    """A till; a worker that by itself would look again only after a minute has just looked."""
    monkeypatch.setattr(service, "LOOK_EVERY", 60.0)
    till = make_till(make_store(make_account()))
    worker = service.WorkerThread()
    worker.start()
    until(lambda: not Task.objects.filter(key="apply_understood").exists())
    time.sleep(0.5)
    yield till
    worker.stop()


def test_a_sale_wakes_the_worker(sleeping: Till) -> None:
    sleeping.sell(250)
    sleeping.send()
    until(lambda: Stock.objects.count() == 1)


def test_another_process_can_wake_the_worker(sleeping: Till) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite carries no word from process to process: there the worker looks itself")
    store = sleeping.register.store
    Level.objects.create(
        account_id=store.account_id, store_id=store.id, product_id="p", quantity=1, dirty=True
    )
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {service.CHANNEL}")
    until(lambda: Stock.objects.count() == 1)


def until(true: Callable[[], bool]) -> None:
    """Wait for it, at most ten seconds."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
