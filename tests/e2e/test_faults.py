"""What is under the Back Office fails while registers upload: no sale lost, none doubled, nothing blamed on
an entry that was the machine's fault."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_crash import Client, check
from tests.support.disk import fill, small_disk
from tests.support.postgres import Cluster
from tests.support.process import Server, wait_for
from tests.support.shop import Register, Shop

WITHIN = 60.0  # seconds until all is in step after the last fault
CLIENTS = 3


@pytest.fixture
def shop(tmp_path: Path, postgres_url: str) -> Iterator[Shop]:
    """On PostgreSQL, serving."""
    shop = Shop(tmp_path, postgres_url).make()
    shop.backoffice.start()
    yield shop
    shop.close()


@contextmanager
def customers(shop: Shop, register: Register, seed: int) -> Iterator[list[Client]]:
    """They buy all the time; at the end everything that was answered must be in step."""
    print(f"seed {seed}")
    stop = threading.Event()
    code = shop.employees["Sales"]
    clients = [Client(register, code, seed + number, stop) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    yield clients
    stop.set()
    for client in clients:
        client.join(60)
    assert [client.failure for client in clients] == [""] * CLIENTS


def all_in_step(shop: Shop, register: Register, clients: list[Client]) -> None:
    """In the Back Office once each, applied; no exception about anything."""
    wait_for(register.is_synced, WITHIN, "everything is sent")
    status = register.status()
    assert (status["quarantined"], status["waiting"]) == (0, 0)
    check(shop, register, clients)


def said(server: Server, words: str) -> int:
    """How often the log of ``server`` has ``words``."""
    return server.log.read_text(errors="replace").count(words)


# -- the database and the servers go away ------------------------------------------------------


@contextmanager
def second_server(shop: Shop) -> Iterator[Server]:
    """Another one on the same database."""
    log = shop.folder / "second.log"
    server = Server(["backoffice", "serve", *shop.place], "/api/v1/healthz", log)
    server.start()
    yield server
    server.close()


def restart_postgres(shop: Shop, postgres: Cluster, chance: random.Random, times: int) -> None:
    for _ in range(times):
        shop.line.cut()  # so that there is something to send when the database goes
        time.sleep(chance.uniform(0.3, 0.8))
        shop.line.mend()
        time.sleep(chance.uniform(0.0, 1.5))
        postgres.restart()
        time.sleep(chance.uniform(0.0, 1.0))


def kill_in_turns(shop: Shop, second: Server, chance: random.Random, kills: int) -> None:
    """Behind the line now one server, now the other; one of them is always dead or just back."""
    servers = [shop.backoffice, second]
    for number in range(kills):
        victim, other = servers[number % 2], servers[(number + 1) % 2]
        time.sleep(chance.uniform(0.0, 0.6))
        victim.kill()
        shop.line.line.target = ("127.0.0.1", other.port)
        victim.spawn()
        wait_for(other.answers, 40, "the other one is there")
    for server in servers:
        wait_for(server.answers, 40, "back after the last kill")


def survive(shop: Shop, postgres: Cluster, restarts: int, kills: int) -> None:
    register = shop.open_register()
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    with second_server(shop) as second:
        with customers(shop, register, seed) as clients:
            restart_postgres(shop, postgres, chance, restarts)
            assert shop.backoffice.running  # it was not this program that fell over
            print(f"{said(shop.backoffice, 'aborted')} exchanges aborted")
            kill_in_turns(shop, second, chance, kills)
        all_in_step(shop, register, clients)


@pytest.mark.story
def test_postgresql_crashes_and_two_servers_on_it_die_in_turns(
    shop: Shop, postgres: Cluster
) -> None:
    survive(shop, postgres, restarts=2, kills=4)


@pytest.mark.soak
def test_crashes_all_the_time(shop: Shop, postgres: Cluster, pytestconfig: pytest.Config) -> None:
    kills: int = pytestconfig.getoption("--kills")
    survive(shop, postgres, restarts=max(kills // 4, 1), kills=kills)


# -- no room ---------------------------------------------------------------------------------------


def sell_until(register: Register, happened: Callable[[], object], most: int) -> int:
    """Sales until ``happened``; how many."""
    for count in range(1, most + 1):
        register.sell({"100": "1", "101": "2"})
        if happened():
            return count
    pytest.fail(f"not within {most} sales")


def receipts(shop: Shop) -> list[str]:
    return sorted(row["receipt"] for row in shop.every("/receipts"))


@pytest.mark.story
def test_the_disk_under_the_back_office_fills_up(tmp_path: Path) -> None:
    with small_disk(tmp_path / "backoffice", 24) as disk:
        fill_up(Shop(tmp_path).make(), disk)


def fill_up(shop: Shop, disk: Path) -> None:
    try:
        shop.backoffice.start()
        register = shop.open_register()
        sold = sell_until(register, lambda: True, 1)
        wait_for(register.is_synced, 20, "in step before there is no room")
        filler = fill(disk)

        def refused() -> int:
            return said(shop.backoffice, "aborted")

        sold += sell_until(register, refused, 600)
        wait_for(lambda: said(shop.backoffice, "aborted") >= 2, 20, "it is tried again")
        before = register.status()
        assert before["unsent"]["count"] > 0 and before["state"] in ("sending", "unstable")
        held = receipts(shop)
        assert held == sorted(f"S1-R1-{n:06d}" for n in range(1, len(held) + 1))
        # What is acknowledged is there: the two together are all that was sold.
        unsent = before["unsent"]["value"] // 920
        assert len(held) + unsent >= sold
        sold += sell_until(register, lambda: True, 1)  # the till goes on
        assert httpx.get(f"{shop.backoffice.url}/api/v1/healthz").status_code in (200, 503)

        filler.unlink()
        wait_for(register.is_synced, WITHIN, "it goes on by itself once there is room")
        assert receipts(shop) == [f"S1-R1-{n:06d}" for n in range(1, sold + 1)]
        assert shop.every("/exceptions") == []
        assert register.status()["quarantined"] == 0
    finally:
        shop.close()
