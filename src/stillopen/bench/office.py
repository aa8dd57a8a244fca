"""A real Back Office for a measurement: its own process, on SQLite or on PostgreSQL."""

import csv
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from stillopen.bench.cluster import Cluster, cluster, free_port
from stillopen.bench.figures import Stopwatch
from stillopen.domain.errors import DomainError

COMMAND = [sys.executable, "-m", "stillopen"]
ENGINES = ("sqlite", "postgresql")
PIN = "4711"  # of the one employee
_READY_WITHIN = 60.0  # seconds


class Office:
    """A Back Office with one account and the store S1, served on :attr:`url`.

    ``database`` is the SQLite file or the PostgreSQL URL: measurements may look into it.
    """

    def __init__(self, engine: str, folder: Path, postgres: Cluster | None) -> None:
        self.engine, self.folder = engine, folder
        self._postgres = postgres
        self.database = postgres.create_database() if postgres else str(folder / "backoffice.db")
        self.arguments = ["--database-url", self.database] if postgres else ["--dir", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self.account = self.command(
            *("init", "--account", "Bench", "--currency", "EUR", "--timezone", "Europe/Berlin"),
            *("--admin-email", "owner@shop.example", "--admin-password", "a-long-enough-secret-7"),
            *("--tax", "19"),
        )
        self.command(
            *("add-employee", "--name", "Anna", "--last-name", "Berg"),
            *("--pin", PIN, "--role", "Manager"),
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pids(self) -> tuple[int, ...]:
        """The server's processes, and the database's: what its CPU time is the sum of."""
        assert self._process is not None
        return (self._process.pid, *((self._postgres.pid,) if self._postgres else ()))

    @property
    def server_pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stopwatch(self) -> Stopwatch:
        return Stopwatch(*self.pids)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the Back Office's own database, through a connection of its own."""
        with closing(self.connect()) as connection:
            return list(connection.execute(sql).fetchall())

    def connect(self) -> Any:
        """A connection to the database (sqlite3 or psycopg), each statement its own transaction."""
        if self.engine == "postgresql":
            return psycopg.connect(self.database, autocommit=True)
        return sqlite3.connect(self.database, isolation_level=None, timeout=60)

    def command(self, verb: str, *arguments: str) -> str:
        """``stillopen backoffice VERB``: the value in its last line. ``DomainError bench_failed``."""
        return command("backoffice", verb, *self.arguments, *arguments).rpartition(": ")[2]

    def add_register(self, name: str) -> str:
        """A License Key."""
        return self.command("add-register", "--store", "S1", "--name", name)

    def import_products(self, count: int, publish: bool = True) -> None:
        """``count`` products of about 0.4 KB each, SKUs from 100000."""
        file = self.folder / "products.csv"
        with file.open("w", newline="") as out:
            write = csv.writer(out)
            write.writerow(("sku", "name", "price", "barcode", "cost"))
            write.writerows(
                (f"{100_000 + n}", f"Thing number {n} of the long shelf",
                 f"{1 + n % 90}.{n % 100:02d}", f"{4_000_000_000_000 + n}", "0.50")
                for n in range(count)
            )  # fmt: skip
        self.command("import-products", str(file), *(["--publish"] if publish else []))

    def start(self) -> None:
        """Serve, and wait until it answers. ``DomainError bench_failed``."""
        log = (self.folder / "serve.log").open("ab")
        self._process = subprocess.Popen(
            [*COMMAND, "backoffice", "serve", *self.arguments, "--port", str(self._port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        deadline = time.monotonic() + _READY_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "serve.log").read_text(errors="replace")[-500:]
                raise DomainError("bench_failed", f"The Back Office did not start: {said}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/sync/v1/ping", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def command(*arguments: str) -> str:
    """The last line that ``stillopen …`` prints; ``DomainError bench_failed`` with its own words."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip() or "no reason was given"
        raise DomainError("bench_failed", f"stillopen {' '.join(arguments[:2])}: {said}")
    return (done.stdout.strip().splitlines() or [""])[-1]


@contextmanager
def office(engine: str, products: int = 0) -> Iterator[Office]:
    """A served Back Office on ``engine`` (of :data:`ENGINES`) with ``products`` published; gone afterwards."""
    with _place(engine) as made:
        if products:
            made.import_products(products)
        made.start()
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def _place(engine: str) -> Iterator[Office]:
    with tempfile.TemporaryDirectory(prefix="stillopen-bench-") as folder:
        if engine == "sqlite":
            yield Office(engine, Path(folder), None)
            return
        with cluster() as postgres:
            yield Office(engine, Path(folder), postgres)
