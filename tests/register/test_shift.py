"""Opening, cash movements, X and Z, with the figures of docs/money.md (13 and 14)."""

from contextlib import closing
from pathlib import Path

import pytest

from stillopen.domain.errors import DomainError
from stillopen.domain.receipt import Receipt
from stillopen.domain.shift import CashKind, ShiftTotals
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.session import Session
from stillopen.register.store.shifts import Counters
from stillopen.register.till import Till
from stillopen.register.usecases.close_register import close_register
from stillopen.register.usecases.move_cash import move_cash
from stillopen.register.usecases.open_drawer import open_drawer
from stillopen.register.usecases.open_register import open_register
from stillopen.register.usecases.receipts import find_receipt
from stillopen.register.usecases.scan import add_product
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.register.usecases.x_report import x_report
from stillopen.sync.facts import ShiftClosed, decode_body, decode_payload
from tests.register.shop import Setting, make_till, product, reopen, signed_in

HALF = {"p-half": product("50", "Half a hundred", 5000), "p-twenty": product("20", "Twenty", 2000)}


def sell_for(till: Till, session: Session, sku: str, quantity: str, given: int) -> Receipt:
    tender = Tender(type=TenderType.CASH, amount=given)
    line = SaleLine(sku=sku, quantity=quantity)
    return sell(till, session, till.clock.new_id(), [line], [tender]).receipt


def as_after_a_refund(till: Till, amount: int) -> None:
    """The sums as a cash refund of ``amount`` would leave them (refunds have no screen yet)."""
    shift = till.journal.shifts.open_shift()
    counters = till.journal.shifts.counters()
    assert shift is not None
    with till.journal.transaction():
        totals = ShiftTotals(
            **{
                **{f: getattr(shift.totals, f) for f in shift.totals.__struct_fields__},
                "refunds_count": 1,
                "refunds_total": amount,
                "cash_refunds": amount,
            }
        )
        changed = {f: getattr(shift, f) for f in shift.__struct_fields__} | {"totals": totals}
        till.journal.shifts.save(type(shift)(**changed))
        till.journal.shifts.save_counters(
            Counters(counters.receipts, counters.z, counters.grand_total - amount)
        )


def test_expected_cash(tmp_path: Path) -> None:
    """Float 100 + sales 250 (net of change) − refunds 20 + in 30 − out 15 − drop 200 = 145."""
    with closing(make_till(tmp_path, Setting(products=HALF))) as till:
        session = signed_in(till)
        sell_for(till, session, "50", "5", 30000)
        as_after_a_refund(till, 2000)
        move_cash(till, session, CashKind.PAY_IN, 3000, "change")
        move_cash(till, session, CashKind.PAY_OUT, 1500, "milk")
        move_cash(till, session, CashKind.DROP, 20000)
        assert x_report(till, session).expected == 14500
        z = close_register(till, session, 14350)
        assert (z.expected, z.counted, z.difference) == (14500, 14350, -150)


def test_a_blind_close_hides_what_is_expected_until_it_is_counted(tmp_path: Path) -> None:
    with closing(make_till(tmp_path, Setting(products=HALF, blind_close=True))) as till:
        session = signed_in(till)
        sell_for(till, session, "50", "1", 5000)
        report = x_report(till, session)
        assert (report.expected, report.difference) == (None, None)
        z = close_register(till, session, 14900)
        assert (z.expected, z.difference) == (15000, -100)


def test_x_changes_nothing_and_z_counts_up(tmp_path: Path) -> None:
    """Z: number +1, grand total 10 000 + 500 − 20 = 10 480."""
    with closing(make_till(tmp_path, Setting(products=HALF))) as till:
        session = signed_in(till)
        with till.journal.transaction():
            till.journal.shifts.save_counters(Counters(0, 6, 1_000_000))
        sell_for(till, session, "50", "10", 50000)
        as_after_a_refund(till, 2000)
        head = till.journal.head()
        assert x_report(till, session) == x_report(till, session)
        assert till.journal.head() == head
        z = close_register(till, session, 0)
        assert (z.z_number, z.grand_total) == (7, 1_048_000)
        assert (z.totals.sales_total, z.totals.refunds_total) == (50000, 2000)
        stored = till.journal.entries.after(head.seq, 1)[0]
        found = till.journal.entries.stored(stored.id)
        assert found is not None
        fact = decode_payload(decode_body(found[1]))
        assert isinstance(fact, ShiftClosed) and fact.report == z


