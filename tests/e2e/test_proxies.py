"""A register behind proxies that hold streams back or close them: green, and told of news, all the same."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from stillopen.domain.pricing import price_at
from stillopen.register.clock import SystemClock
from stillopen.register.linkview import LineState
from stillopen.register.syncer.service import Syncer
from stillopen.register.till import Till
from tests.support.proxies import HttpProxy, http_proxy
from tests.support.shop import Shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:  # type: ignore[misc]
    made = Shop(tmp_path_factory.mktemp("shop")).make()
    made.backoffice.start()
    yield made
    made.close()


class Behind:
    """A running till whose only way to the Back Office is ``proxy``; every change of its line is noted."""

    def __init__(self, till: Till, proxy: HttpProxy) -> None:
        self.till, self.proxy = till, proxy
        self.states: list[LineState] = []
        till.subscribe(lambda topic: self.states.append(till.link.state))

    async def until(self, what: Callable[[], bool], seconds: float) -> float:
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < seconds, f"not within {seconds} s: {self.till.link}"
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    @property
    def polled(self) -> int:
        return sum("poke?wait=" in line for line in self.proxy.seen)

    @property
    def flickers(self) -> int:
        """How often it turned from green, be it that the machine was busy; it never was red."""
        assert LineState.OFFLINE not in self.states
        pairs = zip(self.states, self.states[1:], strict=False)
        return sum(a is LineState.CONNECTED and b is not a for a, b in pairs)

    def price(self) -> int | None:
        found = self.till.catalogue.by_sku("100")
        return found and price_at(found.record.prices, self.till.local_now())


@asynccontextmanager
async def behind(shop: Shop, name: str, **kind: object) -> AsyncIterator[Behind]:
    register = await asyncio.to_thread(shop.add_register, name)
    async with http_proxy(("127.0.0.1", shop.backoffice.port), **kind) as (proxy, port):  # type: ignore[arg-type]
        till = Till.open(register.folder, SystemClock())
        identity = till.require_identity()
        till.journal.identity.save(
            msgspec.structs.replace(identity, backoffice=f"http://127.0.0.1:{port}")
        )
        syncer = Syncer(till)
        running = asyncio.create_task(syncer.run())
        try:
            yield Behind(till, proxy)
        finally:
            syncer.stop()
            await running
            till.close()


async def change_price(shop: Shop, price: int) -> None:
    def change() -> None:
        product = shop.get("/products", sku="100").json()["results"][0]
        assert shop.patch(f"/products/{product['id']}", {"price": price}).status_code == 200
        assert shop.post("/publish").status_code == 200

    await asyncio.to_thread(change)


async def behind_a_buffering_proxy(shop: Shop) -> None:
    async with behind(shop, "R1", buffering=True) as b:
        await b.until(lambda: b.till.link.state is LineState.CONNECTED, 5)
        await b.until(lambda: b.polled > 0, 6)
        b.states.clear()
        await asyncio.sleep(4)
        assert b.flickers <= 1
        await change_price(shop, 231)
        assert await b.until(lambda: b.price() == 231, 2) < 2
        streams = sum(line.startswith("GET /sync/v1/poke ") for line in b.proxy.seen)
        assert streams == 1, "what was found out is forgotten"


async def behind_a_proxy_that_closes_streams(shop: Shop) -> None:
    async with behind(shop, "R2", close_after=1.5) as b:
        await b.until(lambda: b.till.link.state is LineState.CONNECTED, 5)
        await b.until(lambda: b.polled > 0, 12)
        b.states.clear()
        await asyncio.sleep(3)
        assert b.flickers <= 1
        await b.until(lambda: b.price() == 231, 5)  # the other one's
        await change_price(shop, 232)
        assert await b.until(lambda: b.price() == 232, 2) < 2


@pytest.mark.serial
def test_behind_proxies_it_is_green_and_hears_of_news_by_polls(shop: Shop) -> None:
    """Both at once, for it takes its time."""

    async def stories() -> None:
        await asyncio.gather(
            behind_a_buffering_proxy(shop), behind_a_proxy_that_closes_streams(shop)
        )

    asyncio.run(asyncio.wait_for(stories(), 60))
