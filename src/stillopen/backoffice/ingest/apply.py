"""Applying facts: set-wise in one savepoint; a rule that is broken is bisected down to the one entry
that breaks it, which is quarantined alone. Only entries of the same aggregate wait behind it.

Runs inside the transaction of an exchange or a retry, with the register's row locked. A database error
is none of ours: it leaves through here and aborts everything.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from stillopen.backoffice.ingest.fact import (
    APPLIED,
    BEHIND,
    QUARANTINE_CODES,
    Fact,
    Finding,
    Source,
)
from stillopen.backoffice.ingest.limits import plain
from stillopen.backoffice.ingest.sql import Cursor, canonical, engine
from stillopen.backoffice.ingest.tables import (
    EFFECTS,
    EXCEPTION,
    MOVEMENT,
    SHIFT_STUB,
    Row,
    Table,
)
from stillopen.domain.errors import DomainError

_NAMESPACE = uuid.UUID("5d0c1f0a-6d0e-4a57-9f2e-7b1f2f2f6a11")


class Application:
    """One run over facts of one register, in journal order."""

    def __init__(self, cursor: Cursor, source: Source, now: datetime) -> None:
        self.cursor, self.source, self.now = cursor, source, now
        self.blocked: dict[str, str] = {}  # aggregate → id of the entry that holds it up
        self.levels: dict[str, Decimal] = {}  # product → quantity to add
        self.pin_blocked: bool | None = None

    def run(self, facts: Sequence[Fact], released: Iterable[str] = ()) -> None:
        """Apply what can be applied; afterwards each fact says what became of it.

        ``released`` are ids of entries that are held already and are among ``facts`` (a retry).
        """
        if not facts:
            return
        self.blocked = self._held_up(facts, set(released))
        self._skip_seen(facts)
        self._apply(facts)
        self._add_levels()
        self.file(facts)

    def file(self, facts: Sequence[Fact]) -> None:
        """File the findings, each once."""
        rows = [self._exception(fact, finding) for fact in facts for finding in fact.findings]
        engine().insert(self.cursor, EXCEPTION, rows)

    # -- what is known already

    def _held_up(self, facts: Sequence[Fact], released: set[str]) -> dict[str, str]:
        """Aggregates of ``facts`` with an earlier entry that is not applied."""
        db = engine()
        self.cursor.execute(
            f"""SELECT aggregate, entry_id FROM ingest_entry WHERE account_id = %s
            AND register_id = %s AND NOT (status = 'applied') AND {db.among("aggregate")}
            ORDER BY branch, seq""",
            (*self._who(), db.many({f.aggregate for f in facts if f.aggregate})),
        )
        held: dict[str, str] = {}
        for aggregate, entry in self.cursor.fetchall():
            if entry not in released:
                held.setdefault(aggregate, entry)
        return held

    def _skip_seen(self, facts: Sequence[Fact]) -> None:
        """An id has its effects once, whatever branch it comes by."""
        db = engine()
        ready = [fact for fact in facts if fact.status == APPLIED]
        self.cursor.execute(
            f"""SELECT entry_id, register_id, branch, seq FROM ingest_entry
            WHERE account_id = %s AND status = 'applied' AND {db.among("entry_id")}""",
            (db.uid(self.source.account), db.many([fact.id for fact in ready])),
        )
        seen = {row[0]: (canonical(row[1]), row[2], row[3]) for row in self.cursor.fetchall()}
        for fact in ready:
            first = seen.setdefault(fact.id, (self.source.register, fact.branch, fact.entry.seq))
            if first != (self.source.register, fact.branch, fact.entry.seq):
                _settle_seen(fact, first, self.source)

    # -- applying

    def _apply(self, facts: Sequence[Fact]) -> None:
        part = [fact for fact in facts if not self._held_back(fact)]
        if not part:
            return
        try:
            with engine().savepoint():
                self._write(part)
        except DomainError as error:
            if error.code not in QUARANTINE_CODES:
                raise
            if len(part) > 1:
                half = len(part) // 2
                self._apply(part[:half])
                self._apply(part[half:])
            else:
                part[0].quarantine(error)
                self._held_back(part[0])
        else:
            self._remember(part)

    def _held_back(self, fact: Fact) -> bool:
        """Whether ``fact`` is not to be written: for its own sake, or behind another."""
        ahead = self.blocked.get(fact.aggregate) if fact.aggregate else None
        if fact.status == APPLIED and ahead is not None:
            fact.wait(BEHIND, ahead)
        if fact.status != APPLIED:
            self.blocked.setdefault(fact.aggregate, fact.id)
        return fact.status != APPLIED

    def _write(self, part: Sequence[Fact]) -> None:
        self._check_numbers([f for f in part if f.number])
        self._check_closings([f for f in part if f.closes])
        for table, rows in _together(part).items():
            engine().insert(self.cursor, table, rows)

    def _check_numbers(self, sales: Sequence[Fact]) -> None:
        """A receipt number comes once in a branch. In two branches both stay, and a person is told."""
        if not sales:
            return
        db = engine()
        self.cursor.execute(
            f"""SELECT number, register_id, branch FROM ledger_receipt
            WHERE account_id = %s AND {db.among("number")}""",
            (db.uid(self.source.account), db.many({f.number for f in sales})),
        )
        taken: dict[str, set[tuple[str, str]]] = {}
        for number, register, branch in self.cursor.fetchall():
            taken.setdefault(number, set()).add((canonical(register), branch))
        for fact in sales:
            here, places = (self.source.register, fact.branch), taken.setdefault(fact.number, set())
            if here in places:
                raise _duplicate_number(fact)
            if places:
                _find_once(fact, _number_twice(fact))
            places.add(here)

    def _check_closings(self, closings: Sequence[Fact]) -> None:
        """A shift that two branches close keeps its first closing; the second is shown to a person."""
        if not closings:
            return
        db = engine()
        self.cursor.execute(
            f"""SELECT id FROM ledger_shift WHERE account_id = %s AND closed_at IS NOT NULL
            AND {db.among("id")}""",
            (db.uid(self.source.account), db.many({db.uid(f.closes) for f in closings})),
        )
        closed = {canonical(row[0]) for row in self.cursor.fetchall()}
        for fact in closings:
            if fact.closes in closed:
                _find_once(fact, _closed_twice(fact))
            closed.add(fact.closes)

    def _remember(self, part: Sequence[Fact]) -> None:
        """What was written moves the levels and the register's block; only now is it certain."""
        for fact in part:
            if fact.blocked is not None:
                self.pin_blocked = fact.blocked
            for row in fact.rows.get(MOVEMENT, ()):
                product, quantity = str(row[4]), Decimal(str(row[6]))
                self.levels[product] = self.levels.get(product, Decimal(0)) + quantity

    def _add_levels(self) -> None:
        db = engine()
        store = db.uid(self.source.store)
        changes = [(store, product, quantity) for product, quantity in sorted(self.levels.items())]
        db.add_levels(self.cursor, db.uid(self.source.account), changes)
        self.levels = {}

    def _exception(self, fact: Fact, finding: Finding) -> Row:
        db = engine()
        key = finding.key or f"{fact.branch}:{fact.entry.seq}:{finding.code}"
        name = uuid.uuid5(_NAMESPACE, f"{self.source.account}:{self.source.register}:{key}")
        details = {"branch": fact.branch, "seq": fact.entry.seq, **finding.details}
        return (
            *self._who()[:1], db.uid(str(name)), *self._who()[1:], fact.id, finding.code,
            finding.message, msgspec.json.encode(plain(details)).decode(), db.moment(self.now), None,
        )  # fmt: skip

    def _who(self) -> tuple[str, str]:
        db = engine()
        return db.uid(self.source.account), db.uid(self.source.register)


