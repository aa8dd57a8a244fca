"""Tenders: what the customer hands over, the cash rounding, and the change."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.money import MAX_AMOUNT, Rounding, divide


class TenderType(StrEnum):
    CASH = "cash"
    EXTERNAL_CARD = "external_card"  # a terminal that is not connected to the till
    CARD = "card"  # integrated card: needs the line


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` as handed over, minor units; ``reference`` is the terminal's slip number, if any."""

    type: TenderType
    amount: int
    reference: str = ""


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """``total + rounding = Σ tenders − change`` (minor units); ``change`` is paid out in cash."""

    rounding: int
    change: int


def round_cash(amount: int, step: int) -> int:
    """``amount`` to the nearest multiple of ``step``, halves away from zero; 0 and 1 leave it as it is."""
    return divide(amount, step, Rounding.HALF_UP) * step if step > 1 else amount


def cash_due(total: int, others: int, step: int) -> int:
    """What is asked for in cash when ``others`` (minor units) is paid by other means."""
    return round_cash(total - others, step)


def settle(total: int, tenders: Sequence[Tender], cash_step: int) -> Settlement:
    """Settle a sale of ``total`` ≥ 0 minor units.

    Only the cash part is rounded, after tax, and the difference is booked on its own. Errors:
    ``tender_short`` (details ``due``), ``tender_excess`` (other than cash pays no change out),
    ``bad_tender``.
    """
    if total < 0:
        return _settle_refund(total, tenders, cash_step)
    cash = others = 0
    has_cash = False
    for tender in tenders:
        # Nothing in cash is a tender too: a total that is rounded down to zero is paid with it.
        least = 0 if tender.type is TenderType.CASH else 1
        if not least <= tender.amount <= MAX_AMOUNT:
            raise DomainError("bad_tender", "A tender is an amount above zero.")
        if tender.type is TenderType.CASH:
            has_cash = True
            cash += tender.amount
        else:
            others += tender.amount
    if others > total:
        raise DomainError(
            "tender_excess",
            "Only cash gives change: the card amount is above the total.",
            due=total,
        )
    rest = total - others
    asked = cash_due(total, others, cash_step) if has_cash else rest
    if cash < asked:
        raise DomainError(
            "tender_short", "The tenders do not cover the total yet.", due=asked - cash
        )
    return Settlement(rounding=asked - rest, change=cash - asked)


def _settle_refund(total: int, tenders: Sequence[Tender], cash_step: int) -> Settlement:
    """A negative total is paid out exactly: amounts are negative, there is no change."""
    if any(not -MAX_AMOUNT <= t.amount < 0 for t in tenders):
        raise DomainError("bad_tender", "A refund is paid out in amounts below zero.")
    cash = sum(t.amount for t in tenders if t.type is TenderType.CASH)
    others = sum(t.amount for t in tenders if t.type is not TenderType.CASH)
    rest = total - others
    asked = cash_due(total, others, cash_step) if cash else rest
    if rest > 0 or cash != asked:
        raise DomainError("bad_tender", "The refund must be paid out exactly.", due=asked)
    return Settlement(rounding=asked - rest, change=0)


def likely_notes(due: int, digits: int) -> list[int]:
    """Amounts a customer is likely to hand over for ``due`` minor units, ascending, above the exact sum."""
    unit = 10**digits
    found: list[int] = []
    for note in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        step = note * unit if digits else note * 100
        amount = -(-due // step) * step
        if amount > due and amount not in found:
            found.append(amount)
    return sorted(found)[:4]
