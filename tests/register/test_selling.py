"""From the scan to the receipt, on real files."""

from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from stillopen.domain.barcode import Carries
from stillopen.domain.businessday import zone
from stillopen.domain.discount import Discount, DiscountKind
from stillopen.domain.errors import DomainError
from stillopen.domain.permission import DEFAULT_ROLES, Permission
from stillopen.domain.pricing import Price
from stillopen.domain.receipt import recompute
from stillopen.domain.tender import Tender, TenderType
from stillopen.domain.totals import Rules
from stillopen.register.clock import ManualClock
from stillopen.register.linkview import LineState, LinkView
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import current_cart
from stillopen.register.usecases.change_cart import (
    discard,
    make_discount,
    remove_line,
    set_customer,
    set_line_discount,
    set_line_note,
    set_note,
    set_quantity,
    set_sale_discount,
    take_back_last,
)
from stillopen.register.usecases.close_register import close_register
from stillopen.register.usecases.open_register import open_register
from stillopen.register.usecases.park import park, parked_carts, resume
from stillopen.register.usecases.pay import Paid, pay
from stillopen.register.usecases.receipts import (
    find_receipt,
    last_receipt,
    last_sale_sentence,
    list_receipts,
    reprint,
)
from stillopen.register.usecases.scan import add_product, find_code, scan
from stillopen.register.usecases.search_products import (
    products_in_category,
    quick_key_page,
    search_products,
)
from stillopen.register.usecases.sell import SaleLine, sell
from stillopen.sync import records
from stillopen.sync.facts import decode_body
from stillopen.sync.messages import Ack
from tests.register.shop import (
    SCOPES,
    Setting,
    change,
    make_till,
    product,
    reopen,
    signed_in,
)


def cash(amount: int) -> list[Tender]:
    return [Tender(type=TenderType.CASH, amount=amount)]


def pay_cash(till: Till, session: Session, amount: int = 100000) -> Paid:
    cart = current_cart(till).cart
    return pay(till, session, cart.id, cart.version, cash(amount))


def code_of(refused: pytest.ExceptionInfo[DomainError]) -> str:
    return refused.value.code


# -- scanning -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("4006381333931", "Flat white"),
        (" 4006381333931 ", "Flat white"),
        ("96385074", "Croissant"),
        ("036000291452", "Cola"),  # UPC-A as filed
        ("0036000291452", "Cola"),  # the same, sent as EAN-13
        ("103", "Cola"),
        ("2112345003320", "Mountain cheese"),
    ],
)
def test_a_code_is_found_by_barcode_sku_or_label(till: Till, code: str, name: str) -> None:
    assert find_code(till, code).item.record.name == name


@pytest.mark.parametrize("code", ["", "  ", "4711", "2112345003321", "2199999003326", "9" * 500])
def test_an_unknown_code_leaves_the_cart_untouched(till: Till, session: Session, code: str) -> None:
    add_product(till, session, "p-coffee")
    before = current_cart(till)
    with pytest.raises(DomainError) as refused:
        scan(till, session, code)
    assert code_of(refused) == "unknown_code"
    assert current_cart(till) == before


def test_a_price_on_the_label_stands(till: Till, session: Session) -> None:
    """3.32 at 45.00/kg is 0.074 kg; the line stays 3.32 and does not become 3.33."""
    added = scan(till, session, "2112345003320")
    (line,) = added.view.cart.lines
    assert (line.quantity, line.unit_price, line.fixed_amount) == (Decimal("0.074"), 4500, 332)
    assert added.view.totals.total == 332
    with pytest.raises(DomainError) as refused:
        set_quantity(till, session, line.id, "2")
    assert code_of(refused) == "price_on_label"


def test_a_weight_on_the_label_is_priced_here(tmp_path: Path) -> None:
    with closing(make_till(tmp_path)) as till:
        session = signed_in(till)
        settings = till.account_settings
        weighed = records.AccountSettings(
            name=settings.name,
            rules=settings.rules,
            embedded_prefixes={"29": Carries.WEIGHT},
        )
        change(till, (SCOPES[0], "acc-1", weighed))
        code = "291234500250"
        sums = sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(code))
        added = scan(till, session, code + str(-sums % 10))
        assert added.view.cart.lines[0].quantity == Decimal("0.250")
        assert added.view.totals.total == 1125
        with pytest.raises(DomainError):  # 21 carries nothing here any more
            scan(till, session, "2112345003320")


