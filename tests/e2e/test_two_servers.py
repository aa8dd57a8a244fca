"""Two processes serve one database, and whichever is free answers: registers notice nothing of it, not even
when one of both is killed."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from stillopen.demo.line import Connection, Line, LineThread
from tests.support.process import Server, wait_for
from tests.support.shop import Register, Shop

pytestmark = pytest.mark.story

WITHIN = 30.0  # seconds until everything has arrived
POKED_WITHIN = 3.0  # seconds until a publication is at a register, by a stream of either process
TILLS, SALES = 3, 25


class Spread(Line):
    """A load balancer: each connection goes to the next of ``targets``; one that is refused is reset."""

    def __init__(self, targets: Sequence[tuple[str, int]]) -> None:
        super().__init__(targets[0])
        self._next = cycle(targets)

    async def _carry(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        self.target = next(self._next)
        await super()._carry(connection, reader)


class Twins:
    """A shop with two serving processes behind a balancer."""

    def __init__(self, folder: Path, url: str) -> None:
        self.shop = Shop(folder, url).make()
        first = self.shop.backoffice
        self.second = Server(
            ["backoffice", "serve", *self.shop.place], "/api/v1/healthz", folder / "second.log"
        )
        for server in (first, self.second):
            server.start()
        targets = [("127.0.0.1", server.port) for server in (first, self.second)]
        self.shop._line = LineThread(targets[0], line=Spread(targets))

    def close(self) -> None:
        self.second.close()
        self.shop.close()


@pytest.fixture(params=["sqlite", "postgres"])
def twins(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Twins]:
    url = request.getfixturevalue("postgres_module_url") if request.param == "postgres" else ""
    twins = Twins(tmp_path, url)
    yield twins
    twins.close()


class Cashier(threading.Thread):
    def __init__(self, register: Register) -> None:
        super().__init__(daemon=True)
        self.register = register
        self.sold: list[dict[str, Any]] = []

    def run(self) -> None:
        for _ in range(SALES):
            self.sold.append(self.register.sell({"100": "1", "102": "2"}))


def test_all_arrives_once_and_news_reach_every_register(twins: Twins) -> None:
    shop = twins.shop
    tills = [shop.open_register(f"R{n}") for n in range(1, TILLS + 1)]
    cashiers = [Cashier(till) for till in tills]
    for cashier in cashiers:
        cashier.start()
    wait_for(lambda: all(len(c.sold) > SALES // 3 for c in cashiers), WITHIN, "they sell")
    twins.second.kill()
    wait_for(lambda: all(len(c.sold) > SALES // 2 for c in cashiers), WITHIN, "they sell on")
    twins.second.start()
    for cashier in cashiers:
        cashier.join()
    for till in tills:
        wait_for(till.is_synced, WITHIN, f"{till.name} is green: {till.status()}")

    price = 301
    for place in (0, 1, 2, 3):  # through one process, then through the other
        server = (shop.backoffice, twins.second)[place % 2]
        change_price(shop, server, price + place)
        for till in tills:
            wait_for(lambda t=till, p=price + place: shown(t) == p, POKED_WITHIN, "it is poked")

    sold = [answer for cashier in cashiers for answer in cashier.sold]
    rows = shop.every("/receipts")
    assert Counter(row["receipt"] for row in rows) == Counter(a["receipt"] for a in sold)
    assert {row["id"]: row["total"] for row in rows} == {a["id"]: a["total"] for a in sold}
    stock = {row["sku"]: row["quantity"] for row in shop.every("/stock")}
    assert (float(stock["100"]), float(stock["102"])) == (-TILLS * SALES, -2 * TILLS * SALES)
    assert shop.every("/exceptions") == []
    assert {row["not_received"] for row in shop.every("/registers")} == {0}


def change_price(shop: Shop, server: Server, price: int) -> None:
    """As a person does who works at ``server``."""
    own, shop.backoffice = shop.backoffice, server
    try:
        coffee = next(row for row in shop.every("/products") if row["sku"] == "100")
        assert shop.patch(f"/products/{coffee['id']}", {"price": price}).status_code == 200
        assert shop.post("/publish").status_code in (200, 201)
    finally:
        shop.backoffice = own


def shown(till: Register) -> int:
    found = till.get("/products", q="100").json()["results"]
    return int(next(row["price"] for row in found if row["sku"] == "100"))
