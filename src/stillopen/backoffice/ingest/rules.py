"""Rules that need the ledger: what was seen before, numbers that come twice, shifts closed twice.

Each looks at many facts with one query. What is wrong with the shop's data raises ``DomainError``; what is
only odd becomes a finding.
"""

from collections.abc import Sequence

from stillopen.backoffice.ingest.fact import APPLIED, Fact, Finding, Place
from stillopen.backoffice.ingest.sql import Cursor, canonical
from stillopen.domain.errors import DomainError

_Where = tuple[str, str, int]  # register, branch, seq


def held_up(cursor: Cursor, place: Place, facts: Sequence[Fact]) -> list[tuple[str, str]]:
    """(aggregate, entry id) of entries that are held and have an aggregate in common with ``facts``."""
    cursor.execute(
        f"""SELECT aggregate, entry_id FROM ingest_entry WHERE account_id = %s
        AND register_id = %s AND NOT (status = 'applied') AND {place.db.among("aggregate")}
        ORDER BY branch, seq""",
        (*place.ids, place.db.many({f.aggregate for f in facts if f.aggregate})),
    )
    return [(aggregate, entry) for aggregate, entry in cursor.fetchall()]


def skip_seen(cursor: Cursor, place: Place, facts: Sequence[Fact]) -> None:
    """An id has its effects once, whatever branch it comes by."""
    ready = [fact for fact in facts if fact.status == APPLIED]
    cursor.execute(
        f"""SELECT entry_id, register_id, branch, seq FROM ingest_entry
        WHERE account_id = %s AND status = 'applied' AND {place.db.among("entry_id")}""",
        (place.account, place.db.many([fact.id for fact in ready])),
    )
    seen = {row[0]: (canonical(row[1]), row[2], row[3]) for row in cursor.fetchall()}
    for fact in ready:
        here = (place.source.register, fact.branch, fact.entry.seq)
        first = seen.setdefault(fact.id, here)
        if first != here:
            _settle_seen(fact, first, place.source.register)


def _settle_seen(fact: Fact, first: _Where, register: str) -> None:
    where: dict[str, object] = {
        "register": first[0], "first_branch": first[1], "first_seq": first[2]
    }  # fmt: skip
    if first[0] != register:
        fact.quarantine(
            DomainError("duplicate_id", "Another register's entry has this id.", **where)
        )
    else:
        message = "This entry came twice, by two branches of its register; it was applied once."
        fact.skip(Finding("seen_before", message, where))


def check_numbers(cursor: Cursor, place: Place, sales: Sequence[Fact]) -> None:
    """A receipt number comes once in a branch (``DomainError duplicate_number``). Printed in two
    branches, both receipts stay, and a person is told."""
    if not sales:
        return
    cursor.execute(
        f"""SELECT number, register_id, branch FROM ledger_receipt
        WHERE account_id = %s AND {place.db.among("number")}""",
        (place.account, place.db.many({f.number for f in sales})),
    )
    taken: dict[str, set[tuple[str, str]]] = {}
    for number, register, branch in cursor.fetchall():
        taken.setdefault(number, set()).add((canonical(register), branch))
    for fact in sales:
        here, places = (place.source.register, fact.branch), taken.setdefault(fact.number, set())
        if here in places:
            raise _duplicate_number(fact)
        if places:
            message = f"Receipt number {fact.number} was printed twice; both receipts stand."
            _find_once(fact, Finding("number_twice", message, {"receipt": fact.number}))
        places.add(here)


def _duplicate_number(fact: Fact) -> DomainError:
    message = f"Receipt number {fact.number} was used before by this register."
    return DomainError("duplicate_number", message, receipt=fact.number)


def check_closings(cursor: Cursor, place: Place, closings: Sequence[Fact]) -> None:
    """A shift that two branches close keeps its first closing; a person is told of the second."""
    if not closings:
        return
    cursor.execute(
        f"""SELECT id FROM ledger_shift WHERE account_id = %s AND closed_at IS NOT NULL
        AND {place.db.among("id")}""",
        (place.account, place.db.many({place.db.uid(f.closes) for f in closings})),
    )
    closed = {canonical(row[0]) for row in cursor.fetchall()}
    for fact in closings:
        if fact.closes in closed:
            message = "This shift was closed twice; the first closing stands."
            _find_once(fact, Finding("shift_closed_twice", message, {"shift": fact.closes}))
        closed.add(fact.closes)


def _find_once(fact: Fact, finding: Finding) -> None:
    """A part that is tried again in halves finds the same again."""
    if all(known.code != finding.code for known in fact.findings):
        fact.findings.append(finding)
