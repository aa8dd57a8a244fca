"""Settling exceptions: each fix on both databases, who decided what, and that no byte is touched."""

import uuid
from decimal import Decimal

import msgspec
import pytest

from stillopen.backoffice.accounts.models import Account
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.ingest.models import Decision, Entry, ExceptionItem
from stillopen.backoffice.ingest.resolve import Decider, settle
from stillopen.backoffice.ingest.retry import Retried, retry_all, retry_exception
from stillopen.backoffice.ingest.unknown import create, map_to
from stillopen.backoffice.ledger.models import Receipt, Shift
from stillopen.backoffice.reports.exceptions import Together, come_after_revocation, read_cases
from stillopen.backoffice.stock.models import Level, Movement
from stillopen.domain.errors import DomainError
from stillopen.sync import facts
from stillopen.sync.chain import StoredEntry
from tests.backoffice.ingest.test_quarantine import GBP, open_codes, poison, states
from tests.backoffice.ingest.till import (
    NOON,
    Till,
    make_line,
    make_product,
    make_sale,
    make_store,
    make_till,
)

ANNA = Decider("anna@example.org", note="looked at the paper")


def only(code: str) -> ExceptionItem:
    return ExceptionItem.objects.get(code=code)


def fix(code: str, how: str, by: Decider = ANNA) -> Retried:
    item = only(code)
    return settle(item.account_id, item.id, how, by, NOON)


def said(code: str) -> list[tuple[str, str, str]]:
    rows = Decision.objects.filter(code=code).order_by("at")
    return [(d.fix, d.by, d.result) for d in rows]


def bodies() -> list[bytes]:
    return [bytes(e.body) for e in Entry.objects.order_by("seq")]


def levels() -> dict[str, Decimal]:
    return {x.product_id: x.quantity for x in Level.objects.all()}


def test_damaged_bytes_that_can_be_read_are_accepted_as_they_stand(till: Till) -> None:
    till.sell(100)
    poison(till, "bad_hash")
    till.sell(100)
    till.send()
    before = bodies()
    account = till.register.account_id
    done = retry_exception(account, only("bad_hash").id, NOON)
    assert (done.applied, done.left) == (0, 1) and "damaged" in done.why[0]
    assert fix("bad_hash", "accept").applied == 1
    assert (Receipt.objects.count(), states(), open_codes(), bodies()) == (3, [], [], before)
    assert said("bad_hash") == [
        ("retry", "Back Office", "held"),
        ("accept", "anna@example.org", "applied"),
    ]
    entry = Entry.objects.get(seq=2)
    assert only("bad_hash").entry_id == entry.entry_id == facts.decode_body(before[1]).id
    with pytest.raises(DomainError) as error:
        fix("bad_hash", "accept")
    assert error.value.code == "settled"


def test_damaged_bytes_that_nobody_can_read_are_not_tried_again(till: Till) -> None:
    """They never change, so a retry is no fix; nor is there anything to accept."""
    till.sell(100)
    sound = till.entries.pop()
    till.entries.append(StoredEntry(sound.seq, sound.prev_hash, sound.hash, b"{}"))
    till.send()
    for how in ("retry", "accept"):
        with pytest.raises(DomainError) as error:
            fix("bad_hash", how)
        assert error.value.details["fixes"] == ["set_aside"]
    (case,) = read_cases([only("bad_hash")])
    assert "by hand" in case.todo and "accept" not in case.todo
    fix("bad_hash", "set_aside")
    assert open_codes() == []


def test_what_cannot_be_read_can_only_be_set_aside(till: Till) -> None:
    poison(till, "bad_entry")
    till.send()
    before = bodies()
    with pytest.raises(DomainError) as error:
        fix("bad_entry", "accept")
    assert error.value.code == "fix_not_possible"
    assert error.value.details["fixes"] == ["retry", "set_aside"]
    fix("bad_entry", "set_aside")
    assert (open_codes(), bodies(), Receipt.objects.count()) == ([], before, 0)
    entry = Entry.objects.get()
    assert (entry.status, entry.code) == ("applied", "set_aside")
    assert till.send([]).not_applied == ()
    decision = Decision.objects.get()
    assert decision.details == {"note": "looked at the paper", "entries": 1}


