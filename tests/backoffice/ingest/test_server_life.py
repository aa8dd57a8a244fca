"""How a server process ends, dies and heals, on both databases."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.db import connections

from stillopen.backoffice.devices.models import Epoch
from stillopen.backoffice.ingest.models import Entry
from stillopen.backoffice.ledger.models import Receipt
from stillopen.backoffice.stock.models import Level
from tests.backoffice.ingest.served import (
    HttpTill,
    answer_of,
    next_event,
    publish_something,
    served,
)
from tests.backoffice.ingest.till import Till, make_account, make_store, make_till
from tests.support.backoffice import Database
from tests.support.process import Server, run


@pytest.fixture
def server(backoffice: Database, tmp_path: Path) -> Iterator[Server]:
    with served(backoffice, tmp_path) as running:
        yield running


@pytest.fixture
def http(till: Till, server: Server) -> HttpTill:
    return HttpTill(till, server.url)


def test_sigterm_with_open_streams_drains_and_exits_with_0(http: HttpTill, server: Server) -> None:
    with http.listen() as events:
        next_event(events, "hb", 0.5)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        assert set(events) <= {"hb"}


def test_no_answer_is_cut_short_by_sigterm(http: HttpTill, server: Server) -> None:
    for _ in range(300):
        http.till.sell(100)
    answers: list[int] = []

    def send() -> None:
        answers.append(http.send(http.till.entries).ack.seq)

    thread = threading.Thread(target=send)
    thread.start()
    time.sleep(0.05)
    assert server.stop() == 0
    thread.join()
    assert answers == [300]
    assert Receipt.objects.count() == 300


@pytest.mark.story
def test_kill_9_in_the_middle_of_ingest_leaves_no_ack_ahead(
    backoffice: Database, tmp_path: Path, till: Till
) -> None:
    """Whatever moment it dies at: what was acknowledged is stored, and all of it is whole."""
    answered = 0
    for _ in range(600):
        till.sell(100, 200)
    for turn in range(4):
        with served(backoffice, tmp_path) as server:
            http = HttpTill(till, server.url)
            threading.Timer(0.05 + 0.06 * turn, server.kill).start()
            till.nonce = b""
            try:
                while answered < len(till.entries):
                    answered = http.send(till.entries[answered : answered + 60]).ack.seq
            except httpx.HTTPError:
                pass
        check_whole(till, answered)
        connections.close_all()
    with served(backoffice, tmp_path) as server:
        http = HttpTill(till, server.url)
        answered = http.send().ack.seq
        while answered < len(till.entries):
            answered = http.send(till.entries[answered : answered + 60]).ack.seq
    check_whole(till, len(till.entries))


def check_whole(till: Till, answered: int) -> None:
    acked = Epoch.objects.get().acked_seq
    stored = list(Entry.objects.order_by("seq").values_list("seq", flat=True))
    assert answered <= acked
    assert stored == list(range(1, acked + 1))
    assert Receipt.objects.count() == acked
    assert -sum(level.quantity for level in Level.objects.all()) == 2 * acked


def test_a_restarted_postgresql_costs_no_answer(
    postgres_backoffice: Database, tmp_path: Path
) -> None:
    till = make_till(make_store(make_account()))
    with served(postgres_backoffice, tmp_path) as server:
        http = HttpTill(till, server.url)
        http.send()
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        time.sleep(0.2)
        till.sell(100)
        statuses = []
        for _ in range(12):
            response = http.exchange(till.entries)
            statuses.append(response.status_code)
            if response.status_code == 200:
                till.nonce = answer_of(response).nonce
        assert statuses == [200] * 12
        with http.listen() as events:
            publish_something(till)
            next_event(events, "poke", 3.0)
    assert Receipt.objects.count() == 1


def test_a_database_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    done = run("backoffice", "serve", "--dir", str(tmp_path / "nothing"), "--port", "0")
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr
