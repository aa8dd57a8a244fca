"""The shift: cash that goes in and out of the drawer, the X report at any time, the Z once at the close."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from stillopen.domain.receipt import Receipt


class CashKind(StrEnum):
    PAY_IN = "pay_in"
    PAY_OUT = "pay_out"
    DROP = "drop"


class TaxSum(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    rate: Decimal  # percent
    net: int
    tax: int
    gross: int


class TenderSum(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` is what stayed: cash is net of change."""

    type: str
    count: int
    amount: int


class ShiftTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Running sums of one shift, all in minor units; every figure can be followed to its entries.

    Kept as a value that each fact moves forward (:func:`with_receipt`, :func:`with_cash`), so that
    an X report never has to read the whole day again.
    """

    sales_count: int = 0
    sales_total: int = 0
    refunds_count: int = 0
    refunds_total: int = 0  # as a positive amount
    discounts: int = 0
    rounding: int = 0
    cash_sales: int = 0  # net of change
    cash_refunds: int = 0  # as a positive amount
    pay_in: int = 0
    pay_out: int = 0
    drops: int = 0
    taxes: tuple[TaxSum, ...] = ()
    tenders: tuple[TenderSum, ...] = ()


class ShiftReport(msgspec.Struct, frozen=True, kw_only=True):
    """An X report, or the Z when ``z_number`` is given. All money in minor units.

    ``expected`` and ``difference`` are None while a blind count is still open. ``grand_total`` is
    sales less refunds since the numbering of this register began.
    """

    shift: str
    currency: str
    register: str
    opened_at: datetime
    opened_by: str
    taken_at: datetime
    float: int
    totals: ShiftTotals
    expected: int | None
    grand_total: int
    z_number: int | None = None
    counted: int | None = None
    difference: int | None = None
    closed_by: str = ""


def expected_cash(opening_float: int, totals: ShiftTotals) -> int:
    """What should lie in the drawer (minor units)."""
    return (
        opening_float
        + totals.cash_sales
        - totals.cash_refunds
        + totals.pay_in
        - totals.pay_out
        - totals.drops
    )


def with_receipt(totals: ShiftTotals, receipt: Receipt) -> ShiftTotals:
    """The sums after ``receipt``; lines with a negative gross count as refunds."""
    sold = sum([x.gross for x in receipt.lines if x.gross > 0])
    returned = -sum([x.gross for x in receipt.lines if x.gross < 0])
    cash = receipt.cash
    replace = msgspec.structs.replace
    return replace(
        totals,
        sales_count=totals.sales_count + (sold > 0 or not returned),
        sales_total=totals.sales_total + sold,
        refunds_count=totals.refunds_count + (returned > 0),
        refunds_total=totals.refunds_total + returned,
        discounts=totals.discounts + receipt.discount_total,
        rounding=totals.rounding + receipt.rounding,
        cash_sales=totals.cash_sales + max(cash, 0),
        cash_refunds=totals.cash_refunds + max(-cash, 0),
        taxes=_add_taxes(totals.taxes, receipt),
        tenders=_add_tenders(totals.tenders, receipt),
    )


def with_cash(totals: ShiftTotals, kind: CashKind, amount: int) -> ShiftTotals:
    """The sums after a cash movement of ``amount`` > 0 minor units."""
    replace = msgspec.structs.replace
    if kind is CashKind.PAY_IN:
        return replace(totals, pay_in=totals.pay_in + amount)
    if kind is CashKind.PAY_OUT:
        return replace(totals, pay_out=totals.pay_out + amount)
    return replace(totals, drops=totals.drops + amount)


def _add_taxes(sums: tuple[TaxSum, ...], receipt: Receipt) -> tuple[TaxSum, ...]:
    merged = list(sums)
    for t in receipt.taxes:
        # There are few rates, and a Decimal is slower to hash than to compare.
        for at, old in enumerate(merged):
            if old.name == t.name and old.rate == t.rate:
                merged[at] = TaxSum(
                    name=t.name,
                    rate=t.rate,
                    net=old.net + t.net,
                    tax=old.tax + t.amount,
                    gross=old.gross + t.gross,
                )
                break
        else:
            merged.append(TaxSum(name=t.name, rate=t.rate, net=t.net, tax=t.amount, gross=t.gross))
    return tuple(merged)


def _add_tenders(sums: tuple[TenderSum, ...], receipt: Receipt) -> tuple[TenderSum, ...]:
    merged = {s.type: s for s in sums}
    kept: dict[str, int] = {}
    for t in receipt.tenders:
        kept[t.type.value] = kept.get(t.type.value, 0) + t.amount
    if receipt.change:
        kept["cash"] = kept.get("cash", 0) - receipt.change
    for name, amount in kept.items():
        old = merged.get(name)
        merged[name] = TenderSum(
            type=name,
            count=1 + (old.count if old else 0),
            amount=amount + (old.amount if old else 0),
        )
    return tuple(merged.values())
