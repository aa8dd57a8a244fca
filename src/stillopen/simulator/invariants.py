"""The invariants of a fleet, one function each. A broken one raises :class:`Violation`.

Those that can are checked during the run: after each answer of the Back Office, after each answer that a
till has carried out, at each start of a till. All are checked at the end.
"""

import sqlite3
from collections import Counter
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from stillopen.backoffice.backups.manifest import backups_in
from stillopen.simulator.oracle import Oracle
from stillopen.simulator.register_node import RegisterNode
from stillopen.simulator.till_process import Sold
from stillopen.simulator.truth import Branch, Content, Held, Truth
from stillopen.simulator.world import World
from stillopen.sync.messages import Ack, ExchangeAnswer

Pair = tuple[str, str]


class Violation(AssertionError):
    """``number`` of the invariant that does not hold; 0: the programs failed by themselves."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(f"invariant {number}: {words}")
        self.number = number


def require(number: int, holds: bool, words: str) -> None:
    if not holds:
        raise Violation(number, words)


class Ledger:
    """What was seen of the raw entries so far, so that each check only reads what is new."""

    def __init__(self, truth: Truth, oracle: Oracle, world: World) -> None:
        self.truth, self.oracle, self.world = truth, oracle, world
        self.seen: dict[Pair, Ack] = {}
        self.where: dict[bytes, Held] = {}
        #: Receipt number → (sale, second of its arrival), of those that have arrived.
        self.sale_of: dict[str, tuple[str, float]] = {}

    def forget(self) -> None:
        """The server's file was exchanged for another."""
        self.seen, self.where, self.sale_of = {}, {}, {}

    def look(self, register: str) -> bool:
        """Invariants 2, 5 and 7 over what has arrived of ``register`` (hex) since the last look; whether
        anything has."""
        arrived = False
        for branch in self.truth.branches(register):
            before = self.seen.get((register, branch.name))
            if before is None:
                before = self._beginning(branch)
            require(2, branch.acked >= before.seq, f"the ack of {branch.name} went back")
            if branch.acked > before.seq:
                self._follow(branch, before)
                arrived = True
        return arrived

    def _beginning(self, branch: Branch) -> Ack:
        if not branch.parent:
            return Ack(branch.name, 0, bytes(32))
        base = next(
            (h for h in self.where.values() if h.branch == branch.parent and h.seq == branch.base),
            None,
        )
        found = bytes(32) if base is None else base.hash
        return Ack(branch.name, branch.base, found)

    def _follow(self, branch: Branch, before: Ack) -> None:
        """Everything up to the ack is there, in one unbroken chain."""
        seq, last = before.seq, before.hash
        for held in self.truth.entries(branch.register, branch.name, before.seq):
            gap = held.kind == "gap"
            require(2, gap or held.seq == seq + 1, f"{branch.name}/{seq + 1} is acked and missing")
            follows = gap or held.prev_hash == last or held.hash in self.oracle.poisoned
            linked = follows or last in self.oracle.poisoned or seq == branch.base
            require(5, linked, f"{branch.name}/{held.seq} breaks the chain")
            self._judge(held)
            self.where[held.hash] = held
            if held.kind == "sale" and held.id in self.oracle.paid:
                arrived = (held.id, self.world.seconds)
                self.sale_of.setdefault(self.oracle.paid[held.id].number, arrived)
            seq, last = held.seq, held.hash
        require(2, seq >= branch.acked, f"acked to {branch.acked}, stored to {seq}")
        require(2, seq == branch.acked, f"stored to {seq}, acked to {branch.acked}")
        require(2, last == branch.acked_hash, f"the ack of {branch.name}/{seq} has another hash")
        self.seen[branch.register, branch.name] = Ack(branch.name, seq, last)

    def _judge(self, held: Held) -> None:
        """Only what was poisoned is quarantined; only its own aggregate waits behind it."""
        if held.status == "quarantined":
            expected = self.oracle.poisoned.get(held.hash)
            known = expected == held.code or (
                held.code in ("duplicate_id",) and bool(self.oracle.forked)
            )
            require(7, known, f"{held.branch}/{held.seq} {held.kind} quarantined: {held.code}")
        elif held.status == "waiting" and held.behind:
            ahead = [h for h in self.truth.all_entries() if h.id == held.behind]
            same = any(h.aggregate == held.aggregate for h in ahead)
            require(7, same, f"{held.branch}/{held.seq} waits behind another aggregate")


