"""From the commit of a publication to the registers: one that applies it, and thousands that hear of it."""

import asyncio
import resource
import threading
import time
from pathlib import Path

import httpx

from stillopen.bench.crowd import CommitWatch, add_registers, connect, until
from stillopen.bench.figures import Figure, figure, median, quantile
from stillopen.bench.office import ENGINES, Office, office
from stillopen.register.clock import SystemClock
from stillopen.register.linkview import LineState
from stillopen.register.syncer.service import Syncer
from stillopen.register.till import Till
from stillopen.register.usecases.activate import activate

_CHANGED = 100  # products of one publication
_IDLE = 10.0  # seconds that are watched


def run(scale: float) -> list[Figure]:
    """Both parts, on both databases."""
    return [f for engine in ENGINES for f in (*latency(engine, scale), *crowd(engine, scale))]


class Publisher:
    """Changes and publishes through the REST API of a served Back Office."""

    def __init__(self, at: Office) -> None:
        token = at.command("token", "--name", "bench")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=f"{at.url}/api/v1", headers=headers, trust_env=False)
        self._ids: list[str] = []
        self._price = 100

    def change(self, count: int) -> None:
        """New prices for ``count`` products, as drafts."""
        if len(self._ids) < count:
            self._ids = self._find(count)
        self._price += 1
        for product in self._ids[:count]:
            self._http.patch(f"/products/{product}", json={"price": self._price}).raise_for_status()

    def _find(self, count: int) -> list[str]:
        rows: list[str] = []
        cursor: str | None = ""
        while len(rows) < count and cursor is not None:
            page = self._http.get("/products", params={"cursor": cursor} if cursor else {}).json()
            rows += [row["id"] for row in page["results"]]
            cursor = page["next"]
        return rows

    def publish(self) -> None:
        self._http.post("/publish", timeout=60).raise_for_status()

    def close(self) -> None:
        self._http.close()


class Connected:
    """A real till with its syncer on an event loop of its own, in step and connected."""

    def __init__(self, at: Office, folder: Path) -> None:
        key = at.add_register("R1")
        self.till = Till.open(folder, SystemClock())
        asyncio.run(activate(self.till, at.url, at.account, key))
        self.syncer = Syncer(self.till)
        self.applied = threading.Event()
        self.at = 0.0
        self.till.subscribe(self._hear)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        while self.till.link.feed_behind or self.till.link.state is not LineState.CONNECTED:
            time.sleep(0.05)
        time.sleep(1.0)  # until its stream is open

    def _run(self) -> None:
        self._loop.run_until_complete(self.syncer.run())
        self._loop.close()

    def _hear(self, topic: str) -> None:
        if topic == "catalogue":
            self.at = time.monotonic()
            self.applied.set()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self.syncer.stop)
        self._thread.join()
        self.till.close()


def latency(engine: str, scale: float) -> list[Figure]:
    """100 of 50 000 products published → applied at a connected register, from the commit."""
    rounds, products = max(5, int(40 * scale)), max(200, int(50_000 * scale))
    with office(engine, products) as at:
        publisher, watch = Publisher(at), CommitWatch(at)
        till = Connected(at, at.folder / "till-R1")
        took = [_publication(publisher, watch, till) for _ in range(rounds)]
        till.close()
        publisher.close()
        watch.close()
    name = f"{_CHANGED} of {products} products published → applied, {engine}"
    return [
        figure(f"{name}, p50", median(took) * 1000, "ms", at_most=30),
        figure(f"{name}, p99", quantile(took, 0.99) * 1000, "ms", at_most=100),
    ]


def _publication(publisher: Publisher, watch: CommitWatch, till: Connected) -> float:
    publisher.change(_CHANGED)
    till.applied.clear()
    watch.mark()
    sending = threading.Thread(target=publisher.publish)
    sending.start()
    committed = watch.wait()
    till.applied.wait(10)
    took = till.at - committed
    sending.join()
    time.sleep(0.2)
    return took


def crowd(engine: str, scale: float) -> list[Figure]:
    """1 000 and 5 000 registers connected: a poke to all, memory for each, and the idle server."""
    small, large = max(10, int(1000 * scale)), max(20, int(5000 * scale))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, large + 500)), hard))
    with office(engine, 50) as at:
        headers = add_registers(at, large)
        return asyncio.run(_crowd(at, headers, small, engine))


async def _crowd(
    at: Office, headers: list[dict[str, str]], small: int, engine: str
) -> list[Figure]:
    publisher, watch = Publisher(at), CommitWatch(at)
    warm = await connect(at, headers[:10])
    await _poke_all(publisher, watch, warm)
    before = _resident(at.server_pid)
    listeners = warm + await connect(at, headers[10:small])
    first = await _poke_all(publisher, watch, listeners)
    listeners += await connect(at, headers[small:])
    await asyncio.sleep(2.5)
    each = (_resident(at.server_pid) - before) / (len(listeners) - len(warm)) / 1024
    watched = at.stopwatch()
    began = time.monotonic()
    await asyncio.sleep(_IDLE)
    idle = watched.cpu / watched.seconds
    peak = _peak([b for x in listeners for b in x.beats if b >= began], began)
    last = await _poke_all(publisher, watch, listeners)
    for listener in listeners:
        listener.close()
    publisher.close()
    watch.close()
    large = len(listeners)
    return [
        figure(f"poke to {small} registers, the last, {engine}", first, "ms", at_most=335),
        figure(f"poke to {large} registers, the last, {engine}", last, "ms"),
        figure(f"memory of the server for each of {large}, {engine}", each, "KiB", at_most=30),
        figure(f"CPU of the server with {large} idle, {engine}", idle * 100, "% of a core"),
        figure(f"heartbeats in the busiest 100 ms, {large} idle, {engine}", peak, "×",
               note="of an even spread"),
    ]  # fmt: skip


async def _poke_all(publisher: Publisher, watch: CommitWatch, listeners: list) -> float:
    """Milliseconds from the commit until the last of ``listeners`` was poked."""
    for listener in listeners:
        listener.pokes.clear()
    await asyncio.to_thread(publisher.change, 1)
    watch.mark()
    sending = asyncio.create_task(asyncio.to_thread(publisher.publish))
    committed = await asyncio.to_thread(watch.wait)
    await until(lambda: all(listener.pokes for listener in listeners), 30)
    await sending
    await asyncio.sleep(0.5)
    return (max(listener.pokes[0] for listener in listeners) - committed) * 1000


def _resident(pid: int) -> float:
    """Bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(x for x in status.splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) * 1024.0


def _peak(beats: list[float], began: float) -> float:
    """The fullest tenth of a second, as a multiple of the mean one."""
    bins: dict[int, int] = {}
    for at in beats:
        bins[int((at - began) * 10)] = bins.get(int((at - began) * 10), 0) + 1
    return max(bins.values()) / (len(beats) / (_IDLE * 10)) if beats else 0.0
