"""An exchange with nothing to say: how long, how large, how much of the server; beside an empty round trip."""

import http.client
import time
from collections.abc import Callable

from stillopen.bench.figures import Figure, figure, median
from stillopen.bench.office import ENGINES, office
from stillopen.bench.till import Register, register
from stillopen.domain.errors import DomainError
from stillopen.sync.codec import CONTENT_TYPE
from stillopen.sync.proof import HEADER


def run(scale: float) -> list[Figure]:
    """On both databases."""
    return [f for engine in ENGINES for f in idle(engine, max(50, int(1000 * scale)))]


def idle(engine: str, count: int) -> list[Figure]:
    """``count`` exchanges of a register that is in step, each beside a ping on the same connection."""
    with office(engine, 50) as at, register(at) as till:
        line = http.client.HTTPConnection(at.url.removeprefix("http://"))
        for _ in range(20):
            _exchange(line, till)
        pings, exchanges, sizes = [], [], []
        for _ in range(count // 5):
            pings.append(_timed(lambda: _ping(line)))
            exchanges.append(_timed(lambda: sizes.append(_exchange(line, till))))
        watched = at.stopwatch()
        for _ in range(count):
            _exchange(line, till)
        cpu = watched.cpu
        line.close()
    name = f"exchange with nothing to say, {engine}"
    return [
        figure(name, median(exchanges) * 1000, "ms", limit=median(pings) * 1000, at_most=4,
               limit_name="an empty round trip to the same server"),
        figure(f"{name}: bodies", median(sizes), "bytes", at_most=600),
        figure(f"{name}: server CPU", cpu / count * 1000, "ms", at_most=1.5, cpu_seconds=cpu,
               note="of the server and its database"),
    ]  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _ping(line: http.client.HTTPConnection) -> None:
    line.request("GET", "/sync/v1/ping")
    line.getresponse().read()


def _exchange(line: http.client.HTTPConnection, till: Register) -> int:
    """Bytes of both bodies; ``DomainError bench_failed`` when more than one exchange is needed."""
    prepared = till.engine.prepare()
    headers = {HEADER: prepared.proof, "Content-Type": CONTENT_TYPE}
    line.request("POST", "/sync/v1/exchange", prepared.body, headers)
    answer = line.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise DomainError("bench_failed", f"The Back Office answered {answer.status}.")
    till.engine.hear(body)
    if till.engine.has_work():
        raise DomainError("bench_failed", "There was something to say.")
    return len(prepared.body) + len(body)
