"""The record of what was tried and decided about exceptions, and which of them are open. Raw SQL, in the
caller's transaction with the register's row locked."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import uuid4

import msgspec
from django.db import transaction

from stillopen.backoffice.ingest.fact import (
    AFTER_REVOCATION,
    APPLIED,
    QUARANTINE_CODES,
    QUARANTINED,
    WAITING,
    Fact,
    Place,
)
from stillopen.backoffice.ingest.fixes import ACCEPT, RETRY, SEEN
from stillopen.backoffice.ingest.models import Decision, ExceptionItem
from stillopen.backoffice.ingest.sql import Cursor
from stillopen.backoffice.ingest.tables import DECISION, Row

#: Where an entry of a register stands: branch, seq.
Spot = tuple[str, int]

HELD, SETTLED = "held", "settled"  # results; the third is *applied*


def spot_of(item: ExceptionItem) -> Spot | None:
    """The place of the entry that an exception is about, if it is about one."""
    branch, seq = item.details.get("branch"), item.details.get("seq")
    if not item.entry_id or not isinstance(branch, str) or not isinstance(seq, int):
        return None
    return branch, seq


def accepted_codes(
    cursor: Cursor, place: Place, now: Mapping[Spot, str]
) -> dict[Spot, frozenset[str]]:
    """Per entry the codes that a person said to pass over, before or just ``now``."""
    cursor.execute(
        """SELECT branch, seq, code FROM ingest_decision
        WHERE account_id = %s AND register_id = %s AND fix = 'accept'""",
        place.ids,
    )
    found: dict[Spot, set[str]] = {}
    for branch, seq, code in cursor.fetchall():
        found.setdefault((branch, seq), set()).add(code)
    for spot, code in now.items():
        found.setdefault(spot, set()).add(code)
    return {spot: frozenset(codes) for spot, codes in found.items()}


def keep_tries(
    cursor: Cursor,
    place: Place,
    tried: Sequence[tuple[Spot, str, Fact]],
    accept: Collection[Spot],
    by: str,
    now: datetime,
) -> None:
    """``tried``: place, the code it was held with, and what became of it."""
    rows = [
        decision_row(
            place,
            spot,
            ACCEPT if spot in accept else RETRY,
            code,
            APPLIED if fact.status == APPLIED else HELD,
            by,
            now,
            {} if fact.status == APPLIED else {"code": fact.code},
        )
        for spot, code, fact in tried
    ]
    place.db.insert(cursor, DECISION, rows)


def decision_row(
    place: Place,
    spot: Spot | None,
    fix: str,
    code: str,
    result: str,
    by: str,
    now: datetime,
    details: Mapping[str, object],
    exception: str | None = None,
) -> Row:
    branch, seq = spot or ("", 0)
    return (
        place.account, place.db.uid(str(uuid4())), place.register, branch, seq,
        None if exception is None else place.db.uid(exception), place.db.moment(now), by[:150], fix,
        code, result, msgspec.json.encode(details).decode(),
    )  # fmt: skip


def close_exceptions(
    cursor: Cursor, place: Place, tried: Sequence[tuple[str, Fact]], now: datetime
) -> None:
    """Close what was filed because entries were held, where they are through or held for another reason.

    ``tried``: the id that the entry went by, which may have been its place, and what became of it.
    """
    codes = place.db.many((*QUARANTINE_CODES, AFTER_REVOCATION))
    cursor.executemany(
        f"""UPDATE ingest_exceptionitem SET resolved_at = %s, entry_id = %s WHERE account_id = %s
        AND register_id = %s AND resolved_at IS NULL AND entry_id = %s AND NOT (code = %s)
        AND {place.db.among("code")}""",
        [
            (place.db.moment(now), f.id, *place.ids, was, f.code, codes)
            for was, f in tried
            if f.status != WAITING
        ],
    )


def reopen_exceptions(cursor: Cursor, place: Place, facts: Sequence[Fact]) -> None:
    """What is held for a reason that had been settled once is open again: never held unseen."""
    cursor.executemany(
        """UPDATE ingest_exceptionitem SET resolved_at = NULL WHERE account_id = %s
        AND register_id = %s AND entry_id = %s AND code = %s""",
        [(*place.ids, f.id, f.code) for f in facts if f.status == QUARANTINED],
    )


def mark_seen(item: ExceptionItem, by: str, now: datetime) -> None:
    """For what needs no more than being looked at; a transaction of its own."""
    with transaction.atomic():
        open_ones = ExceptionItem.objects.filter(id=item.id, resolved_at=None)
        if open_ones.update(resolved_at=now):
            branch, seq = spot_of(item) or ("", 0)
            Decision.objects.create(
                account_id=item.account_id,
                id=uuid4(),
                register_id=item.register_id,
                branch=branch,
                seq=seq,
                exception_id=item.id,
                at=now,
                by=by[:150],
                fix=SEEN,
                code=item.code,
                result=SETTLED,
            )
