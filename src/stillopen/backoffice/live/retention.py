"""What the live lane may forget: a till that was away for longer takes stock and receipts from nothing."""

from datetime import datetime, timedelta

from stillopen.backoffice.ingest.sql import engine
from stillopen.sync.live import RECEIPT_DAYS

#: Cursors are recognized for so long. A selling store makes one publication a second.
KEPT = timedelta(days=7)
#: So many rows at a time, so that no sale waits long for the database.
_CHUNK = 5000


def forget_old(now: datetime) -> int:
    """Drop publications that were succeeded more than 7 days ago, and receipts of more than 90 days ago; at
    most a few thousand rows each. Returns how many it was."""
    with engine().transaction() as cursor:
        cursor.execute(
            """SELECT p.account_id, p.scope, p.seq FROM live_publication p
            JOIN feed_head h ON h.account_id = p.account_id AND h.scope = p.scope
            WHERE p.published_at < %s AND p.seq < h.seq LIMIT %s""",
            (engine().moment(now - KEPT), _CHUNK),
        )
        publications = cursor.fetchall()
        cursor.execute(
            """SELECT account_id, register_id, branch, entry_seq FROM live_receipt
            WHERE occurred_at < %s LIMIT %s""",
            (engine().moment(now - timedelta(days=RECEIPT_DAYS)), _CHUNK),
        )
        receipts = cursor.fetchall()
        cursor.executemany(
            "DELETE FROM live_publication WHERE account_id = %s AND scope = %s AND seq = %s",
            publications,
        )
        cursor.executemany(
            """DELETE FROM live_receipt WHERE account_id = %s AND register_id = %s
            AND branch = %s AND entry_seq = %s""",
            receipts,
        )
    return len(publications) + len(receipts)
