"""Reading the feed: a page is read together with all heads in one consistent snapshot."""

from collections.abc import Iterable, Sequence

from stillopen.backoffice.feed.digests import read_digests
from stillopen.backoffice.feed.heads import Heads, read_heads, scopes_of
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine
from stillopen.sync import messages
from stillopen.sync.feed import PAGE_ROWS, PullPlan, make_page, plan_pull
from stillopen.sync.messages import FeedPage, FeedRow, Pull

__all__ = ["Heads", "read_heads", "read_page", "scopes_of"]


def read_page(account: str, scopes: Sequence[str], pull: Pull, limit: int = PAGE_ROWS) -> FeedPage:
    """What ``pull`` is answered with: at most ``limit`` rows, and with the last of them heads and digests.

    Opens a read-only transaction of its own, so it must not be called inside one.
    """
    with engine().snapshot() as cursor:
        heads = read_heads(cursor, account, scopes)
        known = _chains(cursor, account, [c for c in pull.cursors if c.scope in scopes])
        plan = plan_pull(pull, heads.epoch, scopes, known)
        rows = _rows(cursor, account, scopes, plan, limit + 1)
        last = len(rows) <= limit
        digests = read_digests(cursor, account, scopes) if last else ()
    return make_page(plan, rows, heads.heads, heads.epoch, limit, digests)


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
    db = engine()
    rows: list[FeedRow] = []
    for scope in scopes:
        condition, parameters = "", []
        if kinds := plan.mended(scope):
            condition = f"AND (seq > %s OR {db.among('kind')})"
            parameters = [plan.news[scope], db.many(kinds)]
        cursor.execute(
            f"""SELECT seq, kind, record, payload, deleted FROM feed_published
            WHERE account_id = %s AND scope = %s AND seq > %s {condition} ORDER BY seq LIMIT %s""",
            (db.uid(account), scope, plan.since[scope], *parameters, count - len(rows)),
        )
        rows += [
            FeedRow(scope, seq, kind, canonical(record), bytes(payload), bool(deleted))
            for seq, kind, record, payload, deleted in cursor.fetchall()
        ]
        if len(rows) >= count:
            break
    return rows
