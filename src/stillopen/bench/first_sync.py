"""A register's first sync of a large catalogue, until it is durable and can be searched.

The limit is the download of the same bytes and one sorted import of the same rows into SQLite, search index
and all, with nothing decoded and nothing checked.
"""

import asyncio
import os
import sqlite3
import time
from pathlib import Path

import msgspec

from stillopen.bench.figures import Figure, Stopwatch, figure, median
from stillopen.bench.office import ENGINES, Office, office
from stillopen.bench.till import Register
from stillopen.domain.errors import DomainError
from stillopen.register.syncer.engine import Engine
from stillopen.register.syncer.service import Syncer
from stillopen.sync import snapshot
from stillopen.sync.proof import HEADER

PRODUCTS = 50_000
REGISTERS = 5  # after the first one, which may have to wait for the file
_WORD = "shelf"

_Row = tuple[str, str, str, int, bytes]  # kind, id, scope, seq, payload


def run(scale: float) -> list[Figure]:
    """On both databases; ``scale`` 1 is 50 000 products."""
    products = max(int(PRODUCTS * scale), 2 * snapshot.WORTH)
    return [f for engine in ENGINES for f in _on(engine, products)]


def _on(engine: str, products: int) -> list[Figure]:
    with office(engine, products) as bench:
        first = _sync(bench, "R0", products)
        later = [_sync(bench, f"R{n + 1}", products) for n in range(REGISTERS)]
        limit = median([run.limit for run in later])
        pages = _by_pages(bench, products)
    seconds = [run.seconds for run in later]
    name = f"first sync of {products} products, {engine}"
    return [
        figure(
            name,
            products / median(seconds),
            "products/s",
            limit=products / limit,
            limit_name="the same bytes downloaded + one sorted SQLite import with its search index",
            ratio_at_least=0.5,
            at_least=40_000,
            cpu_seconds=median([run.cpu for run in later]),
            note=f"moonshot 62 000/s; from {min(seconds):.2f} to {max(seconds):.2f} s",
        ),
        figure(
            f"{name}: for the first register of the account",
            products / first.seconds,
            "products/s",
            limit=products / limit,
            limit_name="as above",
            note=f"{first.seconds:.2f} s",
        ),
        figure(f"{name}: by pages", products / pages, "products/s", note=f"{pages:.2f} s"),
    ]


class _Run(msgspec.Struct, frozen=True):
    """One first sync: seconds and CPU seconds of both programs until a search finds something."""

    seconds: float
    cpu: float
    limit: float


def _sync(bench: Office, name: str, products: int) -> _Run:
    register = Register(bench.folder / f"till-{name}", bench, name)
    try:
        watch = Stopwatch(os.getpid(), bench.server_pid)
        asyncio.run(Syncer(register.till).sync_once())
        _check(register, products)
        seconds, cpu = watch.seconds, watch.cpu
        return _Run(seconds, cpu, _limit(register))
    finally:
        register.close()


def _by_pages(bench: Office, products: int) -> float:
    """The same where no snapshot file is taken."""
    register = Register(bench.folder / "till-pages", bench, "RP")
    try:
        began = time.perf_counter()
        register.sync()
        _check(register, products)
        return time.perf_counter() - began
    finally:
        register.close()


def _check(register: Register, products: int) -> None:
    catalogue = register.till.catalogue
    if catalogue.count("product") != products or not catalogue.search(_WORD, limit=1):
        raise DomainError("bench_failed", "The catalogue is not complete after the sync.")
    if catalogue.differing():
        raise DomainError("bench_failed", "The catalogue is not what the server said.")


def _limit(register: Register) -> float:
    """Seconds of the download and of the import."""
    folder = register.till.data_dir
    with sqlite3.connect(folder / "catalogue.db") as db:
        rows: list[_Row] = db.execute(
            "SELECT kind, id, scope, seq, payload FROM row ORDER BY kind, id"
        ).fetchall()
    found = [
        f for n, r in enumerate(rows, 1) if (f := snapshot.found_by(n, r[0], r[4])) is not None
    ]
    began = time.perf_counter()
    _import(folder / "limit.db", rows, found)
    imported = time.perf_counter() - began
    return imported + _download(register)


def _import(path: Path, rows: list[_Row], found: list[snapshot.Found]) -> None:
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("BEGIN")
    for statement in snapshot.TABLES:
        db.execute(statement)
    db.executemany(snapshot.INSERT_ROW, [(n, *r, 1) for n, r in enumerate(rows, 1)])
    db.executemany(snapshot.INSERT_PRODUCT, [f.product for f in found])
    db.executemany(snapshot.INSERT_WORDS, [f.words for f in found])
    db.executemany(snapshot.INSERT_BARCODE, [c for f in found for c in f.barcodes])
    for statement in snapshot.INDEXES:
        db.execute(statement)
    db.execute("COMMIT")
    db.close()


def _download(register: Register) -> float:
    """Of the snapshot file, as it is offered to whoever has nothing yet."""
    engine = Engine(register.till)
    engine.formats = (snapshot.FORMAT,)
    engine.look_for_news(snapshot=True)
    register.engine = engine
    while engine.offer is None:
        register.exchange()
    offer = engine.offer
    began, have = time.perf_counter(), 0
    while have < offer.size:
        proof = engine.snapshot_proof(offer.hash)
        answer = register.http.get(
            f"/sync/v1/snapshot/{offer.hash}",
            headers={HEADER: proof, "Range": f"bytes={have}-"},
        )
        answer.raise_for_status()
        have += len(answer.content)
    return time.perf_counter() - began
