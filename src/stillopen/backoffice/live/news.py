"""What has happened in a store that its registers were not told of yet: read in one consistent snapshot."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from stillopen.backoffice.ingest.sql import Cursor, canonical, engine, when
from stillopen.domain.quantity import to_milli
from stillopen.sync.live import RECEIPT_DAYS, live_scopes

#: A publication takes at most so many receipts of one branch along.
MAX_RECEIPTS = 1000

#: (register, branch), ids canonical
Line = tuple[str, str]


class Store(msgspec.Struct, frozen=True, order=True):
    """Canonical ids."""

    account: str
    id: str


class Moved(msgspec.Struct, frozen=True):
    """A level that moved: as the database holds it (``raw``) and in thousandths."""

    product: str
    raw: object
    milli: int


class Sale(msgspec.Struct, frozen=True):
    """A booked receipt; ``store`` is the one that its register belonged to then."""

    line: Line
    seq: int
    store: str
    occurred_at: datetime


class News(msgspec.Struct, frozen=True, kw_only=True):
    """All of one moment. ``heads`` by scope; ``included`` and ``left_out`` as kept by models.Figures;
    ``marks``: where those that move have got to, before and after; ``settled``: pending no longer."""

    heads: dict[str, int]
    levels: tuple[Moved, ...]
    included: dict[str, dict[str, tuple[int, str]]]
    left_out: dict[str, list[str]]
    sales: tuple[Sale, ...]
    marks: dict[Line, tuple[int, int]]
    pending: tuple[tuple[Line, int], ...]
    settled: tuple[tuple[Line, int], ...]
    more: bool  # receipts are left for the next publication


#: What has become of the entry of a row ``p`` of live_pending. Not a join: SQLite has no statistics, and may
#: begin a join with all entries of the account.
_STATUS = """(SELECT n.status FROM ingest_entry n WHERE n.account_id = p.account_id
    AND n.register_id = p.register_id AND n.branch = p.branch AND n.seq = p.entry_seq)"""


def stores_with_news() -> list[Store]:
    """In a fixed order. Costs a look at the levels that are dirty and at each branch's ack."""
    with engine().snapshot() as cursor:
        cursor.execute(
            f"""SELECT account_id, store_id FROM stock_level WHERE dirty
            UNION
            SELECT r.account_id, r.store_id FROM devices_epoch e
            JOIN devices_register r ON r.id = e.register_id
            LEFT JOIN live_mark m ON m.account_id = e.account_id
                AND m.register_id = e.register_id AND m.branch = e.branch
            WHERE e.acked_seq > COALESCE(m.through, 0)
            UNION
            SELECT r.account_id, r.store_id FROM live_pending p
            JOIN devices_register r ON r.id = p.register_id
            WHERE {_STATUS} = 'applied'"""
        )
        rows = cursor.fetchall()
    return sorted(Store(canonical(account), canonical(store)) for account, store in rows)


def read_news(store: Store, now: datetime) -> News:
    """Opens a read-only transaction of its own, so it must not be called inside one."""
    with engine().snapshot() as cursor:
        reader = _Reader(cursor, store, now)
        acks, marks = reader.acks(), reader.marks()
        moved = {
            line: (marks.get(line, 0), seq)
            for line, (seq, _) in acks.items()
            if seq > marks.get(line, 0)
        }
        sales, reached = [], {}
        for line in sorted(moved):
            found, reached[line] = reader.sales(line, *moved[line])
            sales += found
        done, late = reader.settled()
        heads, levels = reader.heads(), reader.levels()
        if not levels and (sales or done):
            # What the figures count has changed though no level has: set aside, or back where it was meanwhile.
            levels = reader.last_level(heads[live_scopes(store.id)[0]])
        held = reader.held({register for register, _ in acks})
        return News(
            heads=heads,
            levels=levels,
            included=_by_register(acks),
            left_out=_ids(held),
            sales=(*late, *sales),
            marks={line: (moved[line][0], seq) for line, seq in reached.items()},
            pending=tuple(
                (line, seq)
                for line, seq, _ in held
                if line in moved and moved[line][0] < seq <= reached[line]
            ),
            settled=done,
            more=any(seq < moved[line][1] for line, seq in reached.items()),
        )


