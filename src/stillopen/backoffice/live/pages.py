"""Answering a live pull: rows, heads and what the figures count, read in one consistent snapshot."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stillopen.backoffice.feed.pages import read_heads
from stillopen.backoffice.ingest.fact import Source
from stillopen.backoffice.ingest.sql import Cursor, engine, when
from stillopen.backoffice.live.news import milli_of
from stillopen.sync.chain import GENESIS
from stillopen.sync.feed import PullPlan, make_page, plan_pull
from stillopen.sync.lineage import Branch, History, epoch_of, owner
from stillopen.sync.live import encode_level, encode_shared, live_scopes, points
from stillopen.sync.messages import Ack, FeedPage, FeedRow, Pull, Through

#: Rows of a page: a level is next to nothing, a receipt is about two kilobytes.
MAX_ROWS = 1000
MAX_RECEIPTS = 200
LEVELS_PER_RECEIPT = 10


def read_live_page(source: Source, pull: Pull, ack: Ack, whole: bool) -> FeedPage:
    """What the live ``pull`` of a register is answered with; ``ack``: what has just been acknowledged,
    and whether that is its ``whole`` journal.

    Of what the figures count, and do not, only what is about this register is told. Opens a read-only
    transaction of its own, so it must not be called inside one.
    """
    with engine().snapshot() as cursor:
        reader = _Reader(cursor, source)
        heads = read_heads(cursor, source.account, reader.scopes)
        plan = plan_pull(pull, heads.epoch, reader.scopes, reader.chains(pull))
        receipts = min(pull.most or MAX_RECEIPTS, MAX_RECEIPTS)
        most = min(receipts * LEVELS_PER_RECEIPT, MAX_ROWS)
        rows = reader.levels(plan, most + 1)
        if len(rows) <= most:
            most = len(rows) + receipts
            rows += reader.receipts(plan, receipts + 1, pull.without)
        page = make_page(plan, rows, heads.heads, heads.epoch, most)
        if page.more:
            return page
        return reader.with_figures(page, [ack, *pull.lines], None if whole else ack)


class _Reader:
    """The queries, on one snapshot."""

    def __init__(self, cursor: Cursor, source: Source) -> None:
        self._cursor, self._source, self._db = cursor, source, engine()
        self._account = self._db.uid(source.account)
        self._register, self._store = self._db.uid(source.register), self._db.uid(source.store)
        self.scopes = live_scopes(source.store)

    def _all(self, sql: str, *parameters: object) -> list[tuple]:
        self._cursor.execute(sql, parameters)
        return self._cursor.fetchall()

    def chains(self, pull: Pull) -> dict[tuple[str, int], bytes]:
        """The chain hash of each publication that the register says it stands at, as far as kept."""
        found: dict[tuple[str, int], bytes] = {}
        for at in pull.cursors:
            rows = self._all(
                "SELECT chain FROM live_publication WHERE account_id = %s AND scope = %s AND seq = %s",
                self._account,
                at.scope,
                at.seq,
            )
            if rows and at.scope in self.scopes:
                found[at.scope, at.seq] = bytes(rows[0][0])
        return found

    def levels(self, plan: PullPlan, count: int) -> list[FeedRow]:
        scope, _ = self.scopes
        rows = self._all(
            """SELECT seq, product_id, quantity FROM live_stock
            WHERE account_id = %s AND store_id = %s AND seq > %s ORDER BY seq LIMIT %s""",
            self._account,
            self._store,
            plan.since[scope],
            count,
        )
        return [
            FeedRow(scope, seq, "stock", product, encode_level(milli_of(raw)))
            for seq, product, raw in rows
        ]

    def receipts(self, plan: PullPlan, count: int, without: str) -> list[FeedRow]:
        """Those of the register's own epoch ``without`` are left out: it has them."""
        _, scope = self.scopes
        rows = self._all(
            """SELECT l.seq, e.entry_id, e.body FROM live_receipt l JOIN ingest_entry e
            ON e.account_id = l.account_id AND e.register_id = l.register_id
            AND e.branch = l.branch AND e.seq = l.entry_seq
            WHERE l.account_id = %s AND l.store_id = %s AND l.seq > %s
            AND NOT (l.register_id = %s AND l.branch = %s) ORDER BY l.seq LIMIT %s""",
            self._account,
            self._store,
            plan.since[scope],
            self._register,
            without,
            count,
        )
        return [
            FeedRow(scope, seq, "receipt", entry, encode_shared(bytes(body)))
            for seq, entry, body in rows
        ]

    # -- what the figures count

    def with_figures(self, page: FeedPage, ends: Sequence[Ack], unfinished: Ack | None) -> FeedPage:
        """Add what the register needs to know in order to count each of its own facts exactly once."""
        rows = self._all(
            "SELECT included, left_out, as_of FROM live_figures WHERE account_id = %s AND store_id = %s",
            self._account,
            self._store,
        )
        if not rows:
            return page
        included, left_out, as_of = rows[0]
        every = msgspec.json.decode(included, type=dict[str, dict[str, tuple[int, str]]])
        ours = every.get(self._source.register)
        held = msgspec.json.decode(left_out, type=dict[str, list[str]])
        return msgspec.structs.replace(
            page,
            included=tuple(
                self._booked_elsewhere() if ours is None else self._through(ours, ends, unfinished)
            ),
            left_out=tuple(held.get(self._source.register, ())),
            as_of=when(as_of),
        )

    def _through(
        self, ours: Mapping[str, tuple[int, str]], ends: Sequence[Ack], unfinished: Ack | None
    ) -> Iterable[Through]:
        """As published; and where its journal ends on another line, how far that one is counted."""
        told = {branch: (seq, bytes.fromhex(digest)) for branch, (seq, digest) in ours.items()}
        seqs = {branch: seq for branch, (seq, _) in told.items()}
        histories = self._histories(ends)
        for branch, seq in points(ends, histories, seqs, unfinished):
            if seqs.get(branch) != seq:
                yield from self._at(branch, seq)
        for branch, (seq, digest) in told.items():
            yield Through(self._source.register, branch, seq, digest)

    def _histories(self, ends: Sequence[Ack]) -> dict[str, History]:
        rows = self._all(
            """SELECT branch, acked_seq, acked_hash, parent, base_seq FROM devices_epoch
            WHERE account_id = %s AND register_id = %s ORDER BY created_at, branch""",
            self._account,
            self._register,
        )
        found: dict[str, History] = {}
        for end in ends:
            branches = tuple(
                Branch(name, seq, bytes(digest), parent, base)
                for name, seq, digest, parent, base in rows
                if epoch_of(name) == end.epoch
            )
            found[end.epoch] = History(branches, self._held(branches, end.seq))
        return found

    def _held(self, branches: tuple[Branch, ...], seq: int) -> dict[tuple[str, int], bytes]:
        """The hash of entry ``seq`` on each line, where it is not the line's end."""
        bare = History(branches)
        names = {owner(b, seq, bare) for b in branches if 0 < seq <= b.seq}
        return {(t.branch, seq): t.hash for name in sorted(names) for t in self._at(name, seq)}

    def _at(self, branch: str, seq: int) -> list[Through]:
        if seq == 0:
            return [Through(self._source.register, branch, 0, GENESIS)]
        rows = self._all(
            """SELECT hash FROM ingest_entry WHERE account_id = %s AND register_id = %s
            AND branch = %s AND seq = %s""",
            self._account,
            self._register,
            branch,
            seq,
        )
        return [Through(self._source.register, branch, seq, bytes(row[0])) for row in rows]

    def _booked_elsewhere(self) -> Iterable[Through]:
        """The register came to the store after its figures were made: they count nothing of it, but what
        was booked in its former store is none of this one's either."""
        rows = self._all(
            """SELECT branch, MAX(seq) FROM ledger_receipt
            WHERE account_id = %s AND register_id = %s AND NOT (store_id = %s) GROUP BY branch""",
            self._account,
            self._register,
            self._store,
        )
        return [through for branch, seq in rows for through in self._at(branch, seq)]
