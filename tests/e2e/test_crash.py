"""Nothing that was answered is lost or doubled, whoever is killed whenever.

Real processes: clients sell through the local API, each trying the same sale again until it is
answered, while register and Back Office get SIGKILL at random moments.
"""

import json
import random
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.process import run, wait_for
from tests.support.shop import GOODS, PIN, Register, Shop, sale

CLIENTS = 4
QUIET_WITHIN = 120.0  # seconds until everything has arrived after the last kill
_PRICES = {sku: int(price.replace(".", "")) for sku, _, price, _ in GOODS}


class Client(threading.Thread):
    """Sells until told to stop; a sale that it began is tried until it is answered."""

    def __init__(self, register: Register, employee: str, seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.answered: dict[str, dict[str, Any]] = {}  # id → answer
        self.expected: dict[str, int] = {}  # id → total, by our own sum
        self.retries = 0
        self.failure = ""
        self._url = f"{register.server.url}/api/v1"
        self._employee = employee
        self._random = random.Random(seed)
        self._stop_selling = stop
        self._token = "none-yet"

    def run(self) -> None:
        with httpx.Client(timeout=10) as http:
            while not self._stop_selling.is_set() and not self.failure:
                self._sell(http)

    def _sell(self, http: httpx.Client) -> None:
        chosen = self._random.sample(sorted(_PRICES), self._random.randint(1, 3))
        lines = {sku: str(self._random.randint(1, 4)) for sku in chosen}
        body = sale(lines, id=str(uuid.UUID(int=self._random.getrandbits(128), version=4)))
        self.expected[body["id"]] = sum(_PRICES[sku] * int(n) for sku, n in lines.items())
        while not self._try(http, body) and not self.failure:
            self.retries += 1
            time.sleep(0.05)

    def _try(self, http: httpx.Client, body: dict[str, Any]) -> bool:
        try:
            headers = {"Authorization": f"Bearer {self._token}"}
            answer = http.post(f"{self._url}/sales", json=body, headers=headers)
            if answer.status_code == 401:
                self._sign_in(http)
                return False
        except httpx.TransportError as error:
            if isinstance(error, httpx.LocalProtocolError):
                self.failure = str(error)
            return False  # nobody there, or gone in the middle of the answer
        if answer.status_code in (200, 201):
            self.answered[body["id"]] = answer.json()
            return True
        if answer.status_code < 500:
            self.failure = f"{answer.status_code} {answer.text}"
        return False

    def _sign_in(self, http: httpx.Client) -> None:
        who = {"employee": self._employee, "pin": PIN}
        answer = http.post(f"{self._url}/session", json=who)
        if answer.status_code == 200:
            self._token = answer.json()["token"]
        elif answer.status_code < 500:
            self.failure = f"sign-in: {answer.status_code} {answer.text}"


def kill_at_random(shop: Shop, register: Register, kills: int, chance: random.Random) -> None:
    """One of the two dies, comes back, and has between nothing and two seconds until the next."""
    for _ in range(kills):
        victim = chance.choice([register.server, shop.backoffice])
        victim.kill()
        time.sleep(chance.uniform(0, 0.3))
        victim.spawn()
        time.sleep(chance.uniform(0, 2.0))


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    shop = Shop(tmp_path, url).make()
    yield shop
    shop.close()


def crash(shop: Shop, kills: int) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    shop.backoffice.start()
    register = shop.open_register()
    stop = threading.Event()
    code = shop.employees["Sales"]
    clients = [Client(register, code, seed + number, stop) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    kill_at_random(shop, register, kills, random.Random(seed))
    stop.set()
    for server in (shop.backoffice, register.server):
        wait_for(server.answers, 40, "back after the last kill")
    for client in clients:
        client.join(60)
    assert [client.failure for client in clients] == [""] * CLIENTS
    assert not any(client.is_alive() for client in clients)
    wait_for(register.is_synced, QUIET_WITHIN, "everything is sent")
    check(shop, register, clients)


def check(shop: Shop, register: Register, clients: list[Client]) -> None:
    answered = {id: answer for client in clients for id, answer in client.answered.items()}
    expected = {id: total for client in clients for id, total in client.expected.items()}
    print(f"{len(answered)} sales, {sum(client.retries for client in clients)} tries again")
    assert len(answered) > 20  # else the test has not shown anything
    assert {id: answer["total"] for id, answer in answered.items()} == expected

    receipts = sorted(answer["receipt"] for answer in answered.values())
    assert receipts == [f"S1-R1-{n:06d}" for n in range(1, len(answered) + 1)]

    rows = shop.every("/receipts")
    assert sorted(row["receipt"] for row in rows) == receipts
    totals = {answer["receipt"]: answer["total"] for answer in answered.values()}
    assert {row["receipt"]: row["total"] for row in rows} == totals
    assert shop.every("/exceptions") == []

    verified = run("journal", "verify", str(register.folder))
    assert (verified.returncode, verified.stderr) == (0, "")
    exported = run("journal", "export", str(register.folder)).stdout.splitlines()
    entries = [json.loads(line)["body"] for line in exported]
    assert sorted(e["id"] for e in entries if e["kind"] == "sale") == sorted(answered)


@pytest.mark.story
def test_twenty_kills(shop: Shop) -> None:
    crash(shop, 20)


@pytest.mark.soak
def test_many_kills(shop: Shop, pytestconfig: pytest.Config) -> None:
    crash(shop, pytestconfig.getoption("--kills"))
