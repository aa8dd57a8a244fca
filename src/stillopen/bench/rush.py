"""Many registers that come back at once, each with sales made offline, beside one register alone.

The limit is the rate of one register in the same run, before and after the rush.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from stillopen.bench.figures import Figure, Stopwatch, figure
from stillopen.bench.office import ENGINES, office
from stillopen.bench.sales import PRODUCTS, sell_offline
from stillopen.bench.till import Register, register
from stillopen.domain.errors import DomainError

REGISTERS = 20
SALES = 500  # of each
ALONE = 2000  # of the one
BATCH = 1000  # the largest: what a register on a good line comes to


def run(scale: float) -> list[Figure]:
    registers = max(2, round(REGISTERS * min(1.0, scale * 5)))
    return [_measure(engine, registers, max(10, int(SALES * scale)), scale) for engine in ENGINES]


def _measure(engine: str, registers: int, sales: int, scale: float) -> Figure:
    with office(engine, PRODUCTS) as server, ExitStack() as stack:
        alone = stack.enter_context(register(server, "R0"))
        crowd = [stack.enter_context(register(server, f"R{n}")) for n in range(1, registers + 1)]
        few = max(20, int(ALONE * scale))
        before = _rate([alone], few)
        for till in crowd:
            sell_offline(till.till, sales)
        clock = server.stopwatch()
        together = _upload(crowd)
        cpu = clock.cpu
        after = _rate([alone], few)
        receipts = server.query("SELECT count(*) FROM ledger_receipt")[0][0]
    statuses = sum((Counter(till.statuses) for till in crowd), Counter[int]())
    return figure(
        f"{registers} registers at once, {sales} sales each, {engine}",
        registers * sales / together,
        "sales/s",
        limit=2 / (1 / before + 1 / after),
        limit_name=f"one register alone, before ({before:.0f}/s) and after ({after:.0f}/s)",
        ratio_at_least=1.0,
        cpu_seconds=cpu,
        note=f"answers by status: {dict(statuses)}; {receipts} receipts are there",
    )


def _rate(tills: list[Register], sales: int) -> float:
    for till in tills:
        sell_offline(till.till, sales)
    return sales * len(tills) / _upload(tills)


def _upload(tills: list[Register]) -> float:
    """Seconds until everything of all of them is acknowledged."""
    with ThreadPoolExecutor(len(tills)) as pool:
        clock = Stopwatch()
        list(pool.map(_drain, tills))
        return clock.seconds


def _drain(till: Register) -> None:
    till.batches_of(BATCH)
    head = till.till.journal.head().seq
    while till.engine.state.acked.seq < head:
        before = till.engine.state.acked.seq
        till.exchange()
        if till.engine.state.acked.seq == before and till.engine.state.nonce == b"":
            raise DomainError("bench_failed", "An upload does not get on.")
