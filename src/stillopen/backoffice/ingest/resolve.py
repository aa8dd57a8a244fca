"""Settling an exception: one function per fix, each in one transaction, each leaving a record of who
decided what. The bytes of an entry are never touched."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stillopen.backoffice.accounts.models import User
from stillopen.backoffice.ingest import fixes, store
from stillopen.backoffice.ingest.decisions import SETTLED, decision_row, spot_of
from stillopen.backoffice.ingest.fact import (
    AFTER_REVOCATION,
    APPLIED,
    BEHIND,
    QUARANTINE_CODES,
    Place,
    place_of,
)
from stillopen.backoffice.ingest.fact import SET_ASIDE as ASIDE
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ingest.retry import (
    Retried,
    Wanted,
    apply_again,
    entry_of,
    retry_exception,
    run,
    wanted_of,
)
from stillopen.backoffice.ingest.sql import Cursor, engine
from stillopen.backoffice.ingest.tables import DECISION
from stillopen.domain.errors import DomainError


@dataclass(frozen=True)
class Decider:
    """Who decides: ``user`` for permissions (None: a token or the command line), ``name`` for the record,
    ``note`` what they say about it."""

    name: str
    user: User | None = None
    note: str = ""

    @property
    def details(self) -> dict[str, object]:
        return {"note": self.note[:500]} if self.note else {}


def open_item(account: UUID, exception: UUID, fix: str) -> tuple[ExceptionItem, Entry | None]:
    """The exception, with its entry. Errors: ``not_found``, ``settled``, ``fix_not_possible``."""
    item = ExceptionItem.objects.filter(account_id=account, id=exception).first()
    if item is None:
        raise DomainError("not_found", "There is no such exception.")
    if item.resolved_at is not None:
        raise DomainError("settled", "This exception is settled already.")
    entry = entry_of(item)
    possible = fixes.fixes_for(item, entry)
    if fix not in possible:
        raise DomainError(
            "fix_not_possible",
            f"This cannot settle {item.code}; possible are: {', '.join(possible)}.",
            fixes=list(possible),
        )
    return item, entry


def settle(account: UUID, exception: UUID, fix: str, by: Decider, now: datetime) -> Retried:
    """Retry, accept, set aside or mark as seen. Errors as of :func:`open_item`."""
    item, _ = open_item(account, exception, fix)
    if fix == fixes.RETRY:
        return retry_exception(account, exception, now, by.name)
    if fix == fixes.ACCEPT:
        return _accept(item, by, now)
    with engine().transaction() as cursor:
        place = locked(cursor, item)
        if fix == fixes.SET_ASIDE:
            return _set_aside(cursor, place, item, by, now)
        _close(cursor, place, item, now)
        record(cursor, place, item, fix, by, now)
    return Retried(0, 0)


def _accept(item: ExceptionItem, by: Decider, now: datetime) -> Retried:
    """Book it as it stands, passing over what is wrong with it."""
    done = run(str(item.register_id), now, wanted_of(item, accept=True), by.name)
    if not done.left:
        ExceptionItem.objects.filter(id=item.id, resolved_at=None).update(resolved_at=now)
    return done


def _set_aside(
    cursor: Cursor, place: Place, item: ExceptionItem, by: Decider, now: datetime
) -> Retried:
    """Book nothing of it and hold nothing up with it; what waited behind it goes on."""
    revoked = item.code == AFTER_REVOCATION
    spot = spot_of(item)
    assert spot is not None  # or it could not be set aside
    one, which = (
        ("code = %s", (AFTER_REVOCATION,)) if revoked else ("branch = %s AND seq = %s", spot)
    )
    aggregate = "" if revoked else _aggregate(item)
    cursor.execute(
        f"""UPDATE ingest_entry SET status = %s, code = %s, behind = '' WHERE account_id = %s
        AND register_id = %s AND NOT (status = 'applied') AND {one}""",
        (APPLIED, ASIDE, *place.ids, *which),
    )
    if not cursor.rowcount:
        raise DomainError("settled", "This exception is settled already.")
    record(cursor, place, item, fixes.SET_ASIDE, by, now, {"entries": cursor.rowcount})
    _close(cursor, place, item, now, whole_register=revoked)
    wanted = Wanted(codes=(BEHIND,)) if revoked else Wanted(aggregate=aggregate)
    return (
        apply_again(cursor, place, wanted, by.name, now) if revoked or aggregate else Retried(0, 0)
    )


def _aggregate(item: ExceptionItem) -> str:
    entry = entry_of(item)
    return entry.aggregate if entry else ""


def locked(cursor: Cursor, item: ExceptionItem) -> Place:
    """The register's row is locked first, as everywhere."""
    device = store.lock_device(cursor, str(item.register_id))
    if device is None:
        raise DomainError("not_found", "There is no such register.")
    return place_of(device.source)


def _close(
    cursor: Cursor, place: Place, item: ExceptionItem, now: datetime, whole_register: bool = False
) -> None:
    """Close it, and what else was filed because its entry is held."""
    codes = (AFTER_REVOCATION,) if whole_register else tuple(QUARANTINE_CODES)
    entry = "" if whole_register else "AND entry_id = %s AND NOT (entry_id = '')"
    names = () if whole_register else (item.entry_id,)
    held = item.code in (*QUARANTINE_CODES, AFTER_REVOCATION)
    also = f"OR ({place.db.among('code')} {entry})" if held else ""
    cursor.execute(
        f"""UPDATE ingest_exceptionitem SET resolved_at = %s WHERE account_id = %s
        AND register_id = %s AND resolved_at IS NULL AND (id = %s {also})""",
        (
            place.db.moment(now),
            *place.ids,
            place.db.uid(str(item.id)),
            *((place.db.many(codes), *names) if held else ()),
        ),
    )
    if not cursor.rowcount:
        raise DomainError("settled", "This exception is settled already.")


def record(
    cursor: Cursor,
    place: Place,
    item: ExceptionItem,
    fix: str,
    by: Decider,
    now: datetime,
    details: Mapping[str, object] | None = None,
) -> None:
    """Keep who decided what."""
    about = {**by.details, **(details or {})}
    row = decision_row(
        place, spot_of(item), fix, item.code, SETTLED, by.name, now, about, str(item.id)
    )
    place.db.insert(cursor, DECISION, [row])