# -- a till -------------------------------------------------------------------------------------------


def ack_moves_back_only_when_told(
    before: dict[str, Ack], node: RegisterNode, answer: ExchangeAnswer
) -> None:
    """Invariant 2, at the till."""
    assert node.till is not None
    for epoch, ack in before.items():
        now = node.till.journal.sending.ack(epoch)
        told = any(i.do == "rewind" for i in answer.instructions)
        require(2, now.seq >= ack.seq or told, f"{node.name} lowered its ack of {epoch[:4]}")


def shows_one_snapshot(node: RegisterNode, oracle: Oracle) -> None:
    """Invariants 3 and 6: what the till shows is what the Back Office had at the till's cursors."""
    assert node.till is not None
    cursors = {c.scope: c.chain for c in node.till.catalogue.cursors()}
    shown = shown_rows(node)
    for scope in shown:
        require(6, scope in cursors, f"{node.name} shows rows of {scope}, which is not its own")
    for scope, chain in cursors.items():
        expected = oracle.content_at(scope, chain)
        require(3, expected is not None, f"{node.name} stands where {scope} never was")
        if shown.get(scope, {}) != expected:
            raise Violation(
                3, f"{node.name} shows another {scope}: {_difference(shown, scope, expected)}"
            )


def counts_each_fact_once(node: RegisterNode, oracle: Oracle) -> None:
    """Invariant 4: a figure is what the Back Office counted and what this till sold, each sale once."""
    till = node.till
    if till is None or node.flipped is not None or node.position in oracle.moved:
        return
    cursors = {c.scope: c.chain for c in till.live.published.cursors}
    stock = next((s for s in cursors if s.startswith("stock:")), None)
    if stock is None:
        return
    counted = oracle.counted.get((stock, cursors[stock]))
    if counted is None:
        return  # nothing was ever counted there
    moved = counted.moved + oracle.pieces(node.made_here() - counted.sales)
    shown = till.stock.available(sorted(moved))
    for product, milli in shown.items():
        require(
            4,
            milli == -1000 * moved[product],
            f"{node.name} shows {milli} of {product[:8]}, it is {-1000 * moved[product]}",
        )


def _difference(shown: dict[str, Content], scope: str, expected: Content | None) -> str:
    here, there = shown.get(scope, {}), expected or {}
    keys = [k for k in {**here, **there} if here.get(k) != there.get(k)]
    return ", ".join(f"{kind} {record[:8]}" for kind, record in sorted(keys)[:5])


def shown_rows(node: RegisterNode) -> dict[str, Content]:
    """scope → (kind, record) → payload, as the screens see them."""
    connection = sqlite3.connect(node.folder / "catalogue.db", isolation_level=None)
    try:
        generation = connection.execute("SELECT generation FROM meta").fetchone()[0]
        rows = connection.execute(
            "SELECT scope, kind, id, payload FROM row WHERE born <= ? AND (dead IS NULL OR dead > ?)",
            (generation, generation),
        ).fetchall()
    finally:
        connection.close()
    found: dict[str, Content] = {}
    for scope, kind, record, payload in rows:
        content = found.setdefault(scope, {})
        key = (kind, record.replace("-", ""))
        require(3, key not in content, f"{node.name} shows {kind} {record} twice")
        content[key] = bytes(payload)
    return found


