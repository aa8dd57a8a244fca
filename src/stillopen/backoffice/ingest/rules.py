"""Rules that need the ledger: what was seen before, numbers that come twice, shifts closed twice.

Each looks at many facts with one query. What is wrong with the shop's data raises ``DomainError``; what is
only odd becomes a finding.
"""

from collections.abc import Sequence

from stillopen.backoffice.ingest.fact import APPLIED, Fact, Finding, Place
from stillopen.backoffice.ingest.sql import Cursor, canonical
from stillopen.domain.errors import DomainError
from stillopen.sync.facts import decode_body

_Where = tuple[str, str, int]  # register, branch, seq


def held_up(cursor: Cursor, place: Place, facts: Sequence[Fact]) -> list[tuple[str, str]]:
    """(aggregate, entry id) of entries that are held and have an aggregate in common with ``facts``."""
    cursor.execute(
        f"""SELECT branch, seq, aggregate, entry_id FROM ingest_entry WHERE account_id = %s
        AND register_id = %s AND NOT (status = 'applied') AND {place.db.among("aggregate")}""",
        (*place.ids, place.db.many({f.aggregate for f in facts if f.aggregate})),
    )
    # Sorted here: asked to sort, SQLite walks all entries of the register by their primary key.
    return [(aggregate, entry) for _, _, aggregate, entry in sorted(cursor.fetchall())]


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
            _settle_seen(fact, first, place.source.register, _said(cursor, place, first))


def _said(cursor: Cursor, place: Place, where: _Where) -> bytes | None:
    """The payload of an entry that was applied; None for one that comes in the same batch."""
    cursor.execute(
        """SELECT body FROM ingest_entry
        WHERE account_id = %s AND register_id = %s AND branch = %s AND seq = %s""",
        (place.account, place.db.uid(where[0]), *where[1:]),
    )
    row = cursor.fetchone()
    return bytes(decode_body(bytes(row[0])).payload) if row else None


def _settle_seen(fact: Fact, first: _Where, register: str, said: bytes | None) -> None:
    """The same by two branches is one; two different facts with one id (two tills from one disk, which
    both paid the cart that was open on it) are for a person to tell apart."""
    where: dict[str, object] = {
        "register": first[0], "first_branch": first[1], "first_seq": first[2]
    }  # fmt: skip
    if first[0] != register:
        fact.quarantine(
            DomainError("duplicate_id", "Another register's entry has this id.", **where)
        )
    elif fact.body is None or said != bytes(fact.body.payload):
        message = "Another entry of this register, with another content, has this id."
        fact.quarantine(DomainError("duplicate_id", message, **where))
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
        if here in places and "duplicate_number" not in fact.accepted:
            raise _duplicate_number(fact)
        if places - {here}:
            message = f"Receipt number {fact.number} was printed twice; both receipts stand."
            _find_once(fact, Finding("number_twice", message, {"receipt": fact.number}))
        places.add(here)


def _duplicate_number(fact: Fact) -> DomainError:
    message = f"Receipt number {fact.number} was used before by this register."
    return DomainError("duplicate_number", message, receipt=fact.number)


def check_closings(cursor: Cursor, place: Place, closings: Sequence[Fact]) -> None:
    """Two branches that close one shift each keep their Z; a branch that closes it twice keeps its first
    closing. A person is told of either."""
    if not closings:
        return
    cursor.execute(
        f"""SELECT id, branch FROM ledger_shift WHERE account_id = %s AND closed_at IS NOT NULL
        AND {place.db.among("id")}""",
        (place.account, place.db.many({place.db.uid(f.closes) for f in closings})),
    )
    closed: dict[str, set[str]] = {}
    for shift, branch in cursor.fetchall():
        closed.setdefault(canonical(shift), set()).add(branch)
    for fact in closings:
        if branches := closed.get(fact.closes):
            stands = (
                "the first closing stands" if fact.branch in branches else "both Z reports stand"
            )
            message = f"This shift was closed twice; {stands}."
            _find_once(fact, Finding("shift_closed_twice", message, {"shift": fact.closes}))
        closed.setdefault(fact.closes, set()).add(fact.branch)


def _find_once(fact: Fact, finding: Finding) -> None:
    """A part that is tried again in halves finds the same again."""
    if all(known.code != finding.code for known in fact.findings):
        fact.findings.append(finding)
