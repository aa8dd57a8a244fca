"""Paying the open cart, in one transaction; and card payments on a terminal that is not connected."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from stillopen.domain.receipt import Receipt
from stillopen.domain.tender import Tender
from stillopen.register.session import Session
from stillopen.register.till import Till


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """A sale that is on disk. ``repeated``: it was already; ``signed_out``: the session ended with it."""

    id: str
    seq: int
    occurred_at: datetime
    receipt: Receipt
    repeated: bool = False
    signed_out: bool = False


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
    ``payment_pending`` (a confirmed card payment is missing among the tenders).
    """
    raise NotImplementedError


def begin_card_payment(
    till: Till, session: Session, cart_id: str, version: int, amount: int
) -> PendingPayment:
    """Journal that an external card is about to be asked for ``amount``; the cart stands still until then.

    Errors as :func:`pay`.
    """
    raise NotImplementedError


def answer_card_payment(
    till: Till, session: Session, attempt_id: str, paid: bool, note: str = ""
) -> Paid | None:
    """What became of an attempt. Paid, and it covers the cart: the sale is made and answered.

    Paid and more is due: it stays confirmed and must be among the tenders of :func:`pay`. Not paid:
    the outcome is journalled and the cart is free again. ``no_such_attempt``.
    """
    raise NotImplementedError


def pending_payments(till: Till) -> list[PendingPayment]:
    """What the till must ask about, also after a restart."""
    raise NotImplementedError