def test_the_same_goods_in_a_row_raise_the_quantity(till: Till, session: Session) -> None:
    first = scan(till, session, "4006381333931")
    second = scan(till, session, "4006381333931", quantity="2")
    assert first.line == second.line
    assert [line.quantity for line in second.view.cart.lines] == [Decimal(3)]
    scan(till, session, "103")
    third = scan(till, session, "4006381333931")
    assert len(third.view.cart.lines) == 3


def test_twenty_fast_scans_are_twenty_whatever_is_repeated(till: Till, session: Session) -> None:
    """A scan queue that saw no answer sends again: the ids make it harmless, also after a restart."""
    codes = ["4006381333931", "103"] * 10
    for n, code in enumerate(codes):
        for _ in range(1 + n % 3):
            scan(till, session, code, request_id=f"scan-{n}")
    assert [line.sku for line in current_cart(till).cart.lines] == ["100", "103"] * 10
    with closing(reopen(till)) as again:
        who = signed_in(again)
        repeated = scan(again, who, "103", request_id="scan-19")
        assert repeated.repeated and len(repeated.view.cart.lines) == 20
        with pytest.raises(DomainError) as refused:
            scan(again, who, "100", request_id="scan-19")
        assert code_of(refused) == "id_reused"


@pytest.mark.parametrize(
    ("key", "quantity", "code"),
    [
        ("p-sold-out", "1", "stopped"),
        ("p-unpriced", "1", "no_price"),
        ("p-nowhere", "1", "unknown_product"),
        ("p-coffee", "0", "bad_quantity"),
        ("p-coffee", "-1", "bad_quantity"),
        ("p-coffee", "1.2345", "bad_quantity"),
        ("p-coffee", "many", "bad_quantity"),
        ("p-coffee", "9999999", "bad_quantity"),
    ],
)
def test_what_cannot_be_added(
    till: Till, session: Session, key: str, quantity: str, code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        add_product(till, session, key, quantity)
    assert code_of(refused) == code
    assert current_cart(till).cart.is_empty


def test_nothing_is_sold_before_the_register_is_open(till: Till) -> None:
    session = signed_in(till, opening_float=None)
    for attempt in (
        lambda: scan(till, session, "103"),
        lambda: discard(till, session),
        lambda: pay_cash(till, session),
        lambda: sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], cash(350)),
    ):
        with pytest.raises(DomainError) as refused:
            attempt()
        assert code_of(refused) == "shift_not_open"


def test_the_price_is_fixed_when_the_line_is_added(tmp_path: Path) -> None:
    """10.00 → 8.00 at midnight, store time; scanned at 23:59:50 and paid at 00:00:10: 10.00."""
    midnight = datetime(2026, 3, 3, 0, 0)  # noqa: DTZ001  (the store's wall clock)
    prices = (Price(amount=1000), Price(amount=800, since=midnight))
    late = datetime(2026, 3, 2, 23, 59, 50, tzinfo=zone("Europe/Berlin")).astimezone(UTC)
    clock = ManualClock(late)
    goods = {"p-x": product("x", "Flips", 0, prices=prices)}
    with closing(make_till(tmp_path, Setting(products=goods), clock)) as till:
        session = signed_in(till)
        scan(till, session, "x")
        clock.advance(20)
        assert pay_cash(till, session).receipt.total == 1000
        scan(till, session, "x")
        paid = pay_cash(till, session)
        assert paid.receipt.total == 800
        stored = find_receipt(till, paid.receipt.number)
        assert stored.local_time == datetime(2026, 3, 3, 0, 0, 10)  # noqa: DTZ001
        assert stored.business_day.isoformat() == "2026-03-02"  # the day ends at 04:00


# -- the cart -----------------------------------------------------------------------------