def test_a_shift_outlives_the_program(till: Till, session: Session) -> None:
    sell_for(till, session, "100", "1", 350)
    with closing(reopen(till)) as again:
        who = signed_in(again, "3")
        sell_for(again, who, "100", "1", 350)
        z = close_register(again, who, 10700)
        assert (z.totals.sales_count, z.difference, z.opened_by, z.closed_by) == (
            2,
            0,
            "Ada",
            "Sol",
        )


def test_every_sale_belongs_to_one_shift(till: Till, session: Session) -> None:
    first = sell_for(till, session, "100", "1", 350)
    z1 = close_register(till, session, 10350)
    open_register(till, session, 5000)
    second = sell_for(till, session, "100", "2", 700)
    z2 = close_register(till, session, 5700)
    assert (z1.totals.sales_total, z2.totals.sales_total) == (350, 700)
    assert (z1.z_number, z2.z_number, z2.grand_total) == (1, 2, 1050)
    assert find_receipt(till, first.number).shift == z1.shift
    assert find_receipt(till, second.number).shift == z2.shift


def test_the_count_by_denominations(till: Till, session: Session) -> None:
    for denominations in ({"5000": 1}, {"x": 1}, {"5000": -1}):
        with pytest.raises(DomainError) as refused:
            close_register(till, session, 10000, denominations)
        assert refused.value.code == "bad_count"
    assert close_register(till, session, 10050, {"5000": 2, "50": 1}).difference == 50


def test_a_shift_is_opened_once_and_closed_once(till: Till) -> None:
    session = signed_in(till, opening_float=None)
    for attempt in (
        lambda: close_register(till, session, 0),
        lambda: x_report(till, session),
        lambda: move_cash(till, session, CashKind.PAY_IN, 1),
        lambda: open_drawer(till, session),
    ):
        with pytest.raises(DomainError) as refused:
            attempt()
        assert refused.value.code == "shift_not_open"
    open_register(till, session, 0)
    with pytest.raises(DomainError) as refused:
        open_register(till, session, 0)
    assert refused.value.code == "shift_already_open"


@pytest.mark.parametrize("amount", [-1, 10**14])
def test_amounts_that_no_drawer_holds(till: Till, amount: int) -> None:
    session = signed_in(till, opening_float=None)
    with pytest.raises(DomainError) as refused:
        open_register(till, session, amount)
    assert refused.value.code == "bad_amount"
    open_register(till, session, 0)
    for attempt in (
        lambda: move_cash(till, session, CashKind.DROP, amount),
        lambda: move_cash(till, session, CashKind.DROP, 0),
        lambda: close_register(till, session, amount),
    ):
        with pytest.raises(DomainError) as refused:
            attempt()
        assert refused.value.code == "bad_amount"


def test_an_open_sale_stands_in_the_way_of_closing(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    with pytest.raises(DomainError) as refused:
        close_register(till, session, 10000)
    assert refused.value.code == "cart_open"


def test_a_salesperson_may_not_touch_the_drawer(till: Till) -> None:
    session = signed_in(till, "3")
    for attempt in (
        lambda: move_cash(till, session, CashKind.PAY_OUT, 100),
        lambda: open_drawer(till, session, "change"),
    ):
        with pytest.raises(DomainError) as refused:
            attempt()
        assert refused.value.code == "not_permitted"
    manager = signed_in(till, "2")
    open_drawer(till, manager, "change")
    assert till.journal.entries.after(0, 99)[-1].kind == "drawer_opened"
