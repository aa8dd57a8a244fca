"""An external card terminal: the till remembers what it asked for, also over a power cut."""

from contextlib import closing

import pytest

from stillopen.domain.errors import DomainError
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import current_cart
from stillopen.register.usecases.change_cart import discard
from stillopen.register.usecases.close_register import close_register
from stillopen.register.usecases.park import park
from stillopen.register.usecases.pay import (
    PendingPayment,
    answer_card_payment,
    begin_card_payment,
    pay,
    pending_payments,
)
from stillopen.register.usecases.scan import add_product
from tests.register.shop import reopen, signed_in


def ask(till: Till, session: Session, amount: int = 350) -> PendingPayment:
    cart = current_cart(till).cart
    return begin_card_payment(till, session, cart.id, cart.version, amount)


def kinds(till: Till) -> list[str]:
    return [row.kind for row in till.journal.entries.after(2, 1000)]


def refused_by(attempt: object) -> str:
    with pytest.raises(DomainError) as refused:
        attempt()  # type: ignore[operator]
    return refused.value.code


def test_paid_by_card(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    asked = ask(till, session)
    paid = answer_card_payment(till, session, asked.id, paid=True, reference="slip 7")
    assert paid is not None
    assert paid.receipt.tenders == (
        Tender(type=TenderType.EXTERNAL_CARD, amount=350, reference="slip 7"),
    )
    assert (paid.id, paid.receipt.change) == (asked.cart, 0)
    assert kinds(till) == ["payment_attempt", "sale"]
    assert pending_payments(till) == []


def test_not_paid(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    asked = ask(till, session)
    assert answer_card_payment(till, session, asked.id, paid=False, note="declined") is None
    assert kinds(till) == ["payment_attempt", "payment_outcome"]
    add_product(till, session, "p-coffee")
    assert (
        refused_by(lambda: answer_card_payment(till, session, asked.id, True)) == "no_such_attempt"
    )


def test_nothing_moves_while_a_card_is_asked_for(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    asked = ask(till, session)
    cart = current_cart(till).cart
    cash = [Tender(type=TenderType.CASH, amount=350)]
    for attempt in (
        lambda: add_product(till, session, "p-coffee"),
        lambda: discard(till, session),
        lambda: park(till, session),
        lambda: ask(till, session),
        lambda: pay(till, session, cart.id, cart.version, cash),
        lambda: close_register(till, session, 10000),
    ):
        assert refused_by(attempt) == "payment_pending"
    assert [p.id for p in pending_payments(till)] == [asked.id]


def test_after_a_power_cut_the_till_asks_what_became_of_it(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    asked = ask(till, session)
    with closing(reopen(till)) as again:
        who = signed_in(again)
        (pending,) = pending_payments(again)
        assert pending == asked and pending.cart_open
        paid = answer_card_payment(again, who, pending.id, paid=True)
        assert paid is not None and paid.receipt.total == 350


def test_part_by_card_and_the_rest_in_cash(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    asked = ask(till, session, 150)
    assert answer_card_payment(till, session, asked.id, paid=True) is None
    (confirmed,) = pending_payments(till)
    assert confirmed.confirmed
    cart = current_cart(till).cart
    only_cash = [Tender(type=TenderType.CASH, amount=350)]
    assert (
        refused_by(lambda: pay(till, session, cart.id, cart.version, only_cash))
        == "payment_pending"
    )
    both = [
        Tender(type=TenderType.EXTERNAL_CARD, amount=150),
        Tender(type=TenderType.CASH, amount=500),
    ]
    paid = pay(till, session, cart.id, cart.version, both)
    assert paid.receipt.change == 300
    assert kinds(till) == ["payment_attempt", "payment_outcome", "sale"]
    assert pending_payments(till) == []


@pytest.mark.parametrize("amount", [0, -1, 351])
def test_amounts_that_are_not_asked_for(till: Till, session: Session, amount: int) -> None:
    add_product(till, session, "p-coffee")
    assert refused_by(lambda: ask(till, session, amount)) == "bad_tender"


def test_an_old_picture_of_the_cart_is_not_charged(till: Till, session: Session) -> None:
    add_product(till, session, "p-coffee")
    seen = current_cart(till).cart
    add_product(till, session, "p-coffee")
    stale = refused_by(lambda: begin_card_payment(till, session, seen.id, seen.version, 350))
    assert stale == "cart_changed"
