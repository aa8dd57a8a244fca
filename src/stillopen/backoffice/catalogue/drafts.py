"""Draft changes: which records were edited since they were published, by whom, and what in words.

The edited tables are the drafts themselves; a row here says that one of their records is to be looked at
when somebody publishes. Write it in the transaction that changes the record.
"""

from collections.abc import Iterable
from uuid import UUID, uuid4

from django.utils import timezone

from stillopen.backoffice.accounts.models import Account, User
from stillopen.backoffice.catalogue.kinds import Key
from stillopen.backoffice.catalogue.models import DraftChange

_CHUNK = 500
_WHAT = 200


def record_change(
    account: Account, kind: str, record_id: UUID, what: str, user: User | None
) -> None:
    """Note that ``user`` (None: command line, API) changed the record; a later note replaces an earlier."""
    record_changes(account, [(kind, record_id)], what, user)


def record_changes(account: Account, keys: Iterable[Key], what: str, user: User | None) -> None:
    """:func:`record_change` for many records at once."""
    now = timezone.now()
    rows = [
        DraftChange(
            account=account,
            kind=kind,
            record=record,
            what=what[:_WHAT],
            changed_at=now,
            changed_by=user,
            mark=uuid4(),
        )
        for kind, record in keys
    ]
    DraftChange.objects.bulk_create(
        rows,
        batch_size=_CHUNK,
        update_conflicts=True,
        unique_fields=["account", "kind", "record"],
        update_fields=["what", "changed_at", "changed_by", "mark"],
    )


def pending(account: Account) -> list[DraftChange]:
    """Everything changed and not published, oldest first."""
    changes = DraftChange.objects.filter(account=account).select_related("changed_by")
    return list(changes.order_by("changed_at", "id"))


def pending_count(account: Account) -> int:
    return DraftChange.objects.filter(account=account).count()


def pending_of(account: Account, keys: Iterable[Key]) -> list[DraftChange]:
    """Those of the pending changes that are about ``keys``."""
    wanted = set(keys)
    records = list({record for _, record in wanted})
    found: list[DraftChange] = []
    for start in range(0, len(records), _CHUNK):
        some = DraftChange.objects.filter(
            account=account, record__in=records[start : start + _CHUNK]
        ).select_related("changed_by")
        found += [change for change in some if (change.kind, change.record) in wanted]
    return found


def forget(changes: Iterable[DraftChange]) -> None:
    """Drop ``changes`` that were published, except those that were changed again in the meantime."""
    marks = [change.mark for change in changes]
    for start in range(0, len(marks), _CHUNK):
        DraftChange.objects.filter(mark__in=marks[start : start + _CHUNK]).delete()
