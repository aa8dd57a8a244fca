"""Paying the open cart, in one transaction; and card payments on a terminal that is not connected."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from stillopen.domain.cart import Cart
from stillopen.domain.errors import DomainError
from stillopen.domain.tender import Tender, TenderType
from stillopen.domain.totals import compute_totals
from stillopen.register.session import Session
from stillopen.register.store.carts import CardAttempt
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import open_cart, renew, require_free
from stillopen.register.usecases.checkout import Paid, check_may_pay, make_sale, paid_before
from stillopen.register.usecases.record import open_shift_id, record, require_shift
from stillopen.register.usecases.sign_in import end_after_sale
from stillopen.sync.facts import PaymentAttempt, PaymentOutcome

__all__ = [
    "Paid",
    "PendingPayment",
    "answer_card_payment",
    "begin_card_payment",
    "pay",
    "pending_payments",
]


class PendingPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A card payment that was asked for and has no outcome yet (``confirmed``: a person said it was paid)."""

    id: str
    cart: str
    amount: int  # minor units
    asked_at: datetime
    confirmed: bool
    cart_open: bool  # False: its cart is parked


def pay(
    till: Till,
    session: Session,
    cart_id: str,
    version: int,
    tenders: Sequence[Tender],
) -> Paid:
    """Pay the cart at the version that the cashier saw.

    The same ``cart_id`` again answers the receipt that was made. Errors: ``cart_changed`` (details
    ``version``, ``total``), ``empty_cart``, ``shift_not_open``, ``tender_short`` (details ``due``),
    ``tender_excess``, ``bad_tender``, ``not_offline``, ``no_terminal``, ``disk_full``,
    ``payment_pending`` (a card payment under way is missing among the tenders).
    """
    if not _is_open(till, cart_id):  # what is open is not paid: one transaction does both
        before = paid_before(till, cart_id)
        if before is not None:
            return before
    check_may_pay(till, session, [t.type for t in tenders])
    with till.change("journal", "cart"):
        cart = _cart_as_seen(till, cart_id, version)
        _check_attempt(till, cart, tenders)
        paid = make_sale(till, session, cart, tenders)
    renew(till)
    if end_after_sale(till, session):
        return msgspec.structs.replace(paid, signed_out=True)
    return paid


def _is_open(till: Till, cart_id: str) -> bool:
    cart = till.journal.carts.open_cart()
    return cart is not None and cart.id == cart_id


def _cart_as_seen(till: Till, cart_id: str, version: int) -> Cart:
    require_shift(till)
    cart = open_cart(till)
    if cart.id != cart_id or cart.version != version:
        total = compute_totals(cart.lines, cart.discount, till.rules).total
        raise DomainError(
            "cart_changed",
            "The sale has changed meanwhile. Look at it again.",
            cart=cart.id,
            version=cart.version,
            total=total,
        )
    return cart


def _check_attempt(till: Till, cart: Cart, tenders: Sequence[Tender]) -> None:
    """A card that was asked for must be among the tenders, or be answered first."""
    attempt = till.journal.carts.attempt_of(cart.id)
    if attempt is None:
        return
    card = sum(t.amount for t in tenders if t.type is TenderType.EXTERNAL_CARD)
    if card != attempt.amount:
        require_free(till, cart.id)


def begin_card_payment(
    till: Till, session: Session, cart_id: str, version: int, amount: int
) -> PendingPayment:
    """Journal that an external card is about to be asked for ``amount``; the cart stands still until then.

    Errors as :func:`pay`.
    """
    check_may_pay(till, session, [TenderType.EXTERNAL_CARD])
    with till.change("journal", "cart"):
        cart = _cart_as_seen(till, cart_id, version)
        require_free(till, cart.id)
        total = compute_totals(cart.lines, cart.discount, till.rules).total
        if cart.is_empty or not 0 < amount <= total:
            raise DomainError(
                "bad_tender", "A card is charged above zero and at most what is due.", due=total
            )
        fact = PaymentAttempt(cart=cart.id, type=TenderType.EXTERNAL_CARD, amount=amount)
        made = record(till, "payment_attempt", fact, session=session, shift=open_shift_id(till))
        attempt = CardAttempt(
            id=made.id,
            cart=cart.id,
            amount=amount,
            asked_at=made.draft.occurred_at,
            confirmed=False,
        )
        till.journal.carts.save_attempt(attempt)
    return _pending(till, attempt)


def answer_card_payment(
    till: Till,
    session: Session,
    attempt_id: str,
    paid: bool,
    note: str = "",
    reference: str = "",
) -> Paid | None:
    """What became of an attempt. Paid, and it covers the cart: the sale is made and answered.

    Paid and more is due: it stays confirmed and must be among the tenders of :func:`pay`. Not paid:
    the outcome is journalled and the cart is free again. ``no_such_attempt``.
    """
    attempt = next((a for a in till.journal.carts.attempts() if a.id == attempt_id), None)
    if attempt is None:
        raise DomainError("no_such_attempt", "This card payment has been answered already.")
    cart = open_cart(till)
    if paid and cart.id == attempt.cart and _covers(till, cart, attempt.amount):
        tender = Tender(type=TenderType.EXTERNAL_CARD, amount=attempt.amount, reference=reference)
        return pay(till, session, cart.id, cart.version, [tender])
    with till.change("journal", "cart"):
        fact = PaymentOutcome(attempt=attempt.id, paid=paid, note=note)
        record(till, "payment_outcome", fact, session=session, shift=open_shift_id(till))
        if paid:
            till.journal.carts.save_attempt(msgspec.structs.replace(attempt, confirmed=True))
        else:
            till.journal.carts.end_attempt(attempt.cart)
    return None


def _covers(till: Till, cart: Cart, amount: int) -> bool:
    return compute_totals(cart.lines, cart.discount, till.rules).total == amount


def pending_payments(till: Till) -> list[PendingPayment]:
    """What the till must ask about, also after a restart."""
    return [_pending(till, attempt) for attempt in till.journal.carts.attempts()]


def _pending(till: Till, attempt: CardAttempt) -> PendingPayment:
    return PendingPayment(
        id=attempt.id,
        cart=attempt.cart,
        amount=attempt.amount,
        asked_at=attempt.asked_at,
        confirmed=attempt.confirmed,
        cart_open=open_cart(till).id == attempt.cart,
    )
