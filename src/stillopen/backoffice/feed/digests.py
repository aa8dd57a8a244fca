"""The digests of what is published, kept with each publication; see sync/digest.py."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from stillopen.backoffice.feed import models
from stillopen.backoffice.ingest.sql import Cursor, engine
from stillopen.sync import digest, messages
from stillopen.sync.messages import FeedRow


def keep_digests(
    account_id: UUID, scope: str, before: Iterable[models.Published], rows: Iterable[FeedRow]
) -> None:
    """Move the sums of ``scope``: ``rows`` took the place of those among ``before`` that they name.

    The caller holds the lock of the scope's head.
    """
    old = {(row.kind, str(row.record)): row for row in before if not row.deleted}
    moved: digest.Sums = {}
    for row in rows:
        was = old.get((row.kind, row.id))
        if was is not None:
            gone = digest.row_digest(row.kind, row.id, bytes(was.payload))
            digest.add(moved, (scope, row.kind), -gone)
        if not row.deleted:
            digest.add(moved, (scope, row.kind), digest.row_digest(row.kind, row.id, row.payload))
    _move(account_id, scope, moved)


def _move(account_id: UUID, scope: str, moved: digest.Sums) -> None:
    kinds = [kind for _, kind in moved]
    found = models.Digest.objects.filter(account_id=account_id, scope=scope, kind__in=kinds)
    sums = {(scope, row.kind): digest.from_bytes(bytes(row.sum)) for row in found}
    digest.merge(sums, moved)
    models.Digest.objects.bulk_create(
        [
            models.Digest(account_id=account_id, scope=scope, kind=kind, sum=digest.to_bytes(value))
            for (_, kind), value in sorted(sums.items())
        ],
        update_conflicts=True,
        unique_fields=["account_id", "scope", "kind"],
        update_fields=["sum"],
    )


def read_digests(
    cursor: Cursor, account: str, scopes: Sequence[str]
) -> tuple[messages.Digest, ...]:
    """Of every (scope, kind) of ``scopes`` that has rows."""
    db = engine()
    cursor.execute(
        f"""SELECT scope, kind, sum FROM feed_digest
        WHERE account_id = %s AND {db.among("scope")} ORDER BY scope, kind""",
        (db.uid(account), db.many(scopes)),
    )
    found = [messages.Digest(scope, kind, bytes(value)) for scope, kind, value in cursor.fetchall()]
    return tuple(one for one in found if any(one.sum))
