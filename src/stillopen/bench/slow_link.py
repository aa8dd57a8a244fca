"""A day of 500 sales over 64 kbit/s with 600 ms round trip, losses and black-outs; and the till meanwhile."""

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from stillopen.bench.cluster import free_port
from stillopen.bench.figures import Figure, figure, median, quantile
from stillopen.bench.office import COMMAND, PIN, Office, command, office
from stillopen.demo.line import LineThread
from stillopen.demo.shaper import CELLAR, Shape, ShapedLine
from stillopen.domain.errors import DomainError

_WITHIN = 600.0  # seconds
_LINES = 3
_PACE = 0.25  # seconds between two sales while it is measured how the till feels


def run(scale: float) -> list[Figure]:
    return slow_link(max(20, int(500 * scale)), CELLAR)


class Desk:
    """A served register behind ``line``, signed in, its shift open: what a cashier does, by its local API."""

    def __init__(self, at: Office, line_url: str) -> None:
        folder, port = at.folder / "till-desk", free_port()
        key = at.add_register("R1")
        where = ("--data-dir", str(folder), "--backoffice", line_url, "--account", at.account)
        command("register", "activate", *where, "--license-key", key)
        with (at.folder / "desk.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "register", "serve", "--data-dir", str(folder), "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False)
        self.until(lambda: self.status()["state"] == "synced", 60)
        told = self._http.post("/session", json={"employee": "Anna", "pin": PIN}).json()
        self._http.headers["Authorization"] = f"Bearer {told['token']}"
        self._http.post("/shift/open", json={"float": 10_000}).raise_for_status()
        self._salt = 0

    def status(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._http.get("/status").json()
        except httpx.TransportError:
            found = {"state": "", "indicator": ""}
        return found

    def sell(self) -> float:
        """One sale of about 1.9 KB; the seconds until it was answered."""
        self._salt += 1
        lines = [
            {"sku": f"{100_000 + (self._salt * 7 + n * 13) % 50}", "quantity": "1"}
            for n in range(_LINES)
        ]
        sale = {"id": str(uuid.uuid4()), "lines": lines}
        body = {**sale, "tenders": [{"type": "cash", "amount": 50_000}]}
        began = time.perf_counter()
        self._http.post("/sales", json=body).raise_for_status()
        return time.perf_counter() - began

    def sell_paced(self) -> float:
        """The same, and a pause after it."""
        took = self.sell()
        time.sleep(_PACE)
        return took

    def until(self, what: Any, within: float) -> None:
        """``DomainError bench_failed`` when it does not come about."""
        deadline = time.monotonic() + within
        while not what():
            if time.monotonic() > deadline:
                raise DomainError("bench_failed", f"The register: {self.status()}")
            time.sleep(0.1)

    def close(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait(15)


@contextmanager
def desk() -> Iterator[tuple[Desk, LineThread, ShapedLine]]:
    """A register on a line that is good as yet."""
    with office("sqlite", 50) as at:
        shaped = ShapedLine(("127.0.0.1", int(at.url.rpartition(":")[2])))
        thread = LineThread(shaped.target, line=shaped)
        made = Desk(at, thread.url)
        try:
            yield made, thread, shaped
        finally:
            made.close()
            thread.close()


def slow_link(sales: int, shape: Shape) -> list[Figure]:
    """``sales`` made without a line, then sent over ``shape`` while selling goes on."""
    with desk() as (till, line, shaped):
        good = [till.sell_paced() for _ in range(max(20, sales // 10))]
        till.until(lambda: till.status()["state"] == "synced", 30)
        line.cut()
        till.until(lambda: till.status()["indicator"] == "red", 20)
        for _ in range(sales):
            till.sell()
        target = till.status()["journal"]["seq"]
        shaped.set_shape(shape)
        line.mend()
        seconds, slow, shown = _drain(till, target)
        assert shaped.up is not None and shaped.down is not None
        up, down = shaped.up.bytes, shaped.down.bytes
    least = max(up, down) / shape.bandwidth
    name = (
        f"{sales} sales over {shape.bandwidth * 8 / 1000:.0f} kbit/s, {shape.delay * 2000:.0f} ms"
    )
    words = f"{up / 1000:.0f} kB up, {down / 1000:.0f} kB down on the wire; {shown}"
    return [
        figure(name, seconds, "s", limit=least, limit_name="bytes on the wire ÷ bandwidth",
               ratio_at_most=2.0, note=words),
        figure("POST /sales meanwhile, p50", median(slow) * 1000, "ms", limit=median(good) * 1000,
               limit_name="on a good line, same run", ratio_at_most=1.5),
        figure("POST /sales meanwhile, p95", quantile(slow, 0.95) * 1000, "ms",
               limit=quantile(good, 0.95) * 1000, limit_name="on a good line, same run"),
    ]  # fmt: skip


def _drain(till: Desk, target: int) -> tuple[float, list[float], str]:
    """Until entry ``target`` has arrived: seconds; each sale's time meanwhile; which colours were seen."""
    began, took = time.monotonic(), []
    colours: dict[str, int] = {}
    while (status := till.status()).get("acked", {}).get("seq", 0) < target:
        if time.monotonic() - began > _WITHIN:
            raise DomainError("bench_failed", f"Not sent in time: {status}")
        colours[status["indicator"]] = colours.get(status["indicator"], 0) + 1
        took.append(till.sell_paced())
    seen = sum(colours.values()) or 1
    shown = ", ".join(f"{name} {100 * n / seen:.0f} %" for name, n in sorted(colours.items()))
    return time.monotonic() - began, took, f"the indicator was {shown}"