def synced_is_true(node: RegisterNode, ledger: Ledger, server_life: int) -> None:
    """Invariant 9: as of the last answer."""
    engine, till = node.engine, node.till
    if engine is None or till is None or not engine.is_synced():
        return
    told = ledger.oracle.last.get(node.name)
    require(9, told is not None, f"{node.name} says synced and has heard nothing")
    assert told is not None
    head = till.journal.head()
    arrived = head.seq == 0 or head.hash in ledger.where or told.server_life != server_life
    require(9, arrived, f"{node.name} says synced; {head.epoch[:4]}/{head.seq} is not there")
    require(9, told.held == 0, f"{node.name} says synced; {told.held} entries are held back")
    cursors = {c.scope: c.chain for c in till.catalogue.cursors()}
    behind = [scope for scope, chain in told.heads.items() if cursors.get(scope) != chain]
    require(9, not behind, f"{node.name} says synced; it is behind in {behind}")


def kept_what_was_paid(node: RegisterNode) -> None:
    """Invariant 1, at a start: the journal holds every sale that this disk has shown as paid, but for those
    that were purged, which :func:`purged_is_backed_up` has looked at."""
    assert node.till is not None
    rows = node.till.journal.db.query("SELECT id, receipt, total FROM entry WHERE kind = 'sale'")
    there = {row[0]: (row[1], row[2]) for row in rows}
    for sold in node.paid.values():
        if sold.id not in there and node.has_purged(sold.id):
            continue
        require(
            1,
            there.get(sold.id) == (sold.number, sold.total),
            f"{node.name} showed {sold.number} as paid and has lost it",
        )


def purged_is_backed_up(node: RegisterNode, backups: Path) -> None:
    """Invariant 1: what a till has forgotten is in every backup that is kept."""
    assert node.till is not None
    for epoch in node.till.journal.identity.epochs():
        seq, digest = node.till.journal.entries.anchor(epoch.id)
        for path, manifest in backups_in(backups) if seq else ():
            copy = sqlite3.connect(path.parent / manifest.file)
            found = copy.execute("SELECT 1 FROM ingest_entry WHERE hash = ?", (digest,)).fetchone()
            copy.close()
            require(
                1,
                found is not None,
                f"{node.name} forgot {epoch.id[:4]}/{seq}, which {path.name} lacks",
            )


def numbers_are_dense(node: RegisterNode) -> None:
    """Invariant 5: in each epoch of a disk the receipts count without a gap, from 1 where nothing was purged."""
    assert node.till is not None
    rows = node.till.journal.db.query(
        "SELECT epoch, receipt FROM entry WHERE receipt IS NOT NULL ORDER BY rowid"
    )
    counts: Counter[str] = Counter()
    for epoch, receipt in rows:
        number = int(receipt.rsplit("-", 1)[1])
        if epoch not in counts and node.till.journal.entries.anchor(epoch)[0]:
            counts[epoch] = number - 1
        counts[epoch] += 1
        require(5, number == counts[epoch], f"{node.name}: {receipt} is number {counts[epoch]}")


def number_is_not_known_to_be_taken(node: RegisterNode, sold: Sold, ledger: Ledger) -> None:
    """Invariant 5: once a till has heard the Back Office, it gives out no number again that was there.

    An older disk cannot know before, nor one whose other history was in a backup that was put back; and what
    a copy of it hands in meanwhile is known with the answer after the next (the next one may be older than
    what was handed in).
    """
    other, arrived = ledger.sale_of.get(sold.number, (sold.id, 0.0))
    if node.went_back or node.unsure or arrived >= node.answered[0]:
        return
    require(5, other == sold.id, f"{node.name} gives out {sold.number} again, which is known")


# -- the end ------------------------------------------------------------------------------------------


def all_arrived(nodes: list[RegisterNode], ledger: Ledger) -> None:
    """Invariant 1: every entry of every disk that lives is on the server, exactly once."""
    by_hash: Counter[bytes] = Counter(h.hash for h in ledger.truth.all_entries() if h.kind != "gap")
    for node in nodes:
        assert node.till is not None
        for epoch, entry in node.till.journal.entries.every():
            count = by_hash[entry.hash]
            where = f"{node.name} {epoch[:4]}/{entry.seq}"
            require(1, count == 1, f"{where} is on the server {count} times")


