"""The syncer on a real till, over real HTTP and a line that is really cut, to a server in memory.

The Back Office itself is not here (tests/e2e has it): what is tried is what the register makes of silence,
refusals, errors, nonsense and floods.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from stillopen.demo.line import Line
from stillopen.domain.errors import DomainError
from stillopen.register.clock import SystemClock
from stillopen.register.syncer import listener, service, wire
from stillopen.register.syncer.service import Syncer
from stillopen.register.till import Till
from stillopen.register.usecases.open_drawer import open_drawer
from stillopen.register.usecases.sign_in import sign_in
from stillopen.register.usecases.status import status
from stillopen.sync import records
from stillopen.sync.link import LineState
from tests.register.shop import REGISTER, SCOPES, Setting, activate, catalogue_records, signed_in
from tests.sync.wire import Server


class Cloud:
    """The server in memory behind HTTP. ``mood`` replaces its answers to exchanges."""

    def __init__(self) -> None:
        self.server = Server(page_rows=1000, scopes=SCOPES)
        self.mood: Callable[[], Response] | None = None
        self.exchanges = 0
        self.pokes: set[asyncio.Queue[str]] = set()
        self.heartbeat = 0.5
        for scope in SCOPES:
            self.publish([x for x in catalogue_records(Setting()) if x[0] == scope])

    def publish(self, changed: list[tuple[str, str, records.Record]]) -> None:
        """(scope, id, record) of one scope."""
        head = self.server.heads.get(changed[0][0])
        self.server.publish(changed[0][0], {x[1]: records.encode(x[2]) for x in changed})
        begin = head.seq if head else 0
        for key, row in self.server.rows.items():
            if key[0] == changed[0][0] and row.seq > begin:
                kind = records.kind_of(records.decode(row.payload))
                self.server.rows[key] = msgspec.structs.replace(row, kind=kind)
        for queue in self.pokes:
            queue.put_nowait("poke")

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/sync/v1/ping", self.ping),
                Route("/sync/v1/exchange", self.exchange, methods=["POST"]),
                Route("/sync/v1/poke", self.poke),
            ]
        )

    async def ping(self, request: Request) -> Response:
        return PlainTextResponse("ok")

    async def exchange(self, request: Request) -> Response:
        self.exchanges += 1
        body = await request.body()
        return self.mood() if self.mood else Response(self.server.answer(body))

    async def poke(self, request: Request) -> Response:
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self.pokes.add(queue)
        try:
            while True:
                yield "event: hb\ndata:\n\n"
                try:
                    event = await asyncio.wait_for(queue.get(), self.heartbeat)
                    yield f"event: {event}\ndata:\n\n"
                except TimeoutError:
                    pass
        finally:
            self.pokes.discard(queue)


class Bench:
    """A till, its syncer, the line and the cloud, all running."""

    def __init__(self, till: Till, syncer: Syncer, line: Line, cloud: Cloud) -> None:
        self.till, self.syncer, self.line, self.cloud = till, syncer, line, cloud

    @property
    def state(self) -> LineState:
        return self.till.link.state

    async def until(self, what: Callable[[], Any], seconds: float) -> float:
        """Wait until ``what()`` is true; how long it took. Fails after ``seconds``."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < seconds, f"not within {seconds} s: {self.till.link}"
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def synced(self, seconds: float = 5) -> float:
        return await self.until(
            lambda: (
                self.state is LineState.CONNECTED
                and self.till.journal.sending.unsent().count == 0
                and not self.till.link.feed_behind
            ),
            seconds,
        )

    def act(self, times: int = 1) -> None:
        """Facts for the journal."""
        present = self.till.sessions.all()
        session = present[0] if present else signed_in(self.till)
        for _ in range(times):
            open_drawer(self.till, session, "change")


@asynccontextmanager
async def bench(folder: Path, kind: type[Line] = Line) -> AsyncIterator[Bench]:
    cloud = Cloud()
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(cloud.app(), log_level="error", timeout_graceful_shutdown=1)
    web = uvicorn.Server(config)
    serving = asyncio.create_task(web.serve(sockets=[listening]))
    line = kind(("127.0.0.1", listening.getsockname()[1]))
    await line.start()
    till = Till.open(folder / "till", SystemClock())
    activate(till)
    identity = till.require_identity()
    url = f"http://127.0.0.1:{line.port}"
    till.journal.identity.save(msgspec.structs.replace(identity, backoffice=url))
    cloud.server.branch = till.journal.head().epoch
    syncer = Syncer(till)
    running = asyncio.create_task(syncer.run())
    made = Bench(till, syncer, line, cloud)
    try:
        yield made
    finally:
        syncer.stop()
        await running
        till.close()
        await line.close()
        web.should_exit = True
        await serving


def story(test: Callable[[Bench], Awaitable[None]]) -> Callable[[Path], None]:
    """Run an async test on a fresh bench."""

    async def play(folder: Path) -> None:
        async with bench(folder) as made:
            await made.synced()
            await test(made)

    def run(tmp_path: Path) -> None:
        asyncio.run(_quick(play(tmp_path)))

    run.__doc__ = test.__doc__
    run.__name__ = test.__name__  # type: ignore[attr-defined]
    return run


