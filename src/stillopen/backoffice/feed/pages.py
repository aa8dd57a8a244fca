"""Reading the feed: a page is read together with all heads in one consistent snapshot."""

from collections.abc import Iterable, Sequence

from stillopen.backoffice.feed.epoch import server_epoch
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine
from stillopen.sync import messages
from stillopen.sync.feed import (
    GENESIS_CHAIN,
    PAGE_ROWS,
    PullPlan,
    cursors_hash,
    make_page,
    plan_pull,
)
from stillopen.sync.messages import FeedPage, FeedRow, Pull


class Heads:
    """Where the scopes of a register stand now, and in which history of the server."""

    def __init__(self, epoch: str, heads: Sequence[messages.Cursor]) -> None:
        self.epoch, self.heads = epoch, tuple(heads)

    @property
    def hash(self) -> bytes:
        return cursors_hash(self.epoch, self.heads)

    @property
    def seqs(self) -> dict[str, int]:
        return {head.scope: head.seq for head in self.heads}


def scopes_of(store: str, register: str) -> tuple[str, ...]:
    """As devices.scopes.scopes_of, from canonical ids."""
    return ("account", f"store:{store}", f"register:{register}")


def read_heads(cursor: Cursor, account: str, scopes: Sequence[str]) -> Heads:
    """One cursor per scope, in the order of ``scopes``; a scope without publications stands at 0."""
    db = engine()
    cursor.execute("SELECT epoch FROM feed_serverepoch WHERE id = 1")
    row = cursor.fetchone()
    epoch = row[0] if row else server_epoch()
    cursor.execute(
        f"""SELECT scope, seq, chain FROM feed_head
        WHERE account_id = %s AND {db.among("scope")}""",
        (db.uid(account), db.many(scopes)),
    )
    known = {scope: (seq, bytes(chain)) for scope, seq, chain in cursor.fetchall()}
    heads = [messages.Cursor(s, *known.get(s, (0, GENESIS_CHAIN))) for s in scopes]
    return Heads(epoch, heads)


def read_page(account: str, scopes: Sequence[str], pull: Pull, limit: int = PAGE_ROWS) -> FeedPage:
    """What ``pull`` is answered with: at most ``limit`` rows, and the heads with the last of them.

    Opens a read-only transaction of its own, so it must not be called inside one.
    """
    with engine().snapshot() as cursor:
        heads = read_heads(cursor, account, scopes)
        known = _chains(cursor, account, [c for c in pull.cursors if c.scope in scopes])
        plan = plan_pull(pull, heads.epoch, scopes, known)
        rows = _rows(cursor, account, scopes, plan, limit + 1)
    return make_page(plan, rows, heads.heads, heads.epoch, limit)


def _chains(
    cursor: Cursor, account: str, cursors: Iterable[messages.Cursor]
) -> dict[tuple[str, int], bytes]:
    """The chain hash of each publication that a register says it stands at, as far as kept."""
    found: dict[tuple[str, int], bytes] = {}
    for at in cursors:
        cursor.execute(
            "SELECT chain FROM feed_publication WHERE account_id = %s AND scope = %s AND seq = %s",
            (engine().uid(account), at.scope, at.seq),
        )
        row = cursor.fetchone()
        if row:
            found[at.scope, at.seq] = bytes(row[0])
    return found


def _rows(
    cursor: Cursor, account: str, scopes: Sequence[str], plan: PullPlan, count: int
) -> list[FeedRow]:
    """The first ``count`` rows after ``plan.since``, in scope order, then seq order."""
    rows: list[FeedRow] = []
    for scope in scopes:
        cursor.execute(
            """SELECT seq, kind, record, payload, deleted FROM feed_published
            WHERE account_id = %s AND scope = %s AND seq > %s ORDER BY seq LIMIT %s""",
            (engine().uid(account), scope, plan.since[scope], count - len(rows)),
        )
        rows += [
            FeedRow(scope, seq, kind, canonical(record), bytes(payload), bool(deleted))
            for seq, kind, record, payload, deleted in cursor.fetchall()
        ]
        if len(rows) >= count:
            break
    return rows
