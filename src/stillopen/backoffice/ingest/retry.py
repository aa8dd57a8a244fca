"""Applying held entries again: quarantined ones, and those that wait behind them, in journal order."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from stillopen.backoffice.ingest import store
from stillopen.backoffice.ingest.apply import Application
from stillopen.backoffice.ingest.decisions import (
    Spot,
    accepted_codes,
    close_exceptions,
    keep_tries,
    mark_seen,
    reopen_exceptions,
    spot_of,
)
from stillopen.backoffice.ingest.fact import (
    AFTER_REVOCATION,
    APPLIED,
    BEHIND,
    NEEDS_NEWER,
    QUARANTINE_CODES,
    Fact,
    Place,
    place_of,
)
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ingest.people import check_people
from stillopen.backoffice.ingest.products import UNKNOWN
from stillopen.backoffice.ingest.reading import read_entry
from stillopen.backoffice.ingest.sql import Cursor, engine, when
from stillopen.domain.errors import DomainError
from stillopen.sync.chain import StoredEntry
from stillopen.sync.reasons import reason_of

#: So many held entries are taken up at a time.
CHUNK = 5000
_HELD = "branch, seq, prev_hash, hash, body, received_at, entry_id, code"
_BY_ITSELF = (*sorted(QUARANTINE_CODES), NEEDS_NEWER, BEHIND)

AT_THE_TILL, AT_THE_SERVER, UPGRADE = "at the register", "Back Office", "the upgrade"


class Retried(msgspec.Struct, frozen=True):
    """``applied`` of the entries taken up are in the ledger now; ``left`` are still held, for the reasons
    ``why`` (sentences, each once). ``to``: up to where they were taken up, where there may be more."""

    applied: int
    left: int
    why: tuple[str, ...] = ()
    to: Spot | None = None


class Wanted(msgspec.Struct, frozen=True):
    """Which held entries: those with one of ``codes``, and of one ``aggregate`` or ``entry`` if given.

    ``accept``: of the entry at a place, the code that a person has just said to pass over. ``after``: those
    that come behind that place.
    """

    codes: tuple[str, ...] = _BY_ITSELF
    entry: str = ""
    aggregate: str = ""
    accept: Mapping[Spot, str] = {}
    after: Spot = ("", 0)


class Held(msgspec.Struct, frozen=True):
    """A held entry read again, and how it was held before."""

    fact: Fact
    entry_id: str
    code: str

    @property
    def spot(self) -> Spot:
        return self.fact.branch, self.fact.entry.seq


def reapply(
    cursor: Cursor,
    place: Place,
    application: Application,
    wanted: Wanted | None = None,
    by: str = AT_THE_TILL,
) -> Retried:
    """Try the held entries of ``place`` again, in the caller's transaction with the row locked.

    What arrived after a revocation is left alone: that takes a person's yes (:func:`retry_exception`).
    """
    wanted = wanted or Wanted()
    held = _held(cursor, place, wanted)
    facts = [h.fact for h in held]
    check_people(cursor, facts, place)
    application.run(facts, released={h.entry_id for h in held} | {f.id for f in facts})
    _keep_outcome(cursor, place, held, application.now)
    _keep_tries(cursor, place, held, wanted, by, application.now)
    applied = sum(fact.status == APPLIED for fact in facts)
    to = held[-1].spot if len(held) == CHUNK else None
    return Retried(applied, len(facts) - applied, _why(facts), to)


def retry_register(register: UUID | str, now: datetime, by: str = AT_THE_SERVER) -> Retried:
    """Take up everything of a register that is quarantined or waits behind it."""
    return run(str(register), now, Wanted(), by)


def retry_all(account: UUID | str, now: datetime, by: str = AT_THE_SERVER) -> Retried:
    """The same for every register of an account."""
    return together([retry_register(r, now, by) for r in _registers_with_held(str(account))])


def together(done: Sequence[Retried]) -> Retried:
    """Several as one."""
    why = tuple(dict.fromkeys(reason for d in done for reason in d.why))
    return Retried(sum(d.applied for d in done), sum(d.left for d in done), why)


def retry_exception(
    account: UUID | str, exception: UUID | str, now: datetime, by: str = AT_THE_SERVER
) -> Retried:
    """Take up the entry of one exception and what waits behind it; for ``after_revocation`` this is the
    person's yes to everything of that register that arrived after it.

    Error: ``not_found``. An exception that only tells of something is marked as seen.
    """
    item = ExceptionItem.objects.filter(account_id=account, id=exception).first()
    if item is None:
        raise DomainError("not_found", "There is no such exception.")
    entry = entry_of(item)
    if entry is not None and entry.status != APPLIED:
        done = run(str(item.register_id), now, wanted_of(item), by)
        if not done.left:
            ExceptionItem.objects.filter(id=item.id, resolved_at=None).update(resolved_at=now)
        return done
    if item.resolved_at is None and item.code != UNKNOWN:
        mark_seen(item, by, now)
    return Retried(0, 0)


def wanted_of(item: ExceptionItem, accept: bool = False) -> Wanted:
    """The entries that an exception is about, with what waits behind them."""
    spot = spot_of(item)
    passed = {spot: item.code} if accept and spot else {}
    if item.code == AFTER_REVOCATION:
        return Wanted(codes=(AFTER_REVOCATION, BEHIND), accept=passed)
    entry = entry_of(item)
    if entry is None:
        return Wanted(codes=())
    return Wanted(entry=entry.entry_id, aggregate=entry.aggregate, accept=passed)


def entry_of(item: ExceptionItem) -> Entry | None:
    """The entry that an exception is about, if it is about one."""
    spot = spot_of(item)
    if spot is None:
        return None
    return Entry.objects.filter(pk=(item.account_id, item.register_id, *spot)).first()


def apply_understood(now: datetime) -> int:
    """After an upgrade: apply what an older server could not understand. Returns how many it was."""
    waiting = Entry.objects.exclude(status=APPLIED).filter(code=NEEDS_NEWER)
    registers = waiting.values_list("register_id", flat=True).distinct()
    wanted = Wanted(codes=(NEEDS_NEWER, BEHIND))
    return sum(run(str(register), now, wanted, UPGRADE).applied for register in list(registers))


def run(register: str, now: datetime, wanted: Wanted, by: str) -> Retried:
    """Chunk by chunk in the order of the journal, each in a transaction of its own."""
    chunks: list[Retried] = []
    while True:
        with engine().transaction() as cursor:
            device = store.lock_device(cursor, register)
            if device is None:
                return together(chunks)
            place = place_of(device.source)
            done = apply_again(cursor, place, wanted, by, now)
        chunks.append(done)
        if done.to is None:
            return together(chunks)
        wanted = msgspec.structs.replace(wanted, after=done.to)


def apply_again(cursor: Cursor, place: Place, wanted: Wanted, by: str, now: datetime) -> Retried:
    """:func:`reapply` for a transaction that is none of an exchange's."""
    application = Application(cursor, place, now)
    done = reapply(cursor, place, application, wanted, by)
    if application.pin_blocked is not None:
        store.set_register(cursor, place, {"blocked": application.pin_blocked})
    return done