async def _quick(work: Coroutine[Any, Any, None]) -> None:
    await asyncio.wait_for(work, 60)


@story
async def test_a_fact_is_sent_at_once_and_nothing_is_said_twice(b: Bench) -> None:
    b.act()
    await b.synced(1)
    assert len(b.cloud.server.entries) == b.till.journal.head().seq
    quiet = b.cloud.exchanges
    await asyncio.sleep(1.0)
    assert b.cloud.exchanges == quiet, "exchanges go on with nothing to say"


@story
async def test_a_cut_line_is_red_within_five_seconds_and_back_within_two(b: Bench) -> None:
    b.cloud.heartbeat = 2.0
    await asyncio.sleep(2.5)
    b.line.cut()
    b.act(3)
    assert await b.until(lambda: b.state is LineState.OFFLINE, 5) > 1
    assert b.till.link.cause == "timeout"
    b.act(2)
    await b.line.mend()
    assert await b.synced(2) < 2
    assert [e.seq for e in b.cloud.server.entries] == list(range(1, b.till.journal.head().seq + 1))


@story
async def test_the_limits_of_the_indicator_are_the_registers_settings(b: Bench) -> None:
    """In force as they arrive; a stream that is silent, and what is under way, are borne as long."""
    dead, crawl = listener._DEAD, service._CRAWL
    listener._DEAD, service._CRAWL = 1.0, 3.0
    try:
        await b.until(lambda: b.cloud.pokes, 3)
        patient = records.RegisterSettings(name="R1", yellow_after=5.0, red_after=6.5)
        b.cloud.publish([(SCOPES[2], REGISTER, patient)])
        await b.until(lambda: b.till.catalogue.register_settings() == patient, 3)
        await asyncio.sleep(2 * b.cloud.heartbeat)
        await b.synced()
        b.line.cut()
        b.act()
        assert await b.until(lambda: b.state is not LineState.CONNECTED, 6) > 4
        assert b.state is LineState.RECONNECTING
        assert await b.until(lambda: b.state is LineState.OFFLINE, 3) > 1
    finally:
        listener._DEAD, service._CRAWL = dead, crawl
    await b.line.mend()
    await b.synced(3)


@story
async def test_a_refused_connection_is_yellow_at_once_then_red(b: Bench) -> None:
    await b.line.refuse()
    await b.until(lambda: b.state is LineState.RECONNECTING, 1)
    b.act()
    await b.until(lambda: b.state is LineState.OFFLINE, 5)
    assert b.till.link.cause == "unreachable"
    with pytest.raises(DomainError, match="cannot be reached"):
        await b.syncer.sync_now()
    await b.line.mend()
    await b.synced(2)


@story
async def test_a_publication_arrives_within_a_second_by_a_poke(b: Bench) -> None:
    await b.until(lambda: b.cloud.pokes, 3)
    product = Setting().products["p-coffee"]
    cheaper = msgspec.structs.replace(product, name="Flat white, large")
    b.cloud.publish([(SCOPES[0], "p-coffee", cheaper)])

    def arrived() -> bool:
        item = b.till.catalogue.product("p-coffee")
        return item is not None and item.record.name == "Flat white, large"

    await b.until(arrived, 1)


@story
async def test_an_unblock_lifts_the_block_when_it_arrives_not_when_somebody_looks(b: Bench) -> None:
    """The status and the Back Office hear of it without a person at the till."""
    for _ in range(5):
        with pytest.raises(DomainError):
            await asyncio.to_thread(sign_in, b.till, "1", "0000")
    assert status(b.till).blocked
    await b.until(lambda: b.cloud.pokes, 3)
    await b.synced(2)
    b.cloud.publish([(SCOPES[2], REGISTER, records.RegisterSettings(name="R1", unblock="now"))])
    await b.until(lambda: not status(b.till).blocked, 2)
    await b.synced(2)
    kinds = [row.kind for row in b.till.journal.entries.after(0, 100)]
    assert kinds == ["pin_blocked", "pin_unblocked"]
    assert len(b.cloud.server.entries) == 2


@story
async def test_errors_are_unstable_and_keep_everything(b: Bench) -> None:
    b.cloud.mood = lambda: JSONResponse({"code": "try_again"}, 503, {"Retry-After": "1"})
    b.act()
    await b.until(lambda: b.state is LineState.UNSTABLE, 3)
    assert b.till.link.cause == "server_error"
    before = b.cloud.exchanges
    await asyncio.sleep(2)
    assert b.cloud.exchanges - before <= 3, "a server that asks for patience is hammered"
    b.cloud.mood = None
    await b.synced(3)


@story
async def test_nonsense_harms_nothing(b: Bench) -> None:
    b.cloud.mood = lambda: PlainTextResponse("<html>Welcome to the hotel's network</html>")
    b.act()
    await b.until(lambda: b.till.link.cause == "nonsense", 3)
    b.cloud.mood = None
    await b.synced(3)
    assert len(b.cloud.server.entries) == b.till.journal.head().seq


