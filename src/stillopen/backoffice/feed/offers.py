"""Whether a register is told of a snapshot file instead of getting pages."""

import logging
import sqlite3

from stillopen.backoffice.feed.heads import Heads
from stillopen.backoffice.feed.snapshot_files import File, make
from stillopen.backoffice.ingest.sql import engine
from stillopen.sync.messages import Cursor, Pull, SnapshotOffer
from stillopen.sync.snapshot import FORMAT, WORTH

log = logging.getLogger(__name__)

SCOPE = "account"
#: Rows that make a file worth it for a register that has nothing yet. The simulator's shop is small; it puts
#: smaller figures here.
worth = WORTH
#: A register that is behind by this many rows, and by half of what there is, is quicker with the file.
far_behind = 20_000


def offer(account: str, heads: Heads, pull: Pull) -> SnapshotOffer | None:
    """The file for ``pull``, made if it is not there yet; None where pages are as good, or must do.

    ``heads`` are those of the register. Opens transactions of its own.
    """
    head = next(h for h in heads.heads if h.scope == SCOPE)
    fresh = pull.snapshot or pull.server_epoch != heads.epoch
    behind = head.seq - (0 if fresh else _stands_at(pull))
    if FORMAT not in pull.formats or pull.staged or pull.repair:
        return None
    if behind <= (worth if fresh else far_behind):
        return None
    if not _is_worth_it(account, worth if fresh else 0, 0 if fresh else behind * 2):
        return None
    try:
        file = make(account, heads.epoch, head.seq)
    except (OSError, sqlite3.Error):
        log.exception(
            "no snapshot of the account %s could be made; its registers get pages", account
        )
        return None
    return _told(account, file) if file is not None else None


def is_large(account: str) -> bool:
    """Whether a file is worth it for a register that has nothing yet."""
    return _is_worth_it(account, worth, 0)


def _stands_at(pull: Pull) -> int:
    return next((c.seq for c in pull.cursors if c.scope == SCOPE), 0)


def _is_worth_it(account: str, more_than: int, at_most: int) -> bool:
    """Whether the account has more rows than ``more_than``, and at most ``at_most`` (0: any number)."""
    limit = max(more_than, at_most) + 1
    with engine().snapshot() as cursor:
        cursor.execute(
            """SELECT count(*) FROM (SELECT 1 FROM feed_published
            WHERE account_id = %s AND scope = %s AND NOT deleted LIMIT %s) AS present""",
            (engine().uid(account), SCOPE, limit),
        )
        rows: int = cursor.fetchone()[0]
    return rows > more_than and (not at_most or rows <= at_most)


def _told(account: str, file: File) -> SnapshotOffer | None:
    """What the register is told; None (and the file is gone) when where it ends has been forgotten."""
    with engine().snapshot() as cursor:
        cursor.execute(
            "SELECT chain FROM feed_publication WHERE account_id = %s AND scope = %s AND seq = %s",
            (engine().uid(account), SCOPE, file.seq),
        )
        row = cursor.fetchone()
    if row is None:
        file.path.unlink(missing_ok=True)
        return None
    return SnapshotOffer(
        hash=file.hash,
        size=file.size,
        format=FORMAT,
        server_epoch=file.epoch,
        head=Cursor(SCOPE, file.seq, bytes(row[0])),
        rows=file.rows,
    )
