"""Receiving is not applying: what cannot be applied is kept, told, and holds up nothing else."""

import uuid

import msgspec
import pytest

from stillopen.backoffice.accounts.models import Account, Employee, Role
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.ingest import retry
from stillopen.backoffice.ingest.models import Entry, ExceptionItem
from stillopen.backoffice.ingest.retry import (
    apply_understood,
    retry_all,
    retry_exception,
    retry_register,
)
from stillopen.backoffice.ledger.models import Event, Payment, Receipt, ReceiptLine, Shift
from stillopen.backoffice.stock.models import Level, Movement
from stillopen.domain.errors import DomainError
from stillopen.domain.totals import Rules
from stillopen.sync import facts
from stillopen.sync.chain import StoredEntry
from stillopen.sync.messages import NotApplied
from tests.backoffice.ingest.till import NOON, Till, make_sale, make_store, make_till

GBP = Rules(currency="GBP")


def states() -> list[tuple[int, str, str]]:
    return [
        (e.seq, e.status, e.code) for e in Entry.objects.exclude(status="applied").order_by("seq")
    ]


def open_codes() -> list[str]:
    return sorted(ExceptionItem.objects.filter(resolved_at=None).values_list("code", flat=True))


def poison(till: Till, what: str) -> None:
    """Append an entry that cannot be applied."""
    if what == "bad_entry":
        till.add_bytes(b"{}")
    elif what == "bad_hash":
        till.sell(100)
        sound = till.entries.pop()
        flipped = sound.body[:-9] + bytes([sound.body[-9] ^ 1]) + sound.body[-8:]
        till.entries.append(StoredEntry(sound.seq, sound.prev_hash, sound.hash, flipped))
    elif what == "foreign_entry":
        till.sell(100, register=str(uuid.uuid4()))
    elif what == "wrong_currency":
        till.sell(receipt=make_sale("S1-R1-000900", rules=GBP))
    elif what == "duplicate_number":
        till.sell(receipt=make_sale("S1-R1-000001"))
    else:
        receipt = make_sale("S1-R1-000900")
        till.sell(receipt=msgspec.structs.replace(receipt, total=10**18))


CODES = [
    "bad_entry", "bad_hash", "foreign_entry", "wrong_currency", "duplicate_number", "out_of_range",
]  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_one_poisoned_entry_among_99_good_ones(till: Till, code: str) -> None:
    till.open_shift()
    for _ in range(50):
        till.sell(100)
    poison(till, code)
    for _ in range(48):
        till.sell(100)
    answer = till.send()
    assert answer.ack.seq == 100
    assert [(n.seq, n.status, n.code) for n in answer.not_applied] == [(52, "quarantined", code)]
    assert states() == [(52, "quarantined", code)]
    assert (Receipt.objects.count(), Entry.objects.count()) == (98, 100)
    assert sum(level.quantity for level in Level.objects.all()) == -98
    assert bytes(Entry.objects.get(seq=52).body) == till.entries[51].body
    assert open_codes() == [code]


def test_several_poisoned_entries_in_one_batch(till: Till) -> None:
    till.sell(100)
    for code in CODES:
        poison(till, code)
        till.sell(100)
    answer = till.send()
    assert [n.code for n in answer.not_applied] == CODES
    assert (answer.ack.seq, Receipt.objects.count()) == (len(till.entries), len(CODES) + 1)


def test_a_number_that_comes_twice_in_one_batch_keeps_the_first(till: Till) -> None:
    first = till.sell(receipt=make_sale("S1-R1-000001", (100,)))
    till.sell(receipt=make_sale("S1-R1-000001", (200,)))
    till.send()
    assert states() == [(2, "quarantined", "duplicate_number")]
    assert str(Receipt.objects.get().id) == facts.decode_body(first.body).id


def test_only_the_same_aggregate_waits_behind_a_quarantined_entry(till: Till) -> None:
    shift = str(uuid.uuid4())
    opened = facts.ShiftOpened(float=0, currency="GBP")
    till.shift = shift
    bad = till.add("shift_opened", opened)
    till.sell(100)
    till.close_shift()
    answer = till.send()
    bad_id = facts.decode_body(bad.body).id
    closing_id = facts.decode_body(till.entries[2].body).id
    assert answer.not_applied == (
        NotApplied(seq=1, id=bad_id, status="quarantined", code="wrong_currency", tries=1),
        NotApplied(seq=3, id=closing_id, status="waiting", code="behind", behind=bad_id),
    )
    assert Receipt.objects.count() == 1
    assert Shift.objects.get().closed_at is None
    till.shift = shift
    till.close_shift()  # in a later batch as well
    assert [n.seq for n in till.send().not_applied] == [1, 3, 4]


