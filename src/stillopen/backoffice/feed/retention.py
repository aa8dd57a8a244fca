"""What the feed may forget: publications that were succeeded, and records that were deleted, long ago."""

from datetime import datetime, timedelta
from uuid import UUID

from stillopen.backoffice.feed.models import Publication, Published

KEPT = timedelta(days=180)


def forget_old(account_id: UUID, scope: str, now: datetime) -> None:
    """Drop publications and tombstones of ``scope`` that no register can need any more.

    The newest publication from before 180 days ago is kept: a register that has been in step since
    then stands there. Cursors before it are not recognized afterwards and get a snapshot, so the
    tombstones up to it can go. The caller holds the lock of the scope's head.
    """
    publications = Publication.objects.filter(account_id=account_id, scope=scope)
    anchor = publications.filter(published_at__lt=now - KEPT).order_by("-seq").first()
    if anchor is None:
        return
    publications.filter(seq__lt=anchor.seq).delete()
    rows = Published.objects.filter(account_id=account_id, scope=scope, deleted=True)
    rows.filter(seq__lte=anchor.seq).delete()
