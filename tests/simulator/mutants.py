"""Mistakes that were made in other systems, as small patches of ours. The simulator must find each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import django.db
import msgspec
import pytest

from stillopen.backoffice.feed import pages
from stillopen.backoffice.ingest import apply, receive, rules, store
from stillopen.domain.errors import DomainError
from stillopen.register import stock
from stillopen.register.store.catalogue import Catalogue
from stillopen.register.store.sending import SendingStore
from stillopen.register.syncer import engine as syncer
from stillopen.sync import feed

Patch = pytest.MonkeyPatch


def naive_cursor(patch: Patch) -> None:
    """A number is enough to know where a register stands: neither history nor chain is compared."""
    right = feed.plan_pull

    def plan_pull(
        pull: Any, epoch: str, scopes: Sequence[str], known: Mapping[tuple[str, int], bytes]
    ) -> Any:
        believed = {(c.scope, c.seq): c.chain for c in pull.cursors}
        same = msgspec.structs.replace(pull, server_epoch=epoch)
        return right(same, epoch, scopes, {**known, **believed})

    patch.setattr(pages, "plan_pull", plan_pull)


def ack_before_commit(patch: Patch) -> None:
    """What an exchange brought is acked at once, and stored when the next one comes."""
    right, waiting = store.keep_entries, []

    def keep_entries(cursor: Any, place: Any, facts: Any) -> None:
        while waiting:
            right(cursor, *waiting.pop(0))
        waiting.append((place, list(facts)))

    patch.setattr(store, "keep_entries", keep_entries)


def cursor_before_rows(patch: Patch) -> None:
    """The till notes that it has the rows before it has them."""
    right = syncer.Engine._feed

    def carry(self: Any, state: Any, effects: list[Any]) -> Any:
        switch = next((e for e in effects if hasattr(e, "heads")), None)
        catalogue: Catalogue = self._till.catalogue
        if switch is not None and catalogue.generation:
            writer = catalogue._feed
            with writer._db.transaction():
                writer._replace("cursor", [(h.scope, h.seq, h.chain) for h in switch.heads])
        return right(self, state, effects)

    patch.setattr(syncer.Engine, "_feed", carry)


def epoch_reused(patch: Patch) -> None:
    """A disk that went back in time goes on with the numbers that it has."""
    patch.setattr(syncer, "begin_epoch", lambda till: None)


def dedupe_by_number(patch: Patch) -> None:
    """A receipt whose number has arrived before is taken for a repetition."""

    def check_numbers(cursor: Any, place: Any, sales: Sequence[Any]) -> None:
        for fact in sales:
            cursor.execute("SELECT 1 FROM ledger_receipt WHERE number = %s", (fact.number,))
            if cursor.fetchone():
                fact.rows = {}

    patch.setattr(rules, "check_numbers", check_numbers)
    patch.setattr(apply, "check_numbers", check_numbers)


def trouble_quarantined(patch: Patch) -> None:
    """Whatever goes wrong while applying is the entry's fault."""
    right = apply.Application._write

    def write(self: Any, part: Any) -> None:
        try:
            right(self, part)
        except django.db.Error as error:
            raise DomainError("bad_entry", str(error)) from error

    patch.setattr(apply.Application, "_write", write)


def balance_by_ack(patch: Patch) -> None:
    """The till takes its own facts off the published stock until they are acked."""

    def counted_up_to(epoch: str, register: str, included: Any, own: Any) -> int:
        return _acked.get(epoch, 0)

    _acked: dict[str, int] = {}
    right = stock.Stock._present

    def present(self: Any) -> Any:
        for epoch in self._journal.identity.epochs():
            _acked[epoch.id] = self._journal.sending.ack(epoch.id).seq
        self._own = None
        return right(self)

    patch.setattr(stock.Stock, "_present", present)
    patch.setattr(stock, "counted_up_to", counted_up_to)


def purge_by_ack(patch: Patch) -> None:
    """What is acked may be forgotten, whether or not the backups have it."""
    patch.setattr(SendingStore, "backed_up", lambda self, epoch: self.ack(epoch).seq)


def remembered_is_true(patch: Patch) -> None:
    """What a process remembers of a register is not compared with what is there now."""
    right = receive.Exchange._lock

    def lock(self: Any, before: Any) -> Any:
        try:
            return right(self, before)
        except receive.Outdated:
            return before

    patch.setattr(receive.Exchange, "_lock", lock)


class Caught(NamedTuple):
    """By which invariants, within how many seeds, with which faults (none: all), in how large a fleet."""

    invariants: set[int]
    within: int
    only: tuple[str, ...] = ()
    registers: int = 2


MUTANTS: dict[Callable[[Patch], None], Caught] = {
    naive_cursor: Caught({3, 8}, 40, ("server_backup_and_restore", "both_restored")),
    ack_before_commit: Caught({2}, 1),
    cursor_before_rows: Caught({3}, 40),
    epoch_reused: Caught({5}, 40, ("stale_restore", "clone")),
    dedupe_by_number: Caught({1, 4}, 40, ("stale_restore", "clone")),
    trouble_quarantined: Caught({7}, 40, ("server_io_error", "server_full_disk"), registers=4),
    balance_by_ack: Caught({4}, 10),
    purge_by_ack: Caught({1}, 10, ("purge",)),
    remembered_is_true: Caught({8, 9}, 40, ("moved", "second_process")),
}
