"""Many registers at once on one Back Office: their rows in its database, and their open poke streams."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stillopen.bench.office import Office
from stillopen.domain.errors import DomainError
from stillopen.sync.proof import HEADER, POKE, sign

_NONCE = b"of the crowd    "
_AT_ONCE = 100  # connections that are opened side by side


class Sql:
    """Statements with ``?`` on the database of ``office``, each committed at once."""

    def __init__(self, office: Office) -> None:
        self._postgres = office.engine == "postgresql"
        self._db: Any = (
            psycopg.connect(office.database, autocommit=True)
            if self._postgres
            else sqlite3.connect(
                office.database, isolation_level=None, timeout=20, check_same_thread=False
            )
        )

    def execute(self, statement: str, *values: object) -> Any:
        return self._db.execute(
            statement.replace("?", "%s") if self._postgres else statement, values
        )

    def executemany(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        if self._postgres:
            self._db.cursor().executemany(statement.replace("?", "%s"), rows)
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(statement, rows)
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()


def add_registers(office: Office, count: int) -> list[dict[str, str]]:
    """``count`` activated registers of the store S1: for each the headers of its poke stream."""
    sql = Sql(office)
    office.add_register("seed")
    found = sql.execute("SELECT * FROM devices_register WHERE name = ?", "seed")
    columns = [column[0] for column in found.description]
    row = found.fetchone()
    # PostgreSQL gives what is inside of JSON, and takes its text.
    seed = {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in zip(columns, row, strict=True)
    }
    key = Ed25519PrivateKey.generate()
    rows, headers = [], []
    for number in range(count):
        register = uuid4()
        own = {
            "id": register.hex if office.engine == "sqlite" else register,
            "name": f"C{number}",
            "license_digest": uuid4().hex,
            "state": "active",
            "public_key": key.public_key().public_bytes_raw(),
            "nonce": _NONCE,
        }
        rows.append(tuple({**seed, **own}[name] for name in columns))
        signature = sign(key, POKE, _NONCE, b"").hex()
        headers.append({HEADER: f"{register}:{signature}:{_NONCE.hex()}"})
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    sql.executemany(f"INSERT INTO devices_register ({names}) VALUES ({marks})", rows)
    sql.close()
    return headers


class Listener(asyncio.Protocol):
    """One register's stream: when each heartbeat and each poke came (monotonic seconds)."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport | None = None
        self.first = asyncio.get_running_loop().create_future()
        self.beats: list[float] = []
        self.pokes: list[float] = []
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self.beats += [now] * data.count(b"event: hb")
        self.pokes += [now] * data.count(b"event: poke")
        if not self.first.done() and (self.beats or b"HTTP/1.1 200" not in data[:20]):
            self.first.set_result(bool(self.beats))

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        if not self.first.done():
            self.first.set_result(False)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def connect(office: Office, headers: list[dict[str, str]]) -> list[Listener]:
    """Open a stream for each of ``headers``; ``DomainError bench_failed`` when one is refused."""
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(_AT_ONCE)
    host, port = "127.0.0.1", int(office.url.rpartition(":")[2])

    async def one(header: dict[str, str]) -> Listener:
        lines = "".join(f"{name}: {value}\r\n" for name, value in header.items())
        request = f"GET /sync/v1/poke HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode()
        async with room:
            _, listener = await loop.create_connection(lambda: Listener(request), host, port)
            while not listener.first.done():
                await asyncio.wait([listener.first], timeout=30)
            if not listener.first.result():
                raise DomainError("bench_failed", "A poke stream was refused.")
            return listener

    return list(await asyncio.gather(*(one(header) for header in headers)))


class CommitWatch:
    """When a publication was committed, seen from outside: the pulse of the account, asked every 0.5 ms.

    :meth:`mark`, have something published, :meth:`wait`."""

    def __init__(self, office: Office) -> None:
        self._sql = Sql(office)
        self._now = 0

    def mark(self) -> None:
        """Take what is there now as known."""
        self._now = self._pulse()

    def _pulse(self) -> int:
        found = self._sql.execute("SELECT max(count) FROM feed_pulse").fetchone()
        return int(found[0] or 0)

    def wait(self) -> float:
        """Monotonic seconds at which a commit after the mark was seen."""
        while self._pulse() == self._now:
            time.sleep(0.0005)
        return time.monotonic()

    def close(self) -> None:
        self._sql.close()


async def until(what: Callable[[], bool], within: float) -> None:
    """``DomainError bench_failed`` when it does not come about."""
    deadline = time.monotonic() + within
    while not what():
        if time.monotonic() > deadline:
            raise DomainError("bench_failed", f"Not within {within:.0f} s.")
        await asyncio.sleep(0.01)
