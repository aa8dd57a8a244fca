"""What must be true of a run, known from outside: what customers saw as paid, and what was published when."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from stillopen.simulator.register_node import RegisterNode
from stillopen.simulator.till_process import Sold
from stillopen.simulator.transcript import brief
from stillopen.simulator.truth import Content, Truth
from stillopen.sync.feed import GENESIS_CHAIN
from stillopen.sync.messages import ExchangeAnswer


class Told(NamedTuple):
    """What was true at the Back Office when it gave an answer."""

    heads: dict[str, bytes]  # scope → chain, of the register's scopes
    held: int  # entries of the register that are not applied
    server_life: int


class Counted(NamedTuple):
    """What the stock figures of a publication count."""

    sales: frozenset[str]  # ids
    moved: Counter[str]  # product id → pieces that left the shelf


class Oracle:
    """``paid``: sale id → what the customer saw. ``poisoned``: hash → code that its entry must get."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.paid: dict[str, Sold] = {}
        self.poisoned: dict[bytes, str] = {}
        self.history: dict[tuple[str, bytes], Content] = {}
        #: by (scope, chain) of the live lane
        self.counted: dict[tuple[str, bytes], Counted] = {}
        self.told: dict[str, Told] = {}  # by the brief of an answer's bytes
        self.last: dict[str, Told] = {}  # node → what the last answer that counted was based on
        self.asked: dict[str, dict[str, int]] = {}  # sale id → product id → pieces
        self.moved: set[str] = set()  # positions that changed their store
        self._products: dict[str, str] = {}  # sku → id
        self.forked: set[str] = set()  # positions whose disk went back in time or was copied

    def note_sale(self, node: RegisterNode, sold: Sold) -> None:
        self.paid.setdefault(sold.id, sold)

    def note_asked(self, sale: str, lines: dict[str, int]) -> None:
        """A customer wants ``lines`` (sku → pieces)."""
        if not self._products:
            rows = self.truth.query("SELECT sku, id FROM catalogue_product")
            self._products = {sku: str(UUID(product)) for sku, product in rows}
        self.asked[sale] = {self._products[sku]: pieces for sku, pieces in lines.items()}

    def pieces(self, sales: Iterable[str]) -> Counter[str]:
        """Product id → pieces of all ``sales``; one that was not made here has none."""
        moved: Counter[str] = Counter()
        for sale in sales:
            moved.update(self.asked.get(sale, {}))
        return moved

    def note_publication(self) -> None:
        """Remember what each scope holds at its present head."""
        for scope, chain in self.truth.query("SELECT scope, chain FROM feed_head"):
            if (scope, bytes(chain)) not in self.history:
                self.history[scope, bytes(chain)] = self.truth.content(scope)

    def note_stock(self) -> None:
        """Remember which sales the levels of each store count at its present head."""
        for scope, chain in self.truth.query(
            "SELECT scope, chain FROM feed_head WHERE scope LIKE 'stock:%'"
        ):
            if (scope, bytes(chain)) not in self.counted:
                store = scope.partition(":")[2].replace("-", "")
                sales = self.truth.moved_in(store)
                self.counted[scope, bytes(chain)] = Counted(sales, self.pieces(sales))

    def content_at(self, scope: str, chain: bytes) -> Content | None:
        if chain == GENESIS_CHAIN:
            return {}
        return self.history.get((scope, chain))

    def note_answer(self, register: str, body: bytes, server_life: int) -> Told:
        """An answer for ``register`` (hex) leaves the server; what is true there now."""
        store, held, heads = self.truth.state_of(register)
        scopes = scopes_of(register, store)
        told = Told({s: heads[s] for s in scopes if s in heads}, held, server_life)
        self.told[brief(body)] = told
        return told

    def note_heard(self, node: RegisterNode, body: bytes, answer: ExchangeAnswer) -> None:
        if node.counted and not answer.stale and brief(body) in self.told:
            self.last[node.name] = self.told[brief(body)]

    def scopes(self, register: str) -> tuple[str, str, str]:
        return scopes_of(register, self.truth.store_of(register))


def scopes_of(register: str, store: str) -> tuple[str, str, str]:
    """Of the catalogue, for a register in a store (both hex)."""
    return ("account", f"store:{UUID(store)}", f"register:{UUID(register)}")
