"""Sales made offline by one register, uploaded: received, recomputed, and applied to ledger and stock.

The limit is the same rows (raw entry, receipt, lines, payments, stock movements; not the stock levels, which only
the measured side moves) written raw, in transactions of the same size with the same flush, into tables that have
their primary keys and nothing else. Both take turns, batch by batch.
"""

import time
from dataclasses import dataclass, field

from stillopen.bench.figures import Figure, figure, median, timed
from stillopen.bench.office import ENGINES, Office, office
from stillopen.bench.rawrows import RawRows, raw_rows
from stillopen.bench.sales import PRODUCTS, sell_offline
from stillopen.bench.till import Register, register

SALES = 10_000
BATCH = 1000  # the largest: what a register on a good line comes to
LEAST = 3000  # sales per second


@dataclass
class Run:
    """Seconds of each batch: of the exchange, and of the raw rows."""

    exchanges: list[float] = field(default_factory=list)
    raws: list[float] = field(default_factory=list)
    server_cpu: float = 0.0
    register_cpu: float = 0.0
    raw_cpu: float = 0.0
    size: int = 0
    rows: int = 0


def run(scale: float) -> list[Figure]:
    return [_measure(engine, max(20, int(SALES * scale))) for engine in ENGINES]


def _measure(engine: str, sales: int) -> Figure:
    with office(engine, PRODUCTS) as server, register(server) as till, raw_rows(server) as raw:
        done = _upload(server, till, raw, sales)
    rate, limit = sales / sum(done.exchanges), sales / sum(done.raws)
    slowest = max(done.exchanges)
    return figure(
        f"{sales} sales uploaded by one register and applied, {engine}",
        rate,
        "sales/s",
        limit=limit,
        limit_name=f"the same {done.rows} rows inserted raw in the same batches",
        ratio_at_least=0.5,
        at_least=LEAST,
        cpu_seconds=done.server_cpu,
        note=f"{done.size} bytes each; batches of {BATCH}: median {median(done.exchanges) * 1000:.0f} ms, "
        f"slowest {slowest * 1000:.0f} ms; CPU of server and database "
        f"{done.server_cpu / sales * 1000:.3f} ms per sale (of the raw rows "
        f"{done.raw_cpu / sales * 1000:.3f} ms), of the register {done.register_cpu:.2f} s",
    )


def _upload(server: Office, till: Register, raw: RawRows, sales: int) -> Run:
    done = Run(size=sell_offline(till.till, sales))
    till.exchange()  # the shift's opening is among the first; the connections are warm
    till.batches_of(BATCH)
    head = till.till.journal.head()
    acked = till.engine.state.acked.seq
    while acked < head.seq:
        clock, own = server.stopwatch(), time.process_time()
        with timed(done.exchanges):
            till.exchange()
        done.register_cpu += time.process_time() - own
        done.server_cpu += clock.cpu
        before, acked = acked, till.engine.state.acked.seq
        done.rows += raw.load(head.epoch, before, acked)
        clock, own = server.stopwatch(), time.process_time()
        with timed(done.raws):
            raw.write()
        done.raw_cpu += time.process_time() - own + (clock.cpu if raw.apart else 0.0)
    return done