def test_a_receipt_number_that_came_twice_is_booked_when_accepted(till: Till) -> None:
    till.sell(receipt=make_sale("S1-R1-000001", (100,)))
    till.sell(receipt=make_sale("S1-R1-000001", (200,)))
    till.send()
    assert fix("duplicate_number", "accept") == Retried(1, 0)
    totals = Receipt.objects.filter(number="S1-R1-000001").values_list("total", flat=True)
    assert (sorted(totals), open_codes()) == ([100, 200], [])


def test_two_currencies_are_never_added_up(till: Till) -> None:
    till.sell(receipt=make_sale("S1-R1-000001", rules=GBP))
    till.send()
    for how in ("accept", "seen", "map_product"):
        with pytest.raises(DomainError) as error:
            fix("wrong_currency", how)
        assert error.value.code == "fix_not_possible"


def test_setting_one_aside_releases_what_waited_behind_it(till: Till) -> None:
    till.shift = str(uuid.uuid4())
    till.add("shift_opened", facts.ShiftOpened(float=77, currency="GBP"))
    till.sell(100)
    till.close_shift()
    till.send()
    assert [s[1] for s in states()] == ["quarantined", "waiting"]
    assert fix("wrong_currency", "set_aside") == Retried(1, 0)
    assert (states(), open_codes(), Shift.objects.get().z_number) == ([], [], 1)


def test_what_was_settled_and_is_held_again_is_open_again(till: Till) -> None:
    """Nothing is ever held unseen."""
    poison(till, "wrong_currency")
    till.send()
    item = only("wrong_currency")
    ExceptionItem.objects.update(resolved_at=NOON)
    assert retry_all(item.account_id, NOON).left == 1
    assert open_codes() == ["wrong_currency"]


def test_the_sales_of_a_stolen_till_can_be_left_out(till: Till) -> None:
    Register.objects.update(state=Register.State.REVOKED)
    till.sell(100)
    till.sell(200)
    till.send()
    assert only("after_revocation").message.startswith("2 entries arrived")
    item = only("after_revocation")
    assert come_after_revocation([item]) == {item.id: Together(2, 300)}
    fix("after_revocation", "set_aside")
    assert come_after_revocation([only("after_revocation")]) == {}
    assert (states(), open_codes(), Receipt.objects.count()) == ([], [], 0)
    till.sell(300)
    till.send([till.entries[-1]])
    later = ExceptionItem.objects.get(resolved_at=None)
    assert later.message.startswith("1 entry arrived")
    settle(later.account_id, later.id, "accept", ANNA, NOON)
    assert (states(), open_codes(), Receipt.objects.get().total) == ([], [], 300)


def test_a_finding_is_marked_as_seen(till: Till) -> None:
    receipt = make_sale("S1-R1-000001", (1000,))
    till.sell(receipt=msgspec.structs.replace(receipt, tax=receipt.tax + 1, net=receipt.net - 1))
    till.send()
    assert fix("totals_differ", "seen") == Retried(0, 0)
    assert (open_codes(), said("totals_differ")) == (
        [], [("seen", "anna@example.org", "settled")]
    )  # fmt: skip
    assert Receipt.objects.get().tax == receipt.tax + 1  # what is printed stands


# -- products that are not known


@pytest.fixture
def sold(till: Till) -> str:
    """The id of an unknown product that was sold five times by two registers in two stores."""
    name = str(uuid.uuid4())
    other = make_till(make_store(till.register.account, "S2"), "R1")
    for one, number, quantity in ((till, "A-1", "2"), (till, "A-2", "1"), (other, "B-1", "2")):
        line = make_line(300, quantity, product=name)
        one.sell(receipt=make_sale(number, lines=[line]))
    till.send()
    other.send()
    return name


