"""What takes effect without *Publish*: the stop list, people switched off or new, and their PINs.

Such a change must not carry other drafts of the same record along, so it is made to the record as it
is published.
"""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from stillopen.backoffice.accounts.models import Account, Employee
from stillopen.backoffice.catalogue import kinds
from stillopen.backoffice.feed.publish import RecordChange, published
from stillopen.sync import records

Published = dict[tuple[str, UUID], bytes]  # (scope, record) → bytes


def only_at_once(account: Account, changes: Iterable[RecordChange]) -> list[RecordChange]:
    """Of ``changes`` (whole records, as drafted) the part that takes effect at once."""
    changes = list(changes)
    people = [c for c in changes if c.kind == kinds.EMPLOYEE]
    products = [c for c in changes if c.kind == kinds.PRODUCT]
    others = [c for c in changes if c.kind not in (kinds.EMPLOYEE, kinds.PRODUCT)]
    return others + _stop_marks(account, products) + _people(account, people)


def _stop_marks(account: Account, changes: list[RecordChange]) -> list[RecordChange]:
    """A product that registers do not have, or that is drafted to go, has no stop mark to move."""
    current = _published(account, changes)
    return [
        _patched(change, current[change.scope, change.record], change.payload, "stopped")
        for change in changes
        if change.payload is not None and (change.scope, change.record) in current
    ]


def _people(account: Account, changes: list[RecordChange]) -> list[RecordChange]:
    current = _published(account, changes)
    known = {record for _, record in current}
    ids = {change.record for change in changes}
    active = set(
        Employee.objects.filter(account=account, id__in=ids, active=True).values_list(
            "id", flat=True
        )
    )
    done: list[RecordChange] = []
    for change in changes:
        now = current.get((change.scope, change.record))
        if change.record not in active or change.record not in known:
            done.append(change)  # switched off, or new
        elif now is not None and change.payload is not None:
            done.append(_patched(change, now, change.payload, "pin_hash"))
    return done


def _published(account: Account, changes: Iterable[RecordChange]) -> Published:
    ids: dict[tuple[str, str], set[UUID]] = {}
    for change in changes:
        ids.setdefault((change.scope, change.kind), set()).add(change.record)
    return {
        (scope, record): payload
        for (scope, kind), some in ids.items()
        for record, payload in published(account.id, scope, kind, some).items()
    }


def _patched(change: RecordChange, now: bytes, drafted: bytes, field: str) -> RecordChange:
    value = getattr(records.decode(drafted), field)
    record = msgspec.structs.replace(records.decode(now), **{field: value})
    return RecordChange(change.scope, change.kind, change.record, records.encode(record))
