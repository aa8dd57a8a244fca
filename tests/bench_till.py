"""Add-to-cart beside an empty handler of the same server, in one run: ``python -m tests.bench_till``.

The limit is five times the empty handler. Both are asked alternately over one kept connection, so
that whatever else the machine does weighs on both. What the disk takes for one flush, which only
add-to-cart waits for, is measured beside them: on a busy disk it is most of the time.
"""

import http.client
import json
import multiprocessing
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stillopen.listening import listen
from stillopen.register.app import build_app
from stillopen.register.clock import SystemClock
from stillopen.register.till import Till
from tests.register.shop import Setting, activate, product, publish, signed_in

LIMIT = 5.0
ROUNDS = 1500
GOODS = 10_000
LINES = 10  # the cart is discarded when it has this many


def make(folder: Path) -> Till:
    """A till with as many products as a large grocery has."""
    till = Till.open(folder, SystemClock())
    activate(till)
    goods = {
        f"p{n}": product(f"s{n}", f"Thing number {n}", 100 + n, [f"{4_000_000_000_000 + n}"])
        for n in range(GOODS)
    }
    publish(till, Setting(products=goods))
    return till


async def empty(_: Request) -> Response:
    return Response(b"{}", media_type="application/json")


def serve(listener: socket.socket, folder: Path, ready: Connection) -> None:
    """The application with an empty handler beside it, in a process of its own."""
    till = make(folder)
    app = build_app(till, None)
    app.router.routes.insert(0, Route("/empty", empty, methods=["POST"]))
    config = uvicorn.Config(app, http="httptools", ws="none", log_level="warning", access_log=False)
    ready.send(signed_in(till).token)
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, str]]:
    """(port, token of a session)"""
    listener = listen("127.0.0.1", 0)
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(listener, folder, there))
    server.start()
    yield listener.getsockname()[1], here.recv()
    server.terminate()
    server.join()


class Client:
    """One kept connection of a signed-in screen."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = {
            "Cookie": f"till_session_{port}={token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def post(self, path: str, body: object) -> bytes:
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return content

    def scan(self, number: int) -> None:
        code = str(4_000_000_000_000 + number * 37 % GOODS)
        done = self.post(
            "/ui/scan", {"commands": [{"id": f"b{number}", "do": "scan", "code": code}]}
        )
        assert b'"ok":true' in done.replace(b" ", b"")

    def discard(self, number: int) -> None:
        self.post("/ui/scan", {"commands": [{"id": f"d{number}", "do": "discard"}]})


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


class Flusher:
    """A commit of one small row, as safe as the journal's."""

    def __init__(self, folder: Path) -> None:
        self._file = sqlite3.connect(folder / "flush.db", isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT)")

    def flush(self) -> None:
        self._file.execute("INSERT OR REPLACE INTO t VALUES (1, random())")


def measure(client: Client, flusher: Flusher) -> tuple[list[float], list[float], list[float]]:
    nothing, flushes, scans = [], [], []
    for number in range(ROUNDS):
        if number % LINES == 0:
            client.discard(number)
        nothing.append(timed(lambda: client.post("/empty", {"commands": []})))
        flushes.append(timed(flusher.flush))
        scans.append(timed(lambda n=number: client.scan(n)))  # type: ignore[misc]
    return nothing[100:], flushes[100:], scans[100:]


def line(name: str, values: list[float]) -> str:
    p95 = statistics.quantiles(values, n=20)[18]
    return f"{name:<20}p50 {statistics.median(values):.3f} ms   p95 {p95:.3f} ms"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "till") as (port, token):
        flusher = Flusher(Path(folder))
        nothing, flushes, scans = measure(Client(port, token), flusher)
    base, scan = statistics.median(nothing), statistics.median(scans)
    print(line("empty handler", nothing))
    print(line("flush of the disk", flushes))
    print(line("add to cart", scans))
    print(f"add to cart is {scan / base:.1f} times the empty handler; the limit is {LIMIT:.0f}")
    return int(scan > LIMIT * base)


if __name__ == "__main__":
    sys.exit(main())
