"""One till of a run and the people at it: real stores, real use cases, the real engine."""

import sqlite3
from collections.abc import Callable

from stillopen.domain.errors import DomainError
from stillopen.domain.ids import uuid7
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.session import Session
from stillopen.register.usecases.activate import activation_request, take_activation
from stillopen.register.usecases.checkout import Paid
from stillopen.register.usecases.close_register import close_register
from stillopen.register.usecases.open_register import open_register
from stillopen.register.usecases.record import open_shift_id, record
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.simulator.server_node import ServerNode
from stillopen.simulator.till_process import Sold
from stillopen.simulator.till_syncer import TillSyncer
from stillopen.simulator.world import World
from stillopen.sync.facts import SignedIn

FLOAT = 10_000  # minor units in the drawer


class RegisterNode(TillSyncer):
    """``position`` (R1) is the register that it is, as the Back Office knows it; a copy has a name of its own."""

    def __init__(self, world: World, server: ServerNode, name: str, position: str) -> None:
        super().__init__(world, server, name)
        self.position = position
        self.went_back = False  # an older disk, and the Back Office has not answered since
        self.unsure = (
            False  # the Back Office may hold another history of it; not all was compared yet
        )
        self.answered = (0.0, 0.0)  # when its last two answers counted
        self.session: Session | None = None
        self.lag = 0.01  # seconds from a sale to the exchange that sends it
        self.asked: list[Callable[[str, dict[str, int]], None]] = []  # sale id, sku → pieces
        self.sold: list[Callable[[Sold], None]] = []

    def begin(self) -> None:
        self.guarded(self.sign_in)
        super().begin()

    def _gone(self) -> None:
        super()._gone()
        self.session = None

    def answer_is_carried_out(self) -> None:
        if self.session is None:
            self.sign_in()

    def activate(self, account: str, key: str) -> None:
        """As usecases/activate, over a line that is a function call."""
        assert self.till is not None
        answer = self.server.activate(activation_request(self.till, account, key))
        take_activation(self.till, "http://127.0.0.1", answer, False)
        self._begin_engine()
        self.say(f"is activated as {answer.register_name}")
        self.wake()

    def sign_in(self) -> None:
        """Somebody who may do everything; without argon2, whose cost is no part of what is simulated."""
        till = self.till
        if till is None or till.identity is None:
            return
        person = next(iter(sorted(till.catalogue.employees().items())), None)
        if person is None:
            return
        session = Session(
            token="simulated",
            employee=person[0],
            code=person[1].code,
            name=person[1].name,
            role="",
            permissions=frozenset(),
        )
        till.refresh(session, person[1])
        try:
            with till.change("journal", "session"):
                fact = SignedIn(offline=self.wire.is_cut)
                record(till, "signed_in", fact, session=session, shift=open_shift_id(till))
        except (DomainError, sqlite3.OperationalError) as error:
            self.say(f"cannot sign in: {error}")
            return
        self.session = session

    def ready(self) -> bool:
        """Whether somebody is signed in and the shift is open; does what is missing, as far as it can."""
        if self.session is None:
            self.sign_in()
        if self.till is None or self.session is None:
            return False
        return self.till.journal.shift_is_open() or self._try(self.open_shift)

    def open_shift(self) -> None:
        assert self.till is not None and self.session is not None
        open_register(self.till, self.session, FLOAT)
        self.say("opens its shift")
        self.wake()

    def close_shift(self) -> None:
        """Count what should be there, and close."""

        def close() -> None:
            assert self.till is not None and self.session is not None
            z = close_register(self.till, self.session, FLOAT)
            self.say(f"closes its shift, Z {z.z_number}")
            self.wake()

        def when_open() -> None:
            if self.till is not None and self.session and self.till.journal.shift_is_open():
                self._try(close)

        self.guarded(when_open)

    def sell(self, sale_id: str, lines: dict[str, int]) -> bool:
        """One sale of sku → pieces; the same id again must answer the same receipt."""
        if not self.running:
            return False
        done: list[bool] = []
        for watcher in self.asked:
            watcher(sale_id, lines)

        def serve() -> None:
            if self.ready():
                done.append(self._try(lambda: self._sell(sale_id, lines)))

        self.guarded(serve)
        return bool(done and done[0])

    def _sell(self, sale_id: str, lines: dict[str, int]) -> None:
        assert self.till is not None and self.session is not None
        asked = [SaleLine(sku=sku, quantity=str(n)) for sku, n in lines.items()]
        cash = [Tender(type=TenderType.CASH, amount=1_000_000)]
        paid = sell(self.till, self.session, sale_id, asked, cash)
        self._shown(paid)
        self.wake(self.lag)

    def _shown(self, paid: Paid) -> None:
        receipt = paid.receipt
        quantities: dict[str, int] = {}
        for line in receipt.lines:
            product = line.item.product
            quantities[product] = quantities.get(product, 0) + int(line.item.quantity)
        sold = Sold(paid.id, receipt.number, receipt.total, quantities)
        known = self.paid.setdefault(paid.id, sold)
        if not paid.repeated and self.till is not None:
            self.places[paid.id] = self.till.journal.head()
        again = " again" if paid.repeated else ""
        self.say(f"shows {receipt.number} paid{again}: {receipt.total}")
        assert known == sold, f"{known} became {sold}"
        for watcher in self.sold:
            watcher(sold)

    def new_sale_id(self) -> str:
        """As a kiosk makes it, which keeps it over a crash of the till."""
        return str(uuid7(int(self.world.now().timestamp() * 1000), self.world.bytes.randbytes(10)))
