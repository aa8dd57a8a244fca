"""Applying facts: set-wise in one savepoint; a rule that is broken is bisected down to the one entry
that breaks it, which is quarantined alone. Only entries of the same aggregate wait behind it.

Runs inside the transaction of an exchange or a retry, with the register's row locked. A database error
is none of ours: it leaves through here and aborts everything.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from stillopen.backoffice.ingest.fact import (
    APPLIED,
    BEHIND,
    QUARANTINE_CODES,
    Fact,
    Place,
)
from stillopen.backoffice.ingest.findings import exception_row
from stillopen.backoffice.ingest.products import check_products
from stillopen.backoffice.ingest.rules import check_closings, check_numbers, held_up, skip_seen
from stillopen.backoffice.ingest.sql import Cursor
from stillopen.backoffice.ingest.tables import (
    EFFECTS,
    EXCEPTION,
    MOVEMENT,
    SHIFT_STUB,
    Row,
    Table,
)
from stillopen.backoffice.live.wake import wake_worker
from stillopen.domain.errors import DomainError

_NOTHING = Decimal(0)


class Application:
    """Applies facts of one register in journal order. ``pin_blocked``: what they said of its PIN block."""

    def __init__(self, cursor: Cursor, place: Place, now: datetime) -> None:
        self._cursor, self._place, self.now = cursor, place, now
        self._blocked: dict[str, str] = {}  # aggregate → id of the entry that holds it up
        self._levels: dict[str, Decimal] = {}  # product → quantity to add
        self.pin_blocked: bool | None = None

    def run(self, facts: Sequence[Fact], released: Collection[str] = ()) -> None:
        """Apply what can be applied; afterwards each fact says what became of it.

        ``released`` are ids of entries that are held already and are among ``facts`` (a retry).
        """
        if not facts:
            return
        wake_worker()
        self._blocked = {}
        for aggregate, entry in held_up(self._cursor, self._place, facts):
            if entry not in released:
                self._blocked.setdefault(aggregate, entry)
        skip_seen(self._cursor, self._place, facts)
        check_products(self._cursor, self._place, facts)
        self._apply(facts)
        self._add_levels()
        rows = [
            exception_row(
                self._place,
                fact.id,
                finding,
                self.now,
                {"branch": fact.branch, "seq": fact.entry.seq},
            )
            for fact in facts
            for finding in fact.findings
        ]
        self._place.db.insert(self._cursor, EXCEPTION, rows)

    def _apply(self, facts: Sequence[Fact]) -> None:
        part = [fact for fact in facts if not self._holds_back(fact)]
        if not part:
            return
        try:
            with self._place.db.savepoint():
                self._write(part)
        except DomainError as error:
            if error.code not in QUARANTINE_CODES:
                raise
            self._narrow_down(part, error)
        else:
            self._remember(part)

    def _narrow_down(self, part: Sequence[Fact], error: DomainError) -> None:
        """Nothing of ``part`` was written: halve it, until the entry that is to blame stands alone."""
        if len(part) == 1:
            part[0].quarantine(error)
            self._holds_back(part[0])
            return
        half = len(part) // 2
        self._apply(part[:half])
        self._apply(part[half:])

    def _holds_back(self, fact: Fact) -> bool:
        """Whether ``fact`` is not to be written: for its own sake, or behind another."""
        ahead = self._blocked.get(fact.aggregate) if fact.aggregate else None
        if fact.status == APPLIED and ahead is not None:
            fact.wait(BEHIND, ahead)
        if fact.status != APPLIED:
            self._blocked.setdefault(fact.aggregate, fact.id)
        return fact.status != APPLIED

    def _write(self, part: Sequence[Fact]) -> None:
        check_numbers(self._cursor, self._place, [fact for fact in part if fact.number])
        check_closings(self._cursor, self._place, [fact for fact in part if fact.closes])
        for table, rows in _together(part).items():
            self._place.db.insert(self._cursor, table, rows)

    def _remember(self, part: Sequence[Fact]) -> None:
        """What was written moves the levels and the register's block; only now is it certain."""
        for fact in part:
            if fact.blocked is not None:
                self.pin_blocked = fact.blocked
            for row in fact.rows.get(MOVEMENT, ()):
                product = str(row[4])
                self._levels[product] = self._levels.get(product, _NOTHING) + Decimal(str(row[6]))

    def _add_levels(self) -> None:
        """Last and in order, so that registers of a store wait for each other shortly, and never in a
        circle."""
        store = self._place.store
        changes = [(store, product, self._levels[product]) for product in sorted(self._levels)]
        self._place.db.add_levels(self._cursor, self._place.account, changes)
        self._levels = {}


def _together(part: Sequence[Fact]) -> dict[Table, list[Row]]:
    """All rows by table, in the order in which tables are written; a shift's stub once."""
    merged: dict[Table, list[Row]] = {table: [] for table in EFFECTS}
    for fact in part:
        for table, rows in fact.rows.items():
            merged[table].extend(rows)
    merged[SHIFT_STUB] = list(dict.fromkeys(merged[SHIFT_STUB]))
    return merged