@story
async def test_an_answer_without_end_does_not_fill_the_memory(b: Bench) -> None:
    sent = 0
    end, before = 64 * 1024 * 1024, wire._MAX_ANSWER

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < end:
            yield bytes(64 * 1024)
            sent += 64 * 1024
            await asyncio.sleep(0.001)

    wire._MAX_ANSWER = 1024 * 1024
    try:
        b.cloud.mood = lambda: StreamingResponse(flood())
        b.act()
        await b.until(lambda: b.till.link.cause == "nonsense", 10)
        assert sent < end / 2, "it was read to the end"
    finally:
        wire._MAX_ANSWER = before
    b.cloud.mood = None
    await b.synced(5)


@story
async def test_an_answer_that_drips_is_no_sign_of_life(b: Bench) -> None:
    """The line is there and everything else is answered: it is unstable, and a person's Sync comes back."""

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.05)

    before, service._CRAWL = service._CRAWL, 1.5
    try:
        b.cloud.mood = lambda: StreamingResponse(drip())
        b.act()
        await b.until(lambda: b.state is LineState.UNSTABLE, 6)
        with pytest.raises(DomainError, match="kept here"):
            await asyncio.wait_for(b.syncer.sync_now(), 15)
        assert b.state is not LineState.CONNECTED
    finally:
        service._CRAWL = before
    b.cloud.mood = None
    await b.synced(10)


@story
async def test_sync_now_tells_what_went_and_what_came(b: Bench) -> None:
    b.line.cut()
    b.act(4)
    await b.until(lambda: b.state is LineState.OFFLINE, 6)
    with pytest.raises(DomainError) as caught:
        await b.syncer.sync_now()
    assert caught.value.code == "offline"
    await b.line.mend()
    await b.synced(3)
    await b.until(lambda: b.till.journal.sending.history()[0].ok, 2)  # the round is over
    assert (await b.syncer.sync_now()).sent == 0
    assert any(run.sent >= 4 for run in b.till.journal.sending.history())


@story
async def test_a_sync_is_answered_while_sales_keep_coming(b: Bench) -> None:
    """It waits for what there was when it was asked for, not for a quiet moment."""

    async def sell_on() -> None:
        while True:
            b.act()
            await asyncio.sleep(0.002)

    selling = asyncio.create_task(sell_on())
    try:
        result = await asyncio.wait_for(b.till.sync_now(), 10)
    finally:
        selling.cancel()
    assert result.received > 0
    await b.synced(10)


@story
async def test_clearing_the_cache_fetches_everything_and_never_shows_less(b: Bench) -> None:
    before = b.till.catalogue.count("product")
    result = await b.syncer.sync_now(snapshot=True)
    assert result.received >= before
    assert b.till.catalogue.count("product") == before
    await b.synced(2)


@story
async def test_a_revoked_register_hands_in_its_facts_and_stops(b: Bench) -> None:
    b.cloud.server.state = "revoked"
    b.act()
    await b.until(lambda: b.state is LineState.REVOKED, 3)
    await b.until(lambda: b.till.journal.sending.unsent().count == 0, 3)
    assert b.till.journal.sending.state().stopped == "revoked"


@story
async def test_a_long_queue_goes_up_in_order_while_selling_goes_on(b: Bench) -> None:
    b.line.cut()
    b.act(600)
    await b.until(lambda: b.state is LineState.OFFLINE, 6)
    await b.line.mend()
    b.act(20)
    await b.synced(10)
    b.act(5)
    await b.synced(2)
    assert len(b.cloud.server.entries) == b.till.journal.head().seq


@story
async def test_activated_again_it_goes_on_without_a_restart(b: Bench) -> None:
    b.cloud.server.state = "revoked"
    b.act()
    await b.until(lambda: b.state is LineState.REVOKED, 3)
    b.cloud.server.state = "active"
    b.till.journal.sending.update(stopped="")
    again = msgspec.structs.replace(b.till.require_identity(), activated_at=b.till.clock.now())
    b.till.journal.identity.save(again)
    b.till.notify("session")
    await b.synced(3)


@story
async def test_offline_dates_from_the_last_answer_also_after_a_power_cut(b: Bench) -> None:
    await b.line.refuse()
    heard = b.till.journal.sending.state().last_exchange_at
    b.syncer.stop()
    await asyncio.sleep(0.2)
    again = Syncer(b.till)
    running = asyncio.create_task(again.run())
    await b.until(lambda: b.state is LineState.OFFLINE and b.till.link.since == heard, 8)
    again.stop()
    await running


@pytest.mark.parametrize("turns", range(8))
def test_it_ends_also_when_it_is_woken_in_the_same_moment(tmp_path: Path, turns: int) -> None:
    """Stopped so many turns of the event loop after the news that it waits for."""
    till = Till.open(tmp_path, SystemClock())

    async def story() -> None:
        syncer = Syncer(till)
        running = asyncio.create_task(syncer.run())
        await asyncio.sleep(0.01)
        till.notify("journal")
        for _ in range(turns):
            await asyncio.sleep(0)
        syncer.stop()
        done, _ = await asyncio.wait([running], timeout=5)
        assert done == {running}
        running.result()

    asyncio.run(story())
    till.close()