def test_changes_to_a_cart(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    line = add_product(till, session, "p-croissant").line
    assert set_quantity(till, session, line, "3").totals.total == 350 + 720
    ten = Discount(kind=DiscountKind.PERCENT, value=Decimal(10))
    assert set_line_discount(till, session, line, ten).totals.total == 350 + 648
    assert (
        set_sale_discount(till, session, make_discount("amount", "1.00", "EUR")).totals.total == 898
    )
    set_line_note(till, session, line, "to\nwarm up")
    set_customer(till, session, "  C-007 ")
    view = set_note(till, session, "birthday")
    assert (view.cart.customer, view.cart.note) == ("C-007", "birthday")
    assert view.cart.lines[1].note == "to warm up"
    assert remove_line(till, session, line).totals.total == 250
    assert take_back_last(till, session).cart.lines == ()
    assert take_back_last(till, session).cart.lines == ()
    with pytest.raises(DomainError) as refused:
        set_quantity(till, session, line, "1")
    assert code_of(refused) == "no_such_line"


@pytest.mark.parametrize(
    ("kind", "value"),
    [("percent", "0"), ("percent", "101"), ("percent", "x"), ("percent", "NaN"), ("amount", "0"),
     ("amount", "-1"), ("other", "1")],
)  # fmt: skip
def test_discounts_that_are_none(kind: str, value: str) -> None:
    with pytest.raises(DomainError) as refused:
        make_discount(kind, value, "EUR")
    assert code_of(refused) == "bad_discount"


def test_the_open_cart_survives_a_power_cut_and_the_last_sale_is_told(
    till: Till, session: Session
) -> None:
    add_product(till, session, "p-coffee", "2")
    pay_cash(till, session, 2000)
    add_product(till, session, "p-croissant")
    set_customer(till, session, "C-1")
    before = current_cart(till)
    with closing(reopen(till)) as again:
        assert current_cart(again) == before
        assert last_sale_sentence(again) == "Last sale S1-R1-000001: 7.00 paid, change 13.00"
        assert again.session(session.token) is None
        assert again.journal.shift_is_open()


def test_the_cart_outlives_the_cashier(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    other = signed_in(till, "3")
    assert pay_cash(till, other).receipt.cashier == "Sol"


def test_parking_and_taking_up_again(till: Till, session: Session) -> None:
    with pytest.raises(DomainError) as refused:
        park(till, session)
    assert code_of(refused) == "empty_cart"
    add_product(till, session, "p-coffee")
    parked = current_cart(till).cart
    assert park(till, session, "Table 4").cart.is_empty
    add_product(till, session, "p-croissant")
    with pytest.raises(DomainError) as refused:
        resume(till, session, parked.id)
    assert code_of(refused) == "cart_in_use"
    pay_cash(till, session)
    (row,) = parked_carts(till)
    assert (row.name, row.total, row.lines, row.employee_name) == ("Table 4", 350, 1, "Ada")
    assert resume(till, session, parked.id).cart == parked
    assert parked_carts(till) == []
    assert pay_cash(till, session).id == parked.id
    with pytest.raises(DomainError) as refused:
        resume(till, session, parked.id)
    assert code_of(refused) == "no_such_cart"


# -- paying -------------------------------------------------------------------------------


def test_paying_is_one_entry_with_the_next_number(till: Till, session: Session) -> None:
    heard: list[str] = []
    till.subscribe(heard.append)
    add_product(till, session, "p-coffee")
    cart = current_cart(till).cart
    paid = pay(till, session, cart.id, cart.version, cash(500))
    assert (paid.id, paid.receipt.number, paid.receipt.change) == (cart.id, "S1-R1-000001", 150)
    assert recompute(paid.receipt) == paid.receipt
    assert heard == ["cart", "journal", "cart"]
    stored = till.journal.entries.stored(cart.id)
    assert stored is not None
    body = decode_body(stored[1])
    assert (body.kind, body.employee, body.shift) == ("sale", "e-1", stored[0].shift)
    assert [job[1] for job in till.journal.prints.waiting()] == [cart.id]
    assert current_cart(till).cart.id != cart.id


def test_paying_twice_is_paying_once(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    cart = current_cart(till).cart
    first = pay(till, session, cart.id, cart.version, cash(500))
    again = pay(till, session, cart.id, cart.version, cash(500))
    assert again.repeated and again.receipt == first.receipt
    assert till.journal.receipts_made() == 1


def test_a_cart_that_changed_meanwhile_is_not_paid(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    seen = current_cart(till).cart
    add_product(till, session, "p-croissant")
    with pytest.raises(DomainError) as refused:
        pay(till, session, seen.id, seen.version, cash(1000))
    assert code_of(refused) == "cart_changed"
    assert refused.value.details["total"] == 590


@pytest.mark.parametrize(
    ("tenders", "code"),
    [
        ([], "tender_short"),
        ([("cash", 349)], "tender_short"),
        ([("external_card", 351)], "tender_excess"),
        ([("cash", 0)], "tender_short"),
        ([("cash", -350)], "bad_tender"),
        ([("card", 350)], "no_terminal"),
    ],
)
def test_tenders_that_do_not_pay(
    till: Till, session: Session, tenders: list[tuple[str, int]], code: str
) -> None:
    till.set_link(LinkView(state=LineState.CONNECTED))
    add_product(till, session, "p-coffee")
    cart = current_cart(till).cart
    before = till.journal.head()
    given = [Tender(type=TenderType(kind), amount=amount) for kind, amount in tenders]
    with pytest.raises(DomainError) as refused:
        pay(till, session, cart.id, cart.version, given)
    assert code_of(refused) == code
    assert till.journal.head() == before and current_cart(till).cart == cart


def test_an_empty_cart_is_not_paid(till: Till, session: Session) -> None:
    with pytest.raises(DomainError) as refused:
        pay_cash(till, session)
    assert code_of(refused) == "empty_cart"


def test_cash_is_rounded_and_the_difference_is_booked(tmp_path: Path) -> None:
    rules = Rules(currency="EUR", cash_rounding=5)
    with closing(make_till(tmp_path, Setting(rules=rules))) as till:
        session = signed_in(till)
        add_product(till, session, "p-cola")
        assert current_cart(till).cash_due == 200
        receipt = pay_cash(till, session, 500).receipt
        assert (receipt.total, receipt.rounding, receipt.change) == (199, 1, 300)


def test_several_employees_sign_in_for_each_sale(tmp_path: Path) -> None:
    with closing(make_till(tmp_path, Setting(several_employees=True))) as till:
        session = signed_in(till)
        add_product(till, session, "p-coffee")
        assert pay_cash(till, session).signed_out
        assert till.session(session.token) is None
        session = signed_in(till)
        add_product(till, session, "p-coffee")
        park(till, session)
        assert till.session(session.token) is None


def test_permissions_are_held_in_the_core(tmp_path: Path) -> None:
    with closing(make_till(tmp_path)) as till:
        session = signed_in(till, "3")  # a salesperson
        add_product(till, session, "p-coffee")
        ten = Discount(kind=DiscountKind.PERCENT, value=Decimal(10))
        with pytest.raises(DomainError) as refused:
            set_sale_discount(till, session, ten)
        assert code_of(refused) == "not_permitted"
        may_discount = (*DEFAULT_ROLES["Salesperson"], Permission.DISCOUNT)
        role = records.RoleRecord(name="Salesperson", permissions=tuple(may_discount))
        change(till, (SCOPES[0], "role-Salesperson", role))
        renewed = till.session(session.token)
        assert renewed is session
        assert set_sale_discount(till, renewed, ten).totals.total == 315


# -- one call -----------------------------------------------------------------------------


def test_a_sale_in_one_call(till: Till, session: Session) -> None:
    sale_id = till.clock.new_id()
    lines = [SaleLine(sku="100", quantity="2"), SaleLine(barcode="2112345003320")]
    made = sell(till, session, sale_id, lines, cash(2000), customer="C-9")
    assert (made.id, made.receipt.total, made.receipt.customer) == (sale_id, 1032, "C-9")
    same = [SaleLine(sku="100", quantity="2.0"), SaleLine(barcode="2112345003320")]
    again = sell(till, session, sale_id.upper(), same, cash(2000), customer="C-9")
    assert again.repeated and again.receipt == made.receipt
    for other in (
        lambda: sell(till, session, sale_id, lines[:1], cash(2000), customer="C-9"),
        lambda: sell(till, session, sale_id, lines, cash(2001), customer="C-9"),
        lambda: sell(till, session, sale_id, lines, cash(2000)),
        lambda: sell(till, session, _entry_id(till), lines, cash(2000)),
    ):
        with pytest.raises(DomainError) as refused:
            other()
        assert code_of(refused) == "id_reused"
    assert till.journal.receipts_made() == 1


def _entry_id(till: Till) -> str:
    """The id of an entry that is no sale."""
    return till.journal.entries.after(0, 1)[0].id


def test_it_may_take_the_id_of_the_empty_cart_on_the_screen(till: Till, session: Session) -> None:
    taken = current_cart(till).cart.id
    made = sell(till, session, taken, [SaleLine(sku="103")], cash(500))
    add_product(till, session, "p-coffee")
    cart = current_cart(till).cart
    assert cart.id != taken
    paid = pay(till, session, cart.id, cart.version, cash(500))
    assert (paid.repeated, paid.id) == (False, cart.id)
    assert pay(till, session, taken, 1, cash(500)).receipt == made.receipt


def test_it_leaves_the_open_cart_alone(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    cart = current_cart(till).cart
    sell(till, session, till.clock.new_id(), [SaleLine(sku="103")], cash(500))
    assert current_cart(till).cart == cart
    with pytest.raises(DomainError) as refused:
        sell(till, session, cart.id, [SaleLine(sku="103")], cash(500))
    assert code_of(refused) == "id_reused"


@pytest.mark.parametrize(
    ("sale_id", "lines", "code"),
    [
        ("not-a-uuid", [SaleLine(sku="100")], "bad_id"),
        (None, [], "empty_cart"),
        (None, [SaleLine(sku="nowhere")], "unknown_product"),
        (None, [SaleLine(barcode="4711")], "unknown_product"),
        (None, [SaleLine(sku="100", barcode="4711")], "bad_line"),
        (None, [SaleLine()], "bad_line"),
        (None, [SaleLine(sku="100", quantity="0")], "bad_quantity"),
        (None, [SaleLine(sku="100", quantity="-1")], "bad_quantity"),
        (None, [SaleLine(sku="100", quantity="1e3")], "bad_quantity"),
        (None, [SaleLine(sku="104")], "stopped"),
        (None, [SaleLine(sku="100")] * 1001, "cart_full"),
    ],
)
def test_sales_that_cannot_be_made(
    till: Till, session: Session, sale_id: str | None, lines: list[SaleLine], code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        sell(till, session, sale_id or till.clock.new_id(), lines, cash(2000))
    assert code_of(refused) == code
    assert till.journal.receipts_made() == 0


def test_a_refused_sale_can_be_corrected_under_its_id(till: Till, session: Session) -> None:
    sale_id = till.clock.new_id()
    with pytest.raises(DomainError):
        sell(till, session, sale_id, [SaleLine(sku="100")], cash(1))
    assert sell(till, session, sale_id, [SaleLine(sku="100")], cash(350)).receipt.change == 0


def test_a_revoked_register_finishes_what_is_open_and_begins_nothing(
    till: Till, session: Session
) -> None:
    add_product(till, session, "p-coffee")
    till.journal.sending.update(stopped="revoked")
    add_product(till, session, "p-croissant")
    assert pay_cash(till, session).receipt.total == 590
    for attempt in (
        lambda: scan(till, session, "103"),
        lambda: sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], cash(350)),
    ):
        with pytest.raises(DomainError) as refused:
            attempt()
        assert code_of(refused) == "revoked"
    assert close_register(till, session, 10590).difference == 0
    with pytest.raises(DomainError) as refused:
        open_register(till, session, 0)
    assert code_of(refused) == "revoked"
    till.journal.sending.update(stopped="upgrade_required")
    open_register(till, session, 0)
    assert scan(till, session, "103").view.totals.total == 199


# -- finding ------------------------------------------------------------------------------


def test_receipts_of_this_till(till: Till, session: Session) -> None:
    for _ in range(3):
        sell(till, session, till.clock.new_id(), [SaleLine(sku="100")], cash(350))
    assert [r.number[-1] for r in list_receipts(till)] == ["3", "2", "1"]
    assert [r.number[-1] for r in list_receipts(till, limit=1)] == ["3"]
    assert [r.number[-1] for r in list_receipts(till, before=5)] == ["2", "1"]
    assert [r.number for r in list_receipts(till, "00002")] == ["S1-R1-000002"]
    assert list_receipts(till, "%") == []
    head = till.journal.entries.raw_after(0, 4)[-1]
    till.journal.sending.set_ack(Ack(till.journal.sending.ack().epoch, head.seq, head.hash))
    assert [r.status for r in list_receipts(till)] == ["unsent", "sent", "sent"]
    found = reprint(till, session, "S1-R1-000002")
    assert found.receipt.total == 350
    assert till.journal.entries.after(5, 9)[0].kind == "receipt_reprinted"
    last = last_receipt(till)
    assert last is not None and last.receipt.number == "S1-R1-000003"
    with pytest.raises(DomainError) as refused:
        find_receipt(till, "S1-R1-000009")
    assert code_of(refused) == "no_such_receipt"


def test_products_for_the_screen(till: Till) -> None:
    assert [p.sku for p in quick_key_page(till)] == ["101", "100"]  # in order, without what is gone
    assert [p.name for p in products_in_category(till, "c-drinks")] == ["Cola", "Flat white"]
    (view,) = search_products(till, "flat")
    assert (view.price, view.currency, view.barcode) == (350, "EUR", "4006381333931")
    assert (view.colour, view.available) == ("teal", None)
    assert {p.sku: p.stopped for p in search_products(till, "straw")} == {"104": True}


def test_a_strict_shop_does_not_search_offline(tmp_path: Path) -> None:
    with closing(make_till(tmp_path, Setting(offline_preset="strict"))) as till:
        search_products(till, "flat")  # yellow counts as online
        till.set_link(LinkView(state=LineState.OFFLINE))
        with pytest.raises(DomainError) as refused:
            search_products(till, "flat")
        assert code_of(refused) == "not_offline"
        session = signed_in(till)
        scan(till, session, "4006381333931")
        assert pay_cash(till, session).receipt.number == "S1-R1-000001"
