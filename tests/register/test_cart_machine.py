"""Any run of cart operations, with power cuts in between."""

import itertools
from decimal import Decimal
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from stillopen.domain.discount import Discount, DiscountKind
from stillopen.domain.errors import DomainError
from stillopen.domain.receipt import recompute
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.usecases.cart_view import current_cart
from stillopen.register.usecases.change_cart import (
    discard,
    remove_line,
    set_quantity,
    set_sale_discount,
)
from stillopen.register.usecases.pay import pay
from stillopen.register.usecases.scan import add_product
from tests.register.shop import PRODUCTS, make_till, reopen, signed_in


class CartMachine(RuleBasedStateMachine):
    """Whatever is done to it, what is on disk is what was answered, and every sale adds up."""

    folder: Path
    numbers = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.serial = 0
        self.sold = 0

    @initialize()
    def begin(self) -> None:
        self.till = make_till(CartMachine.folder / str(next(CartMachine.numbers)))
        self.session = signed_in(self.till)
        self.view = current_cart(self.till)

    @rule(key=st.sampled_from(sorted(PRODUCTS)), quantity=st.integers(1, 5))
    def add(self, key: str, quantity: int) -> None:
        try:
            self.view = add_product(self.till, self.session, key, str(quantity)).view
        except DomainError as error:
            assert error.code in ("stopped", "no_price")

    @precondition(lambda self: self.view.cart.lines)
    @rule(data=st.data(), quantity=st.decimals("0.001", "9", places=3))
    def quantity(self, data: st.DataObject, quantity: Decimal) -> None:
        line = data.draw(st.sampled_from(self.view.cart.lines))
        self.view = set_quantity(self.till, self.session, line.id, str(quantity))

    @precondition(lambda self: self.view.cart.lines)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        line = data.draw(st.sampled_from(self.view.cart.lines))
        self.view = remove_line(self.till, self.session, line.id)

    @rule(percent=st.integers(1, 100))
    def discount(self, percent: int) -> None:
        ten = Discount(kind=DiscountKind.PERCENT, value=Decimal(percent))
        self.view = set_sale_discount(self.till, self.session, ten)

    @rule()
    def power_cut(self) -> None:
        self.till = reopen(self.till)
        self.session = signed_in(self.till)

    @precondition(lambda self: self.view.cart.lines)
    @rule()
    def finish(self) -> None:
        cart = current_cart(self.till).cart
        cash = [Tender(type=TenderType.CASH, amount=10**9)]
        paid = pay(self.till, self.session, cart.id, cart.version, cash)
        assert recompute(paid.receipt) == paid.receipt
        self.sold += paid.receipt.total
        self.view = current_cart(self.till)

    @precondition(lambda self: self.view.cart.lines)
    @rule()
    def throw_away(self) -> None:
        self.view = discard(self.till, self.session)

    @invariant()
    def what_is_stored_is_what_was_shown(self) -> None:
        if hasattr(self, "till"):
            stored = current_cart(self.till)
            assert (stored.cart.lines, stored.totals) == (self.view.cart.lines, self.view.totals)
            assert stored.totals.total == sum(line.gross for line in stored.totals.lines)
            assert self.till.journal.shifts.counters().grand_total == self.sold

    def teardown(self) -> None:
        if hasattr(self, "till"):
            self.till.close()


def test_any_run_of_cart_operations(tmp_path: Path) -> None:
    CartMachine.folder = tmp_path
    few = settings(max_examples=15, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(CartMachine, settings=few)
