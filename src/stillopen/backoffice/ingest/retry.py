"""Applying held entries again: quarantined ones, and those that wait behind them, in journal order."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from stillopen.backoffice.ingest import store
from stillopen.backoffice.ingest.apply import Application
from stillopen.backoffice.ingest.fact import (
    AFTER_REVOCATION,
    APPLIED,
    BEHIND,
    NEEDS_NEWER,
    QUARANTINE_CODES,
    WAITING,
    Fact,
    Place,
    place_of,
)
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ingest.people import check_people
from stillopen.backoffice.ingest.reading import read_entry
from stillopen.backoffice.ingest.sql import Cursor, engine, when
from stillopen.domain.errors import DomainError
from stillopen.sync.chain import StoredEntry

#: So many held entries are taken up at a time.
CHUNK = 5000
_HELD = "branch, seq, prev_hash, hash, body, received_at, entry_id"
_BY_ITSELF = (*sorted(QUARANTINE_CODES), NEEDS_NEWER, BEHIND)


class Retried(msgspec.Struct, frozen=True):
    """``applied`` of the entries taken up are in the ledger now; ``left`` are still held."""

    applied: int
    left: int


class _Wanted(msgspec.Struct, frozen=True):
    """Which held entries: those with one of ``codes``, and of one ``aggregate`` or ``entry`` if given."""

    codes: tuple[str, ...] = _BY_ITSELF
    entry: str = ""
    aggregate: str = ""


def reapply(
    cursor: Cursor,
    place: Place,
    application: Application,
    wanted: _Wanted | None = None,
) -> Retried:
    """Try the held entries of ``place`` again, in the caller's transaction with the row locked.

    What arrived after a revocation is left alone: that takes a person's yes (:func:`retry_exception`).
    """
    facts = _held(cursor, place, wanted or _Wanted())
    check_people(cursor, facts, place)
    application.run(facts, released={fact.id for fact in facts})
    _keep_outcome(cursor, place, facts, application.now)
    applied = sum(fact.status == APPLIED for fact in facts)
    return Retried(applied, len(facts) - applied)


def retry_register(register: UUID | str, now: datetime) -> Retried:
    """Take up everything of a register that is quarantined or waits behind it."""
    return _run(str(register), now, _Wanted())


def retry_all(account: UUID | str, now: datetime) -> Retried:
    """The same for every register of an account."""
    done = [retry_register(register, now) for register in _registers_with_held(str(account))]
    return Retried(sum(d.applied for d in done), sum(d.left for d in done))


def retry_exception(account: UUID | str, exception: UUID | str, now: datetime) -> Retried:
    """Take up the entry of one exception and what waits behind it; for ``after_revocation`` this is the
    person's yes to everything of that register that arrived after it.

    Error: ``not_found``. An exception without a held entry is marked as seen.
    """
    item = ExceptionItem.objects.filter(account_id=account, id=exception).first()
    if item is None:
        raise DomainError("not_found", "There is no such exception.")
    if item.code == AFTER_REVOCATION:
        wanted = _Wanted(codes=(AFTER_REVOCATION, BEHIND))
    else:
        wanted = _Wanted(entry=item.entry_id, aggregate=_aggregate_of(item))
    done = _run(str(item.register_id), now, wanted)
    if not done.left and item.resolved_at is None:
        ExceptionItem.objects.filter(id=item.id, resolved_at=None).update(resolved_at=now)
    return done


def apply_understood(now: datetime) -> int:
    """After an upgrade: apply what an older server could not understand. Returns how many it was."""
    waiting = Entry.objects.exclude(status=APPLIED).filter(code=NEEDS_NEWER)
    registers = waiting.values_list("register_id", flat=True).distinct()
    wanted = _Wanted(codes=(NEEDS_NEWER, BEHIND))
    return sum(_run(str(register), now, wanted).applied for register in list(registers))


def _run(register: str, now: datetime, wanted: _Wanted) -> Retried:
    """Chunk by chunk, each in a transaction of its own, as long as something moves."""
    applied = left = 0
    while True:
        with engine().transaction() as cursor:
            device = store.lock_device(cursor, register)
            if device is None:
                return Retried(applied, left)
            place = place_of(device.source)
            application = Application(cursor, place, now)
            done = reapply(cursor, place, application, wanted)
            if application.pin_blocked is not None:
                store.set_register(cursor, place, {"blocked": application.pin_blocked})
        applied, left = applied + done.applied, done.left
        if not done.applied or done.applied + done.left < CHUNK:
            return Retried(applied, left)


def _registers_with_held(account: str) -> list[str]:
    held = Entry.objects.filter(account_id=account).exclude(status=APPLIED)
    return [str(r) for r in held.values_list("register_id", flat=True).distinct()]


def _aggregate_of(item: ExceptionItem) -> str:
    entry = Entry.objects.filter(
        account_id=item.account_id, register_id=item.register_id, entry_id=item.entry_id
    ).first()
    return entry.aggregate if entry else ""


def _held(cursor: Cursor, place: Place, wanted: _Wanted) -> list[Fact]:
    one = "AND (entry_id = %s OR (aggregate = %s AND NOT (aggregate = '')))" if wanted.entry else ""
    names = (wanted.entry, wanted.aggregate) if wanted.entry else ()
    cursor.execute(
        f"""SELECT {_HELD} FROM ingest_entry WHERE account_id = %s AND register_id = %s
        AND NOT (status = 'applied') AND {place.db.among("code")} {one}
        ORDER BY branch, seq LIMIT %s""",
        (*place.ids, place.db.many(wanted.codes), *names, CHUNK),
    )
    return [_read_again(row, place) for row in cursor.fetchall()]


def _read_again(row: Sequence[object], place: Place) -> Fact:
    branch, seq, prev_hash, digest, body, received_at, _ = row
    entry = StoredEntry(seq, bytes(prev_hash), bytes(digest), bytes(body))  # type: ignore[call-overload,arg-type]
    received = when(received_at)
    assert received is not None
    return read_entry(entry, place, str(branch), received)


def _keep_outcome(cursor: Cursor, place: Place, facts: Sequence[Fact], now: datetime) -> None:
    """Write what became of each, and close the exceptions of those that are through."""
    if not facts:
        return
    cursor.executemany(
        """UPDATE ingest_entry SET entry_id = %s, kind = %s, aggregate = %s, status = %s, code = %s,
        behind = %s WHERE account_id = %s AND register_id = %s AND branch = %s AND seq = %s""",
        [
            (f.id, f.kind, f.aggregate, f.status, f.code, f.behind, *place.ids, f.branch,
             f.entry.seq)
            for f in facts
        ],
    )  # fmt: skip
    codes = (*QUARANTINE_CODES, AFTER_REVOCATION)
    cursor.executemany(
        f"""UPDATE ingest_exceptionitem SET resolved_at = %s WHERE account_id = %s
        AND register_id = %s AND resolved_at IS NULL AND entry_id = %s AND NOT (code = %s)
        AND {place.db.among("code")}""",
        [
            (place.db.moment(now), *place.ids, f.id, f.code, place.db.many(codes))
            for f in facts
            if f.status != WAITING
        ],
    )