def test_a_retry_releases_what_waited_in_order(till: Till) -> None:
    till.shift = str(uuid.uuid4())
    till.add("shift_opened", facts.ShiftOpened(float=77, currency="GBP"))
    till.sell(100)
    till.close_shift()
    till.send()
    assert [n.status for n in till.send([], retry=True).not_applied] == ["quarantined", "waiting"]
    Account.objects.update(currency="GBP")
    answer = till.send([], retry=True)
    assert [(n.seq, n.code) for n in answer.not_applied] == [(3, "wrong_currency")]
    assert (Shift.objects.get().float, open_codes()) == (77, ["wrong_currency"])
    Account.objects.update(currency="EUR")
    assert till.send([], retry=True).not_applied == ()
    shift = Shift.objects.get()
    assert (shift.z_number, shift.float, open_codes()) == (1, 77, [])
    assert Receipt.objects.count() == 1


def test_a_retry_comes_to_the_last_of_many(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also past more than it takes up at a time, all of which must go on waiting."""
    monkeypatch.setattr(retry, "CHUNK", 2)
    for _ in range(3):
        poison(till, "bad_entry")
    poison(till, "wrong_currency")
    till.send()
    Account.objects.update(currency="GBP")
    done = retry_register(till.register.id, NOON)
    assert (done.applied, done.left, len(done.why)) == (1, 3, 1)
    assert [state[1:] for state in states()] == [("quarantined", "bad_entry")] * 3


def test_retry_from_the_back_office(till: Till) -> None:
    till.sell(receipt=make_sale("S1-R1-000001", rules=GBP))
    till.sell(receipt=make_sale("S1-R1-000002", rules=GBP))
    till.send()
    account = till.register.account_id
    first = ExceptionItem.objects.get(entry_id=facts.decode_body(till.entries[0].body).id)
    assert retry_exception(account, first.id, NOON).left == 1
    Account.objects.update(currency="GBP")
    assert retry_exception(account, first.id, NOON).applied == 1
    first.refresh_from_db()
    assert (first.resolved_at, states()) == (NOON, [(2, "quarantined", "wrong_currency")])
    done = retry_all(account, NOON)
    assert (done.applied, done.left, open_codes(), Receipt.objects.count()) == (1, 0, [], 2)
    assert retry_register(till.register.id, NOON).applied == 0
    with pytest.raises(DomainError) as error:
        retry_exception(uuid.uuid4(), first.id, NOON)
    assert error.value.code == "not_found"


@pytest.mark.parametrize(("kind", "schema"), [("hologram", "1.0"), ("sale", "2.0")])
def test_what_is_newer_than_the_server_waits(till: Till, kind: str, schema: str) -> None:
    till.add(kind, msgspec.Raw(b'{"anything":[1]}'), schema=schema)
    till.sell(100)
    answer = till.send()
    assert [(n.seq, n.status, n.code) for n in answer.not_applied] == [
        (1, "waiting", "needs_newer_server")
    ]
    assert Receipt.objects.count() == 1
    assert apply_understood(NOON) == 0
    assert states() == [(1, "waiting", "needs_newer_server")]


def test_after_an_upgrade_it_is_applied_by_itself(till: Till) -> None:
    """As if an older server had kept the sale without understanding it."""
    till.sell(100)
    till.send()
    for table in (Receipt, ReceiptLine, Payment, Movement, Level):
        table.objects.all().delete()
    Entry.objects.update(status="waiting", code="needs_newer_server")
    assert apply_understood(NOON) == 1
    assert (Receipt.objects.count(), Movement.objects.count(), states()) == (1, 1, [])


def test_totals_that_differ_are_an_exception_and_not_a_quarantine(till: Till) -> None:
    receipt = make_sale("S1-R1-000001", (1000,))
    till.sell(receipt=msgspec.structs.replace(receipt, tax=receipt.tax + 1, net=receipt.net - 1))
    assert till.send().not_applied == ()
    assert Receipt.objects.get().tax == receipt.tax + 1
    item = ExceptionItem.objects.get()
    assert item.code == "totals_differ"
    assert item.details["tax"] == {"receipt": receipt.tax + 1, "computed": receipt.tax}
    assert retry_exception(till.register.account_id, item.id, NOON).left == 0
    assert open_codes() == []


def test_an_employee_unknown_here_is_an_exception_once_a_shift(till: Till) -> None:
    stranger = str(uuid.uuid4())
    till.open_shift()
    till.sell(100, employee=stranger)
    till.sell(100, employee=stranger)
    assert till.send().not_applied == ()
    till.sell(100, employee=stranger)
    till.send()
    assert (Receipt.objects.count(), open_codes()) == (3, ["not_permitted"])


def make_employee(till: Till, permissions: list[str]) -> Employee:
    account = till.register.account
    role = Role.objects.create(account=account, name=str(permissions), permissions=permissions)
    return Employee.objects.create(account=account, code=role.name, name="Ben", role=role)


def test_what_an_employee_may_do_is_looked_at_and_never_refused(till: Till) -> None:
    seller, opener = make_employee(till, ["sale.sell"]), make_employee(till, ["register.open"])
    till.sell(100, employee=str(seller.id))
    till.sell(100, employee=str(opener.id).upper())
    till.send()
    [item] = ExceptionItem.objects.all()
    assert item.details["employee"] == str(opener.id)
    assert item.details["permission"] == "sale.sell"
    seller.active = False
    seller.save()
    till.shift = str(uuid.uuid4())
    till.sell(100, employee=str(seller.id))
    assert till.send().not_applied == ()
    assert (Receipt.objects.count(), open_codes()) == (3, ["not_permitted"] * 2)


def test_the_same_id_in_two_branches_is_applied_once(till: Till) -> None:
    till.sell(100)
    till.send()
    again = make_till(make_store(till.register.account, "S2"))  # a clone's journal, its own epoch
    again.register, again.key, again.nonce = till.register, till.key, till.nonce
    sale = facts.decode_body(till.entries[0].body)
    again.add("sale", sale.payload, id=sale.id)
    again.sell(receipt=make_sale("S1-R1-000001", (400,)))
    answer = again.send()
    assert (answer.ack.seq, answer.not_applied) == (2, ())
    assert open_codes() == ["number_twice", "seen_before"]
    assert sorted(Receipt.objects.values_list("total", flat=True)) == [100, 400]
    assert sum(level.quantity for level in Level.objects.all()) == -2


def test_two_tills_from_one_disk_that_both_paid_its_open_cart(till: Till) -> None:
    """Two sales with one id: the second is not lost, it waits for a person."""
    till.sell(100)
    till.send()
    copy = Till(till.register, key=till.key, nonce=till.nonce)
    sale = facts.decode_body(till.entries[0].body)
    copy.sell(receipt=make_sale("S1-R1b-000001", (300,)), id=sale.id)
    [held] = copy.send().not_applied
    assert (held.status, held.code, open_codes()) == (
        "quarantined",
        "duplicate_id",
        ["duplicate_id"],
    )


def test_an_id_of_another_register_is_not_believed(till: Till) -> None:
    till.sell(100)
    till.send()
    other = make_till(make_store(till.register.account, "S2"))
    other.sell(200, id=facts.decode_body(till.entries[0].body).id)
    other.sell(300)
    assert [n.code for n in other.send().not_applied] == ["duplicate_id"]
    assert Receipt.objects.count() == 2
    assert retry_register(other.register.id, NOON).left == 1


def test_pin_blocks_reach_the_register_row(till: Till) -> None:
    till.add("pin_blocked", facts.PinBlocked(strikes=5))
    till.send()
    assert Register.objects.get().blocked
    till.add("pin_unblocked", facts.PinUnblocked(unblock="x"))
    till.send()
    assert not Register.objects.get().blocked
    assert list(Event.objects.order_by("occurred_at").values_list("kind", "details")) == [
        ("pin_blocked", {"strikes": 5}),
        ("pin_unblocked", {"unblock": "x"}),
    ]


def test_a_revoked_register_hands_in_its_facts_and_they_wait_for_a_yes(till: Till) -> None:
    till.open_shift()
    till.sell(100)
    till.send(till.entries[:1])
    Register.objects.update(state="revoked")
    answer = till.send()
    assert (answer.ack.seq, [i.do for i in answer.instructions]) == (2, ["revoked"])
    assert states() == [(2, "waiting", "after_revocation")]
    assert (Receipt.objects.count(), answer.feed_behind, answer.page) == (0, False, None)
    till.sell(200)
    till.sell(300)
    answer = till.send(retry=True)
    assert [n.code for n in answer.not_applied] == ["after_revocation"] * 3
    assert open_codes() == ["after_revocation"] * 2
    item = ExceptionItem.objects.filter(code="after_revocation").first()
    assert item is not None
    assert retry_exception(till.register.account_id, item.id, NOON).applied == 3
    assert (open_codes(), states()) == ([], [])
    assert sorted(Receipt.objects.values_list("total", flat=True)) == [100, 200, 300]


def test_a_nul_in_a_reason_does_not_trouble_the_database(till: Till) -> None:
    till.add("drawer_opened", facts.DrawerOpened(reason="coins\0for the\0bus"))
    assert till.send().not_applied == ()
    assert Event.objects.get().details == {"reason": "coinsfor thebus"}
