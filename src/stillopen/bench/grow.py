"""An exchange and a publication as the account grows: with few receipts and products, and with very many of both.

The products are imported and published, and the register has them. The receipts of other registers, their
lines, payments, stock movements and levels are written into the database by SQL, in the shape that ingest
gives them. The limit is the same before that.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from stillopen.bench.figures import Figure, figure, median, timed
from stillopen.bench.office import ENGINES, Office, office
from stillopen.bench.poke import Publisher
from stillopen.bench.sales import PRODUCTS, sell_offline
from stillopen.bench.till import Register, register

RECEIPTS, MORE_RECEIPTS = 1000, 1_000_000
MORE_PRODUCTS = 100_000
IDLE, UPLOADS, BATCH, CHANGED = 400, 20, 100, 10
AT_MOST = 1.2
#: CPU seconds in a second of a server that has nothing to do; how many seconds it is given to come to that.
_RESTING, _RESTED_WITHIN = 0.08, 60
_ANOTHER, _ANOTHER_EPOCH = uuid.UUID(int=7), "e" * 32


def run(scale: float) -> list[Figure]:
    found: list[Figure] = []
    for engine in ENGINES:
        found += _measure(engine, int(MORE_RECEIPTS * scale), int(MORE_PRODUCTS * scale), scale)
    return found


def _measure(engine: str, receipts: int, products: int, scale: float) -> list[Figure]:
    rounds = max(0.1, min(1.0, scale * 5))
    with office(engine, PRODUCTS) as server, register(server) as till:
        sell_offline(till.till, RECEIPTS)
        till.sync()
        publisher = Publisher(server)
        small = _times(server, till, publisher, rounds)
        server.import_products(PRODUCTS + products)
        till.sync()
        _grow(server, receipts, products)
        _times(server, till, publisher, 0.1)  # the server's caches are full of what was before
        _rest(server)
        large = _times(server, till, publisher, rounds)
        publisher.close()
    size = f"with {receipts} receipts and {products} products more, {engine}"
    return [
        f for before, after in zip(small, large, strict=True) for f in _both(before, after, size)
    ]


def _both(before: "Work", after: "Work", size: str) -> Iterator[Figure]:
    """How long it takes, and what it costs: on a machine that others use too the second says more."""
    limit = f"the same with {RECEIPTS} receipts and {PRODUCTS} products"
    yield figure(
        f"{after.name} {size}",
        median(after.seconds) * 1000,
        "ms",
        limit=median(before.seconds) * 1000,
        limit_name=limit,
        ratio_at_most=AT_MOST,
    )
    yield figure(
        f"{after.name} {size}: CPU of server and database",
        after.cpu * 1000,
        "ms",
        limit=before.cpu * 1000,
        limit_name=limit,
        ratio_at_most=AT_MOST,
    )


class Work(NamedTuple):
    """What was done several times: how long each took, and the CPU seconds of one at the server."""

    name: str
    seconds: list[float]
    cpu: float


def _times(server: Office, till: Register, publisher: Publisher, rounds: float) -> list[Work]:
    """Exchanges with nothing to say, those with a batch of sales, and publications of a few products."""

    def sales() -> Callable[[], object]:
        sell_offline(till.till, BATCH)
        till.batches_of(BATCH)
        return till.exchange

    def prices() -> Callable[[], object]:
        publisher.change(CHANGED)
        return publisher.publish

    till.sync()
    uploads = max(2, int(UPLOADS * rounds))
    return [
        _work(server, "an exchange with nothing to say", int(IDLE * rounds), lambda: till.exchange),
        _work(server, f"{BATCH} sales received and applied", uploads, sales),
        _work(server, f"{CHANGED} prices changed and published", uploads, prices),
    ]


def _work(server: Office, name: str, count: int, ready: Callable[[], Callable[[], object]]) -> Work:
    """Do what ``ready`` gives, ``count`` times; only that is timed. The CPU is that of both."""
    seconds: list[float] = []
    watch = server.stopwatch()
    for _ in range(count):
        do = ready()
        with timed(seconds):
            do()
    return Work(name, seconds, watch.cpu / count)


def _rest(server: Office) -> None:
    """Wait until it is done with what so many new rows make it do by the way, but not for ever."""
    for _ in range(_RESTED_WITHIN):
        watch = server.stopwatch()
        time.sleep(1)
        if watch.cpu < _RESTING:
            return


def _grow(server: Office, receipts: int, products: int) -> None:
    """Copy what is there under other ids, as another register's, until there is that much more."""
    with closing(server.connect()) as connection:
        dialect = Postgres() if server.engine == "postgresql" else Sqlite()
        dialect.hurry(connection)
        for table, copies, changes in _copies(dialect, receipts, products):
            columns = dialect.columns(connection, table)
            kept = [changes.get(name, f'"{name}"') for name in columns]
            names = ", ".join(f'"{name}"' for name in columns)
            connection.execute(f"CREATE TEMP TABLE few AS SELECT * FROM {table}")
            connection.execute(
                f"INSERT INTO {table} ({names}) SELECT {', '.join(kept)}"
                f" FROM ({dialect.series(copies)}) AS s CROSS JOIN few"
            )
            connection.execute("DROP TABLE few")
        dialect.settle(connection)
    os.sync()  # what was just written is not to be on its way to the disk meanwhile