def _ids(held: Iterable[tuple[Line, int, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for (register, _), _, entry in held:
        found.setdefault(register, []).append(entry)
    return found


def _by_register(acks: dict[Line, tuple[int, bytes]]) -> dict[str, dict[str, tuple[int, str]]]:
    """As models.Figures keeps them."""
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for (register, branch), (seq, digest) in acks.items():
        found.setdefault(register, {})[branch] = (seq, digest.hex())
    return found


class _Reader:
    """The queries, on one snapshot."""

    def __init__(self, cursor: Cursor, store: Store, now: datetime) -> None:
        self._cursor, self._db = cursor, engine()
        self._account, self._store = self._db.uid(store.account), self._db.uid(store.id)
        self._scopes = live_scopes(store.id)
        self._oldest = self._db.moment(now - timedelta(days=RECEIPT_DAYS))

    def _all(self, sql: str, *parameters: object) -> list[tuple]:
        self._cursor.execute(sql, parameters)
        return self._cursor.fetchall()

    def heads(self) -> dict[str, int]:
        rows = self._all(
            f"SELECT scope, seq FROM feed_head WHERE account_id = %s AND {self._db.among('scope')}",
            self._account,
            self._db.many(self._scopes),
        )
        return dict.fromkeys(self._scopes, 0) | dict(rows)

    def levels(self) -> tuple[Moved, ...]:
        rows = self._all(
            """SELECT product_id, quantity FROM stock_level
            WHERE account_id = %s AND store_id = %s AND dirty""",
            self._account,
            self._store,
        )
        # Sorted here: asked to sort, SQLite walks all levels of the store by their primary key.
        return tuple(Moved(product, raw, milli_of(raw)) for product, raw in sorted(rows))

    def last_level(self, head: int) -> tuple[Moved, ...]:
        """The one that went out last (``head`` of the stock's scope), to go out again: what the figures count
        goes out with a level. None where none ever did."""
        rows = self._all(
            """SELECT s.product_id, s.quantity FROM live_stock l JOIN stock_level s
            ON s.account_id = l.account_id AND s.store_id = l.store_id AND s.product_id = l.product_id
            WHERE l.account_id = %s AND l.store_id = %s AND l.seq = %s""",
            self._account,
            self._store,
            head,
        )
        return tuple(Moved(product, raw, milli_of(raw)) for product, raw in rows)

    def acks(self) -> dict[Line, tuple[int, bytes]]:
        """Every branch of every register of the store."""
        rows = self._all(
            """SELECT e.register_id, e.branch, e.acked_seq, e.acked_hash FROM devices_epoch e
            JOIN devices_register r ON r.id = e.register_id
            WHERE r.account_id = %s AND r.store_id = %s AND e.account_id = %s""",
            self._account,
            self._store,
            self._account,
        )
        return {(canonical(r), branch): (seq, bytes(h)) for r, branch, seq, h in rows}

    def held(self, registers: Iterable[str]) -> list[tuple[Line, int, str]]:
        """(line, seq, id) of the entries that are held and not applied."""
        rows = self._all(
            f"""SELECT register_id, branch, seq, entry_id FROM ingest_entry
            WHERE account_id = %s AND {self._db.among("register_id")} AND NOT (status = 'applied')""",
            self._account,
            self._db.many(self._db.uid(register) for register in sorted(registers)),
        )
        return sorted(
            ((canonical(register), branch), seq, entry) for register, branch, seq, entry in rows
        )

    def marks(self) -> dict[Line, int]:
        rows = self._all(
            """SELECT m.register_id, m.branch, m.through FROM live_mark m
            JOIN devices_register r ON r.id = m.register_id
            WHERE r.account_id = %s AND r.store_id = %s AND m.account_id = %s""",
            self._account,
            self._store,
            self._account,
        )
        return {(canonical(register), branch): through for register, branch, through in rows}

    def sales(self, line: Line, after: int, until: int) -> tuple[list[Sale], int]:
        """Booked receipts of a branch, and how far it was looked through for them."""
        rows = self._all(
            """SELECT seq, store_id, occurred_at FROM ledger_receipt
            WHERE account_id = %s AND register_id = %s AND seq > %s AND seq <= %s AND branch = %s
            ORDER BY seq LIMIT %s""",
            self._account,
            self._db.uid(line[0]),
            after,
            until,
            line[1],
            MAX_RECEIPTS,
        )
        reached = rows[-1][0] if len(rows) == MAX_RECEIPTS else until
        return self._recent((line, *row) for row in rows), reached

    def _recent(self, rows: Iterable[tuple[Line, int, object, object]]) -> list[Sale]:
        found = []
        for line, seq, store, at in rows:
            moment = when(at)
            assert moment is not None
            if self._db.moment(moment) >= self._oldest:
                found.append(Sale(line, seq, canonical(store), moment))
        return found

    def settled(self) -> tuple[tuple[tuple[Line, int], ...], list[Sale]]:
        """Entries that were pending and are applied by now, and the receipts among them."""
        rows = self._all(
            f"""SELECT p.register_id, p.branch, p.entry_seq, l.store_id, l.occurred_at
            FROM live_pending p JOIN devices_register r ON r.id = p.register_id
            LEFT JOIN ledger_receipt l ON l.account_id = p.account_id
                AND l.register_id = p.register_id AND l.seq = p.entry_seq AND l.branch = p.branch
            WHERE p.account_id = %s AND r.store_id = %s AND {_STATUS} = 'applied'""",
            self._account,
            self._store,
        )
        done = [((canonical(register), branch), seq) for register, branch, seq, _, _ in rows]
        sales = self._recent(
            (line, seq, store, at)
            for (line, seq), (*_, store, at) in zip(done, rows, strict=True)
            if store is not None
        )
        return tuple(done), sales


def milli_of(raw: object) -> int:
    """A level as either engine returns it, in thousandths."""
    return to_milli(round(Decimal(str(raw)), 3))
