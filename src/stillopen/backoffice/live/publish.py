"""Publishing stock and receipts to a store's registers: what was read of one moment, written in one short
transaction that locks the heads of the live lane and none of the catalogue's.

A publication has all levels that had moved by then, and says which facts the figures count; so together
with the rows published before they are one state of the store. If another process has published
meanwhile, nothing is written, and the next look reads anew.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from stillopen.backoffice.feed.publish import beat
from stillopen.backoffice.ingest.sql import Cursor, engine
from stillopen.backoffice.ingest.tables import Row, Table
from stillopen.backoffice.live.news import Line, Moved, News, Sale, Store, read_news
from stillopen.sync.feed import GENESIS_CHAIN, next_chain
from stillopen.sync.live import encode_level, live_scopes
from stillopen.sync.messages import FeedRow

HEAD = Table(
    "feed_head",
    ("account_id", "scope", "seq", "chain", "publications"),
    'ON CONFLICT ("account_id", "scope") DO NOTHING',
)
PUBLICATION = Table("live_publication", ("account_id", "scope", "seq", "chain", "published_at"))
STOCK = Table(
    "live_stock",
    ("account_id", "store_id", "product_id", "seq", "quantity"),
    """ON CONFLICT ("account_id", "store_id", "product_id") DO UPDATE
    SET "seq" = excluded."seq", "quantity" = excluded."quantity" """,
)
FIGURES = Table(
    "live_figures",
    ("account_id", "store_id", "included", "left_out", "as_of"),
    """ON CONFLICT ("account_id", "store_id") DO UPDATE SET "included" = excluded."included",
    "left_out" = excluded."left_out", "as_of" = excluded."as_of" """,
)
RECEIPT = Table(
    "live_receipt",
    ("account_id", "register_id", "branch", "entry_seq", "store_id", "seq", "occurred_at"),
)
MARK = Table(
    "live_mark",
    ("account_id", "register_id", "branch", "through"),
    """ON CONFLICT ("account_id", "register_id", "branch") DO UPDATE
    SET "through" = excluded."through" """,
)
PENDING = Table(
    "live_pending",
    ("account_id", "register_id", "branch", "entry_seq"),
    'ON CONFLICT ("account_id", "register_id", "branch", "entry_seq") DO NOTHING',
)


class Published(msgspec.Struct, frozen=True):
    """``rows`` went out; ``more``: there is more to publish at once."""

    rows: int
    more: bool


def publish_store(store: Store, now: datetime) -> Published:
    """Tell the registers of ``store`` what moved. Opens its own transactions."""
    news = read_news(store, now)
    with engine().transaction() as cursor:
        writer = _Writer(cursor, store, now)
        if writer.lock(store.id) != news.heads:
            return Published(0, True)
        rows = writer.stock(news) + writer.receipts(news)
        if rows:
            beat(UUID(store.account))
        writer.settle(news)
    return Published(rows, news.more)


class _Writer:
    """The statements, in one transaction."""

    def __init__(self, cursor: Cursor, store: Store, now: datetime) -> None:
        self._cursor, self._store, self._db = cursor, store, engine()
        self._account, self._now = self._db.uid(store.account), self._db.moment(now)
        self._heads: dict[str, tuple[int, bytes]] = {}

    def lock(self, store: str) -> dict[str, int]:
        """Lock the heads of a store's live scopes, made if they are new; where they stand."""
        for scope in live_scopes(store):
            self._db.insert(self._cursor, HEAD, [(self._account, scope, 0, GENESIS_CHAIN, 0)])
            self._cursor.execute(
                f"""SELECT seq, chain FROM feed_head h WHERE account_id = %s AND scope = %s
                {self._db.lock("h")}""",
                (self._account, scope),
            )
            seq, chain = self._cursor.fetchone()
            self._heads[scope] = (seq, bytes(chain))
        return {scope: self._heads[scope][0] for scope in live_scopes(store)}

    def stock(self, news: News) -> int:
        """Publish the levels that moved, with what they count; how many those are. One that is back where it
        was goes out too: what it counts has changed (a till's sale and a delivery of as much)."""
        if not news.levels:
            return 0
        scope, _ = live_scopes(self._store.id)
        rows = self._rows(scope, news.levels)
        store = self._db.uid(self._store.id)
        self._db.insert(
            self._cursor,
            STOCK,
            [
                (self._account, store, level.product, row.seq, _decimal(level.milli))
                for level, row in zip(news.levels, rows, strict=True)
            ],
        )
        included, left_out = _json(news.included), _json(news.left_out)
        self._db.insert(
            self._cursor, FIGURES, [(self._account, store, included, left_out, self._now)]
        )
        # Two levels may be alike and count different facts, on either side of a restore: the chain tells.
        counts = FeedRow(scope, rows[-1].seq, "figures", left_out, included.encode())
        self._publication(scope, [*rows, counts])
        return len(rows)

    def _rows(self, scope: str, levels: Sequence[Moved]) -> list[FeedRow]:
        begin = self._heads[scope][0]
        return [
            FeedRow(scope, begin + n, "stock", level.product, encode_level(level.milli))
            for n, level in enumerate(levels, start=1)
        ]

    def receipts(self, news: News) -> int:
        """Give receipts their place in the scope of the store where they were booked."""
        by_store: dict[str, list[Sale]] = {}
        for sale in news.sales:
            by_store.setdefault(sale.store, []).append(sale)
        for store in sorted(by_store.keys() - {self._store.id}):
            self.lock(store)  # its register has moved here since
        for store, sales in by_store.items():
            self._receipts(store, sales)
        return len(news.sales)

    def _receipts(self, store: str, sales: Sequence[Sale]) -> None:
        _, scope = live_scopes(store)
        begin = self._heads[scope][0]
        rows: list[Row] = []
        chained: list[FeedRow] = []
        for n, sale in enumerate(sales, start=begin + 1):
            place = (*self._place(sale.line), sale.seq)
            at = self._db.moment(sale.occurred_at)
            rows.append((*place, self._db.uid(store), n, at))
            # The bytes follow from the place: they are those of the entry, which is never rewritten.
            chained.append(FeedRow(scope, n, "receipt", f"{'/'.join(sale.line)}/{sale.seq}", b""))
        self._db.insert(self._cursor, RECEIPT, rows)
        self._publication(scope, chained)

    def _publication(self, scope: str, rows: Sequence[FeedRow]) -> None:
        seq, chain = rows[-1].seq, next_chain(self._heads[scope][1], rows)
        self._cursor.execute(
            "UPDATE feed_head SET seq = %s, chain = %s WHERE account_id = %s AND scope = %s",
            (seq, chain, self._account, scope),
        )
        made = (self._account, scope, seq, chain, self._now)
        self._db.insert(self._cursor, PUBLICATION, [made])

    def settle(self, news: News) -> None:
        """What was read is dealt with."""
        marks = [(*self._place(line), after) for line, (_, after) in sorted(news.marks.items())]
        self._db.insert(self._cursor, MARK, marks)
        self._db.insert(
            self._cursor, PENDING, [(*self._place(line), seq) for line, seq in news.pending]
        )
        if news.settled:
            self._cursor.executemany(
                """DELETE FROM live_pending WHERE account_id = %s AND register_id = %s
                AND branch = %s AND entry_seq = %s""",
                [(*self._place(line), seq) for line, seq in news.settled],
            )
        read = [(level.product, level.raw) for level in news.levels]
        store = self._db.uid(self._store.id)
        self._db.settle_levels(self._cursor, self._account, store, read)

    def _place(self, line: Line) -> tuple[str, str, str]:
        return self._account, self._db.uid(line[0]), line[1]


def _decimal(milli: int) -> str:
    return f"{milli // 1000}.{milli % 1000:03d}" if milli >= 0 else f"-{_decimal(-milli)}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