def _copies(
    dialect: "Sqlite | Postgres", receipts: int, products: int
) -> Iterator[tuple[str, int, dict[str, str]]]:
    """(table, how many copies of each row, column → what it becomes in copy ``k``)"""
    another = dialect.constant_uuid(_ANOTHER)
    uid, text = dialect.uuid_of_copy, dialect.text_of_copy
    place = {"register_id": another, "branch": f"'{_ANOTHER_EPOCH}'", "seq": "k * 100000 + seq"}
    times = receipts // RECEIPTS
    yield (
        "ingest_entry",
        times,
        {**place, "entry_id": text("entry_id"), "aggregate": text("aggregate")},
    )
    yield "ledger_receipt", times, {**place, "id": uid("id"), "number": "number || '-' || k"}
    yield "ledger_receiptline", times, {"receipt_id": uid("receipt_id")}
    yield "ledger_payment", times, {"receipt_id": uid("receipt_id")}
    yield "stock_movement", times, {"source": text("source")}
    times = products // PRODUCTS
    yield "stock_level", times, {"product_id": text("product_id")}


class Sqlite:
    """How copies are told to SQLite: ids are 32 hex digits or text with hyphens."""

    def hurry(self, connection: Any) -> None:
        """Nothing of this need survive a crash; rows come in the order of their keys."""
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-200000")
        connection.execute("PRAGMA temp_store=MEMORY")

    def settle(self, connection: Any) -> None:
        """No ANALYZE: nothing runs it on a Back Office of a shop."""
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def columns(self, connection: Any, table: str) -> list[str]:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]

    def series(self, last: int) -> str:
        return (
            f"WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {last})"
            " SELECT k FROM n"
        )

    def constant_uuid(self, value: uuid.UUID) -> str:
        return f"'{value.hex}'"

    def uuid_of_copy(self, column: str) -> str:
        return f"printf('%08x', k) || substr({column}, 9)"

    def text_of_copy(self, column: str) -> str:
        return f"printf('%08x', k) || substr({column}, 9)"


class Postgres:
    """The same for PostgreSQL: ids are of the type uuid."""

    def hurry(self, connection: Any) -> None:
        connection.execute("SET synchronous_commit TO off")

    def settle(self, connection: Any) -> None:
        """As autovacuum does after a while."""
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")

    def columns(self, connection: Any, table: str) -> list[str]:
        rows = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped ORDER BY attnum",
            (table,),
        )
        return [row[0] for row in rows]

    def series(self, last: int) -> str:
        return f"SELECT k FROM generate_series(1, {last}) AS k"

    def constant_uuid(self, value: uuid.UUID) -> str:
        return f"'{value}'::uuid"

    def uuid_of_copy(self, column: str) -> str:
        return f"(lpad(to_hex(k), 8, '0') || substr({column}::text, 9))::uuid"

    def text_of_copy(self, column: str) -> str:
        return f"lpad(to_hex(k), 8, '0') || substr({column}, 9)"
