"""A sale committed durably at the register, beside a raw insert of the same bytes.

Three things in turn: the bytes of the last sale's entry inserted into a SQLite file of their own (WAL,
``synchronous=FULL``); the journal's transaction alone (entry, and the shift's row with sums, counters
and the paid cart, from a receipt that is made already); and the whole use case, from the tenders to *paid*.
"""

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stillopen.bench.figures import Figure, figure, quantile, timed
from stillopen.bench.office import PIN, office
from stillopen.bench.sales import PRODUCTS, goods_of, receipt
from stillopen.bench.till import Register, register
from stillopen.domain.cart import Cart
from stillopen.domain.ids import receipt_number
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.usecases.cart_view import open_cart, renew, save_open, view_of
from stillopen.register.usecases.checkout import keep_sale
from stillopen.register.usecases.open_register import open_register
from stillopen.register.usecases.pay import pay
from stillopen.register.usecases.record import require_shift
from stillopen.register.usecases.sign_in import sign_in

SALES = 2000
WARM = 20
AT_MOST = 1.5


class Raw:
    """The physical limit: one row, one flush, in pages as the journal has them."""

    def __init__(self, path: Path, page_size: int) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute(f"PRAGMA page_size = {page_size}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    def insert(self, body: bytes) -> None:
        self._db.execute("INSERT INTO entry (body) VALUES (?)", (body,))

    def close(self) -> None:
        self._db.close()


@dataclass
class Times:
    """Seconds of each sale."""

    raw: list[float] = field(default_factory=list)
    journal: list[float] = field(default_factory=list)
    pay: list[float] = field(default_factory=list)
    pay_cpu: float = 0.0


def run(scale: float) -> list[Figure]:
    with office("sqlite", PRODUCTS) as server, register(server) as till:
        page_size = int(till.till.journal.db.query("PRAGMA page_size")[0][0])
        raw = Raw(server.folder / "raw.db", page_size)
        times = _Counter(till, raw).measure(max(20, int(SALES * scale)))
        raw.close()
    return [
        *_figures("a sale's transaction in the journal", times.journal, times.raw, None),
        *_figures("paying, from the tenders to “paid”", times.pay, times.raw, times.pay_cpu),
    ]


def _figures(
    name: str, times: list[float], raw: list[float], cpu: float | None
) -> Iterator[Figure]:
    for words, share, most in (("p50", 0.5, AT_MOST), ("p99", 0.99, None)):
        yield figure(
            f"{name}, {words}",
            quantile(times, share) * 1000,
            "ms",
            limit=quantile(raw, share) * 1000,
            limit_name=f"raw insert of the same bytes (WAL, FULL), {words}",
            ratio_at_most=most,
            cpu_seconds=cpu if words == "p50" else None,
            note=f"{len(times)} sales" if words == "p50" else "",
        )


class _Counter:
    """A cashier at the till: fills carts, and pays them in turn in the three ways."""

    def __init__(self, register: Register, raw: Raw) -> None:
        self._till, self._raw = register.till, raw
        self._goods = goods_of(self._till)
        code = next(iter(self._till.catalogue.employees().values())).code
        self._session = sign_in(self._till, code, PIN)
        open_register(self._till, self._session, 10_000)

    def measure(self, sales: int) -> Times:
        for n in range(WARM):
            self._one(n, Times())
        times = Times()
        for n in range(WARM, WARM + sales):
            self._one(n, times)
        return times

    def _one(self, n: int, times: Times) -> None:
        self._pay(n, times)
        self._keep(n, times.journal)
        head = self._till.journal.head()
        body = self._till.journal.entries.raw_after(head.seq - 1, 1)[0].body
        with timed(times.raw):
            self._raw.insert(body)

    def _fill(self, n: int) -> Cart:
        """A cart on the screen, as scans leave it behind."""
        made = receipt("", n, self._goods)
        cart = Cart(
            id=open_cart(self._till).id,
            version=len(made.lines),
            lines=tuple(line.item for line in made.lines),
        )
        view_of(self._till, cart)  # shown, as each change of a cart is
        with self._till.change("cart"):
            save_open(self._till, self._session, cart)
        return cart

    def _pay(self, n: int, times: Times) -> None:
        cart = self._fill(n)
        tender = Tender(type=TenderType.CASH, amount=15_000)
        cpu = time.process_time()
        with timed(times.pay):
            pay(self._till, self._session, cart.id, cart.version, [tender])
        times.pay_cpu += time.process_time() - cpu

    def _keep(self, n: int, into: list[float]) -> None:
        cart = self._fill(n)
        identity, made = self._till.require_identity(), self._till.journal.receipts_made()
        number = receipt_number(identity.store_code, identity.register_name, "", made + 1)
        ready = receipt(number, n, self._goods)
        shift = require_shift(self._till)
        with timed(into), self._till.change("journal", "cart"):
            keep_sale(self._till, self._session, shift, cart.id, ready)
        renew(self._till)
