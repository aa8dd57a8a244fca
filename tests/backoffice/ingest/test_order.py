"""Any mixture of poisoned entries, retries and decisions: what is good is booked once, at once, and in order
within its aggregate; nothing else ever waits for it."""

import random
import uuid
from collections import Counter

import msgspec
import pytest

from stillopen.backoffice.accounts.models import Account
from stillopen.backoffice.ingest import fixes
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ingest.resolve import Decider, settle
from stillopen.backoffice.ingest.retry import entry_of, retry_all, retry_exception
from stillopen.backoffice.ledger.models import Receipt, Shift
from stillopen.backoffice.stock.models import Level
from stillopen.sync import facts
from stillopen.sync.chain import StoredEntry
from tests.backoffice.ingest.test_quarantine import poison
from tests.backoffice.ingest.till import NOON, Till

SOMEBODY = Decider("somebody")
POISON = (
    "bad_entry", "bad_hash", "foreign_entry", "wrong_currency", "duplicate_number", "out_of_range",
)  # fmt: skip


class Play:
    """A till that does anything, and a Back Office where anything is decided."""

    def __init__(self, till: Till, seed: int) -> None:
        self.till, self.chance = till, random.Random(seed)
        self.account = till.register.account_id
        self.good: set[str] = set()  # ids of sound sales
        self.sent = 0

    def make(self) -> None:
        """The next entry of the journal; a shift may be opened in a currency that is not the shop's."""
        till, chance = self.till, self.chance
        what = chance.random()
        if what < 0.25:
            poison(till, chance.choice(POISON))
        elif what < 0.4:
            self.shift()
        elif what < 0.5:
            till.add("pin_blocked", facts.PinBlocked(strikes=5))
        elif what < 0.55:
            till.add("hologram", msgspec.Raw(b"{}"))
        else:
            self.good.add(facts.decode_body(till.sell(chance.randint(1, 900)).body).id)

    def shift(self) -> None:
        till = self.till
        if till.shift is None:
            till.shift = str(uuid.uuid4())
            currency = self.chance.choice(("EUR", "EUR", "GBP"))
            till.add("shift_opened", facts.ShiftOpened(float=1, currency=currency))
        else:
            till.close_shift()
            till.shift = None

    def send(self) -> None:
        batch = self.till.entries[self.sent : self.sent + self.chance.randint(1, 12)]
        retry = self.chance.random() < 0.3
        answer = self.till.post(self.till.request(batch, retry=retry))
        self.sent += len(batch)
        assert answer.ack.seq == self.sent  # nothing ever stops the queue
        held = Entry.objects.exclude(status="applied").order_by("seq")
        assert [n.seq for n in answer.not_applied] == [e.seq for e in held]

    def decide(self) -> None:
        items = list(ExceptionItem.objects.filter(resolved_at=None).order_by("created_at", "id"))
        if not items:
            return
        item = self.chance.choice(items)
        if self.chance.random() < 0.3:
            retry_exception(self.account, item.id, NOON)
        else:
            fix = self.chance.choice(fixes.fixes_for(item, entry_of(item)))
            settle(self.account, item.id, fix, SOMEBODY, NOON)

    def mend(self) -> None:
        """The shop's currency is put right for a moment, or an old decision is tried again."""
        Account.objects.update(currency=self.chance.choice(("EUR", "GBP")))
        retry_all(self.account, NOON)
        Account.objects.update(currency="EUR")

    def check(self) -> None:
        held: set[str] = set()
        for entry in Entry.objects.order_by("seq"):
            if entry.status == "applied":
                assert entry.code == "set_aside" or entry.aggregate not in held, entry.seq
            elif entry.aggregate:
                held.add(entry.aggregate)
            if entry.status == "waiting" and entry.code == "behind":
                assert entry.aggregate in held
        arrived = {facts.decode_body(e.body).id for e in self.till.entries[: self.sent]
                   if self.is_good(e)}  # fmt: skip
        booked = Counter(str(i) for i in Receipt.objects.values_list("id", flat=True))
        aside = set(Entry.objects.filter(code="set_aside").values_list("entry_id", flat=True))
        assert arrived - aside <= set(booked) and set(booked.values()) <= {1}
        assert sum(x.quantity for x in Level.objects.all()) == -len(booked)

    def is_good(self, entry: StoredEntry) -> bool:
        try:
            return facts.decode_body(entry.body).id in self.good
        except msgspec.DecodeError:
            return False

    def settle_all(self) -> None:
        """A person goes through the list until it is empty."""
        while items := ExceptionItem.objects.filter(resolved_at=None):
            for item in items:
                item.refresh_from_db()
                if item.resolved_at is None:
                    fix = fixes.fixes_for(item, entry_of(item))
                    how = next(f for f in ("accept", "set_aside", "seen") if f in fix)
                    settle(self.account, item.id, how, SOMEBODY, NOON)


@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_ends_with_all_that_is_good_booked_once_and_in_order(
    till: Till, seed: int
) -> None:
    play = Play(till, seed)
    play.good.add(facts.decode_body(till.sell(100).body).id)
    for _ in range(60):
        play.make()
    while play.sent < len(till.entries):
        play.chance.choice((play.send, play.send, play.decide, play.mend))()
        play.check()
    play.settle_all()
    play.check()
    left = set(Entry.objects.exclude(status="applied").values_list("code", flat=True))
    assert left <= {"needs_newer_server"}
    assert [bytes(e.body) for e in Entry.objects.order_by("seq")] == [e.body for e in till.entries]
    opened = Entry.objects.filter(kind="shift_closed", status="applied", code="")
    assert {s.z_number for s in Shift.objects.exclude(closed_at=None)} <= {1}
    assert Shift.objects.exclude(closed_at=None).count() == opened.count()