def _together(part: Sequence[Fact]) -> dict[Table, list[Row]]:
    """All rows by table, in the order in which tables are written; a shift's stub once."""
    merged: dict[Table, list[Row]] = {table: [] for table in EFFECTS}
    for fact in part:
        for table, rows in fact.rows.items():
            merged[table].extend(rows)
    merged[SHIFT_STUB] = list(dict.fromkeys(merged[SHIFT_STUB]))
    return merged


def _settle_seen(fact: Fact, first: tuple[str, str, int], source: Source) -> None:
    register, branch, seq = first
    where: dict[str, object] = {"register": register, "first_branch": branch, "first_seq": seq}
    if register != source.register:
        error = DomainError("duplicate_id", "Another register's entry has this id.", **where)
        fact.rows = {}
        fact.quarantine(error)
    else:
        message = "This entry came twice, by two branches of its register; it was applied once."
        fact.skip(Finding("seen_before", message, where))


def _find_once(fact: Fact, finding: Finding) -> None:
    if all(known.code != finding.code for known in fact.findings):
        fact.findings.append(finding)


def _duplicate_number(fact: Fact) -> DomainError:
    return DomainError(
        "duplicate_number",
        f"Receipt number {fact.number} was used before by this register.",
        receipt=fact.number,
    )


def _number_twice(fact: Fact) -> Finding:
    message = f"Receipt number {fact.number} was printed twice, in two branches; both stand."
    return Finding("number_twice", message, {"receipt": fact.number})


def _closed_twice(fact: Fact) -> Finding:
    message = "This shift was closed twice, in two branches; the first closing stands."
    return Finding("shift_closed_twice", message, {"shift": fact.closes})
