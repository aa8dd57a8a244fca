"""Publishing: records get sequence numbers in the order in which they are committed.

Every publication first locks the head of its account's ``account`` scope, then the heads of the
other scopes it touches (account, stores, registers), and commits at once. So within a scope the
commit order is the sequence order, a reader never meets a gap, and nobody waits in a circle. Ingest
never touches the heads.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from stillopen.backoffice.feed import models
from stillopen.backoffice.feed.digests import keep_digests
from stillopen.backoffice.feed.retention import forget_old
from stillopen.backoffice.feed.wake import announce
from stillopen.sync.feed import GENESIS_CHAIN, next_chain, scope_rank
from stillopen.sync.messages import FeedRow

ACCOUNT_SCOPE = "account"
_CHUNK = 1000


class RecordChange(msgspec.Struct, frozen=True):
    """What a record shall be in a scope: its bytes (``sync.records.encode``), or None for deleted."""

    scope: str
    kind: str
    record: UUID
    payload: bytes | None


class Publication(msgspec.Struct, frozen=True):
    """The account's publication ``number`` and how many rows it gave new sequence numbers.

    With ``records`` 0 nothing differed, nothing was published, and ``number`` is the last one's.
    """

    number: int
    records: int


def publish(account_id: UUID, changes: Sequence[RecordChange], by: str) -> Publication:
    """Publish ``changes`` in a transaction of its own; ``by`` says who, in words.

    Must not be called inside a transaction (Django raises RuntimeError): the locks are held as
    shortly as can be. When a record comes twice, the last one counts.
    """
    with transaction.atomic(durable=True):
        lock_account(account_id)
        return write(account_id, changes, by)


def lock_account(account_id: UUID) -> None:
    """Wait until no other publication of this account is under way; held until the transaction ends."""
    _locked_head(account_id, ACCOUNT_SCOPE)


def write(account_id: UUID, changes: Iterable[RecordChange], by: str) -> Publication:
    """Write what differs. The caller holds :func:`lock_account` and commits right after."""
    by_scope: dict[str, dict[tuple[str, UUID], RecordChange]] = defaultdict(dict)
    for change in changes:
        by_scope[change.scope][change.kind, change.record] = change
    now = timezone.now()
    number = _locked_head(account_id, ACCOUNT_SCOPE).publications + 1
    records = 0
    for scope in sorted(by_scope, key=scope_rank):
        rows = _write_scope(account_id, scope, list(by_scope[scope].values()), now)
        if rows:
            _write_publication(account_id, scope, rows, number, by, now)
            forget_old(account_id, scope, now)
        records += len(rows)
    if not records:
        return Publication(number - 1, 0)
    models.Head.objects.filter(account_id=account_id, scope=ACCOUNT_SCOPE).update(
        publications=number
    )
    beat(account_id)
    return Publication(number, records)


def beat(account_id: UUID) -> None:
    """Count the account's pulse up, so that its poke streams look again: at once after the commit."""
    _, made = models.Pulse.objects.get_or_create(account_id=account_id, defaults={"count": 1})
    if not made:
        models.Pulse.objects.filter(account_id=account_id).update(count=F("count") + 1)
    announce(account_id)


def published(
    account_id: UUID, scope: str, kind: str, records: Iterable[UUID]
) -> dict[UUID, bytes]:
    """The bytes that registers see now of those ``records`` that are published and not deleted."""
    return {
        row.record: bytes(row.payload)
        for row in _rows(account_id, scope, kind, records)
        if not row.deleted
    }


def _locked_head(account_id: UUID, scope: str) -> models.Head:
    """The head of ``scope``, made if it is new, locked (on SQLite the whole database is)."""
    heads = models.Head.objects
    key = {"account_id": account_id, "scope": scope}
    head = heads.select_for_update().filter(**key).first()
    if head is None:
        heads.bulk_create([models.Head(**key, chain=GENESIS_CHAIN)], ignore_conflicts=True)
        head = heads.select_for_update().get(**key)
    return head


def _rows(
    account_id: UUID, scope: str, kind: str, records: Iterable[UUID]
) -> Iterator[models.Published]:
    ids = list(records)
    for start in range(0, len(ids), _CHUNK):
        yield from models.Published.objects.filter(
            account_id=account_id, scope=scope, kind=kind, record__in=ids[start : start + _CHUNK]
        )


def _write_scope(
    account_id: UUID, scope: str, changes: Sequence[RecordChange], now: datetime
) -> list[FeedRow]:
    """Give each change that differs the next seq of ``scope``; returns the rows as registers get them."""
    old = _present(account_id, scope, changes)
    different = [c for c in changes if _differs(old.get((c.kind, c.record)), c.payload)]
    if not different:
        return []
    head = _locked_head(account_id, scope)
    rows = [
        FeedRow(scope, head.seq + i, c.kind, str(c.record), c.payload or b"", c.payload is None)
        for i, c in enumerate(different, start=1)
    ]
    new = [
        models.Published(
            account_id=account_id,
            scope=scope,
            kind=change.kind,
            record=change.record,
            seq=row.seq,
            version=_next_version(old.get((change.kind, change.record))),
            payload=row.payload,
            deleted=row.deleted,
            published_at=now,
        )
        for change, row in zip(different, rows, strict=True)
    ]
    models.Published.objects.bulk_create(
        new,
        batch_size=_CHUNK,
        update_conflicts=True,
        unique_fields=["account_id", "scope", "kind", "record"],
        update_fields=["seq", "version", "payload", "deleted", "published_at"],
    )
    keep_digests(account_id, scope, old.values(), rows)
    return rows


def _present(
    account_id: UUID, scope: str, changes: Iterable[RecordChange]
) -> dict[tuple[str, UUID], models.Published]:
    """The rows that ``changes`` are about, as far as there are any."""
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for change in changes:
        wanted[change.kind].add(change.record)
    return {
        (row.kind, row.record): row
        for kind, records in wanted.items()
        for row in _rows(account_id, scope, kind, records)
    }


def _differs(old: models.Published | None, payload: bytes | None) -> bool:
    if old is None or old.deleted:
        return payload is not None
    return payload is None or bytes(old.payload) != payload


def _next_version(old: models.Published | None) -> int:
    return 1 if old is None else old.version + 1


def _write_publication(
    account_id: UUID, scope: str, rows: Sequence[FeedRow], number: int, by: str, now: datetime
) -> None:
    head = _locked_head(account_id, scope)
    seq, chain = rows[-1].seq, next_chain(bytes(head.chain), rows)
    models.Publication.objects.create(
        account_id=account_id,
        scope=scope,
        seq=seq,
        chain=chain,
        records=len(rows),
        published_at=now,
        published_by=by[:150],
        number=number,
    )
    models.Head.objects.filter(account_id=account_id, scope=scope).update(seq=seq, chain=chain)