def test_a_sale_of_an_unknown_product_is_applied_and_told_of(till: Till, sold: str) -> None:
    assert (Receipt.objects.count(), states()) == (3, [])
    assert open_codes() == ["unknown_product", "unknown_product"]  # once a register
    item = ExceptionItem.objects.get(register_id=till.register.id)
    kept = {key: item.details[key] for key in ("product", "sku", "name", "price", "receipt")}
    assert kept == {
        "product": sold, "sku": "100", "name": "Flat white", "price": 300, "receipt": "A-1"
    }  # fmt: skip
    assert sum(x.quantity for x in Level.objects.all()) == -5


def test_an_unknown_product_is_mapped_and_its_stock_moves(till: Till, sold: str) -> None:
    account = till.register.account
    target = make_product(account, str(uuid.uuid4()), sku="200")
    item = ExceptionItem.objects.get(register_id=till.register.id)
    map_to(account, item.id, target.id, ANNA, NOON)
    assert open_codes() == []
    moved = Movement.objects.filter(reason="correction")
    assert sum(m.quantity for m in moved) == 0 and moved.count() == 4
    by_store = {
        (str(x.store_id), x.product_id): x.quantity for x in Level.objects.all() if x.quantity
    }
    assert sorted(by_store.values()) == [-3, -2]
    assert {p for _, p in by_store} == {str(target.id)}
    assert {q for p, q in levels().items() if p == sold} == {0}
    till.sell(receipt=make_sale("A-3", lines=[make_line(300, "4", product=sold)]))
    till.send([till.entries[-1]])  # later sales are booked on it at once
    level = Level.objects.get(product_id=target.id, store_id=till.register.store_id)
    assert (level.quantity, open_codes()) == (-7, [])
    assert all(bytes(e.body) == till.entries[e.seq - 1].body
               for e in Entry.objects.filter(register_id=till.register.id))  # fmt: skip
    decision = Decision.objects.get(fix="map_product")
    assert decision.details["sku"] == "200" and sorted(decision.details["moved"]) == ["-2", "-3"]
    with pytest.raises(DomainError) as error:
        map_to(account, item.id, target.id, ANNA, NOON)
    assert error.value.code == "settled"


def test_an_unknown_product_is_made_with_the_id_that_was_sold(till: Till, sold: str) -> None:
    account = till.register.account
    item = ExceptionItem.objects.get(register_id=till.register.id)
    Account.objects.filter(id=account.id).update(default_tax=account_tax(account))
    account.refresh_from_db()
    values = {"sku": "201", "name": "Cortado", "price": 300}
    made = create(account, item.id, values, ANNA, NOON)  # type: ignore[arg-type]
    assert (str(made.id), open_codes()) == (sold, [])
    assert not Movement.objects.filter(reason="correction").exists()  # its stock is there already
    till.sell(receipt=make_sale("A-3", lines=[make_line(300, product=sold)]))
    till.send([till.entries[-1]])
    assert open_codes() == []


def account_tax(account: Account) -> uuid.UUID:
    return account.tax_rates.get().id  # type: ignore[attr-defined, no-any-return]


def test_a_mistake_in_the_new_product_changes_nothing(till: Till, sold: str) -> None:
    item = ExceptionItem.objects.get(register_id=till.register.id)
    account = till.register.account
    Account.objects.filter(id=account.id).update(default_tax=account_tax(account))
    account.refresh_from_db()
    with pytest.raises(DomainError) as error:
        create(account, item.id, {"sku": "100", "name": "X", "price": 1}, ANNA, NOON)
    assert error.value.code == "sku_taken"
    assert (len(open_codes()), Decision.objects.count()) == (2, 0)


def test_a_product_of_another_account_is_none(till: Till, sold: str) -> None:
    stranger = make_till(make_store(Account.objects.create(
        public_id="X", name="Other", currency="EUR", pepper=bytes(32)
    )))  # fmt: skip
    theirs = make_product(stranger.register.account, str(uuid.uuid4()))
    item = ExceptionItem.objects.get(register_id=till.register.id)
    with pytest.raises(DomainError) as error:
        map_to(till.register.account, item.id, theirs.id, ANNA, NOON)
    assert error.value.code == "not_found"
    with pytest.raises(DomainError) as error:
        map_to(stranger.register.account, item.id, theirs.id, ANNA, NOON)
    assert error.value.code == "not_found"