def money_is_conserved(nodes: list[RegisterNode], ledger: Ledger, on_server: set[str]) -> None:
    """Invariant 1: what was applied is what was paid, receipt by receipt."""
    oracle, truth = ledger.oracle, ledger.truth
    held = {_uuid(h.id) for h in truth.all_entries() if h.status != "applied"}
    broken = {h.hash for h in truth.all_entries() if h.status != "applied"}
    receipts = {
        _uuid(row[0]): (row[1], row[2])
        for row in truth.query("SELECT id, number, total FROM ledger_receipt")
    }
    alive = {sale for node in nodes for sale in node.paid}
    for sale in sorted(alive | on_server):
        sold = oracle.paid[sale]
        applied = receipts.get(sale)
        if applied is None:
            visible = sale in held or _hash_of(nodes, sale) in broken
            require(1, visible, f"{sold.number} was paid and is nowhere")
        else:
            require(1, applied == (sold.number, sold.total), f"{sold.number} became {applied}")
    _lines_and_payments(truth)


def _lines_and_payments(truth: Truth) -> None:
    rows = truth.query(
        """SELECT r.number, r.total, r.rounding,
        (SELECT coalesce(sum(gross), 0) FROM ledger_receiptline l WHERE l.receipt_id = r.id),
        (SELECT coalesce(sum(p.amount - p.change), 0) FROM ledger_payment p WHERE p.receipt_id = r.id)
        FROM ledger_receipt r"""
    )
    for number, total, rounding, lines, paid in rows:
        require(1, lines == total, f"the lines of {number} are {lines}, not {total}")
        require(1, paid == total + rounding, f"the payments of {number} are {paid}")


def _hash_of(nodes: list[RegisterNode], sale: str) -> bytes:
    for node in nodes:
        assert node.till is not None
        row = node.till.journal.db.one("SELECT hash FROM entry WHERE id = ?", sale)
        if row is not None:
            return bytes(row[0])
        if node.has_purged(sale):
            return node.places[sale].hash
    return b""


def stock_is_conserved(ledger: Ledger) -> None:
    """Invariant 1: each level is the sum of its movements, and those are the lines of the receipts."""
    truth = ledger.truth
    moved: Counter[str] = Counter()
    for product, quantity in truth.query("SELECT product_id, quantity FROM stock_movement"):
        moved[product] += _milli(quantity)
    levels: Counter[str] = Counter()
    for product, quantity in truth.query("SELECT product_id, quantity FROM stock_level"):
        levels[product] += _milli(quantity)
    sold: Counter[str] = Counter()
    for product, quantity in truth.query("SELECT product_id, quantity FROM ledger_receiptline"):
        sold[product] -= _milli(quantity)
    for product in sorted({*moved, *levels, *sold}):
        require(
            1, moved[product] == levels[product], f"the stock of {product} is not its movements"
        )
        require(1, moved[product] == sold[product], f"the stock of {product} is not its sales")


def _milli(quantity: object) -> int:
    return int(Decimal(str(quantity)) * 1000)


def numbers_once_per_branch(truth: Truth) -> None:
    """Invariant 5, at the server."""
    twice = truth.query(
        "SELECT number, branch FROM ledger_receipt GROUP BY register_id, branch, number"
        " HAVING count(*) > 1"
    )
    require(5, not twice, f"receipt numbers twice in a branch: {twice}")


def parted_only_by_disks(truth: Truth, oracle: Oracle) -> None:
    """Invariant 5: a journal has branches only where a disk went back in time or was copied; neither a damaged
    row nor a server that went back parts one."""
    if not oracle.forked:
        parted = [branch.name for branch in truth.branches() if branch.parent]
        require(5, not parted, f"{parted} parted from journals of which there is one copy each")


def _uuid(value: object) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return str(value)