def _registers_with_held(account: str) -> list[str]:
    held = Entry.objects.filter(account_id=account).exclude(status=APPLIED)
    return [str(r) for r in held.values_list("register_id", flat=True).distinct()]


def _held(cursor: Cursor, place: Place, wanted: Wanted) -> list[Held]:
    condition, names = "", ()
    if wanted.entry or wanted.aggregate:
        condition = "AND (entry_id = %s OR (aggregate = %s AND NOT (aggregate = '')))"
        names = (wanted.entry, wanted.aggregate)  # type: ignore[assignment]
    cursor.execute(
        f"""SELECT {_HELD} FROM ingest_entry WHERE account_id = %s AND register_id = %s
        AND NOT (status = 'applied') AND {place.db.among("code")} AND (branch, seq) > (%s, %s) {condition}
        ORDER BY branch, seq LIMIT %s""",
        (*place.ids, place.db.many(wanted.codes), *wanted.after, *names, CHUNK),
    )
    rows = cursor.fetchall()
    accepted = accepted_codes(cursor, place, wanted.accept) if rows else {}
    return [_read_again(row, place, accepted) for row in rows]


def _read_again(
    row: Sequence[object], place: Place, accepted: Mapping[Spot, frozenset[str]]
) -> Held:
    branch, seq, prev_hash, digest, body, received_at, entry_id, code = row
    entry = StoredEntry(seq, bytes(prev_hash), bytes(digest), bytes(body))  # type: ignore[call-overload,arg-type]
    received = when(received_at)
    assert received is not None
    passed = accepted.get((str(branch), entry.seq), frozenset())
    fact = read_entry(entry, place, str(branch), place.db.moment(received), passed)
    return Held(fact, str(entry_id), str(code))


def _keep_outcome(cursor: Cursor, place: Place, held: Sequence[Held], now: datetime) -> None:
    """Write what became of each; close the exceptions of those that are through."""
    if not held:
        return
    cursor.executemany(
        """UPDATE ingest_entry SET entry_id = %s, kind = %s, aggregate = %s, status = %s, code = %s,
        behind = %s WHERE account_id = %s AND register_id = %s AND branch = %s AND seq = %s""",
        [
            (f.id, f.kind, f.aggregate, f.status, f.code, f.behind, *place.ids, f.branch,
             f.entry.seq)
            for f in (h.fact for h in held)
        ],
    )  # fmt: skip
    close_exceptions(cursor, place, [(h.entry_id, h.fact) for h in held], now)
    reopen_exceptions(cursor, place, [h.fact for h in held])


def _keep_tries(
    cursor: Cursor, place: Place, held: Sequence[Held], wanted: Wanted, by: str, now: datetime
) -> None:
    """A line of history for each that was tried for its own sake; not for those that only waited."""
    tried = [h for h in held if h.code in QUARANTINE_CODES or h.spot in wanted.accept]
    keep_tries(cursor, place, [(h.spot, h.code, h.fact) for h in tried], wanted.accept, by, now)


def _why(facts: Sequence[Fact]) -> tuple[str, ...]:
    """The reasons of those that are still held, each once: the sentence of a quarantined one, plain words
    for one that waits."""
    reasons = [
        fact.findings[0].message if fact.findings else f"{reason_of(fact.code, held=True).title}."
        for fact in facts
        if fact.status != APPLIED and fact.code != BEHIND
    ]
    return tuple(dict.fromkeys(reasons))
