"""The receipt: what was sold, with its rules and every figure frozen in. It is the sale's journal payload."""

import msgspec

from stillopen.domain.cart import Cart, CartLine
from stillopen.domain.discount import Discount
from stillopen.domain.tender import Settlement, Tender, settle
from stillopen.domain.totals import LineTotal, Rules, TaxTotal, Totals, compute_totals


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True):
    """A cart line with its figures (minor units)."""

    item: CartLine
    before: int
    discount: int
    sale_discount: int
    net: int
    tax: int
    gross: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """``total = Σ lines.gross``; ``total + rounding = Σ tenders − change``. All money in minor units."""

    number: str
    rules: Rules
    lines: tuple[ReceiptLine, ...]
    taxes: tuple[TaxTotal, ...]
    subtotal: int
    discount_total: int
    net: int
    tax: int
    total: int
    tenders: tuple[Tender, ...]
    rounding: int
    change: int
    cashier: str  # name as printed
    discount: Discount | None = None  # the sale's own discount
    customer: str = ""  # code as typed or scanned
    note: str = ""

    @property
    def cash(self) -> int:
        """What the drawer gained: cash handed over less change."""
        return sum(t.amount for t in self.tenders if t.type == "cash") - self.change


def make_receipt(
    number: str,
    cart: Cart,
    tenders: tuple[Tender, ...],
    rules: Rules,
    cashier: str,
    totals: Totals | None = None,
) -> Receipt:
    """Freeze ``cart`` as paid by ``tenders``; ``totals`` where they are computed already, of this cart and
    these rules. Errors are those of :func:`settle`."""
    if totals is None:
        totals = compute_totals(cart.lines, cart.discount, rules)
    settlement = settle(totals.total, tenders, rules.cash_rounding)
    return _assemble(number, cart, tenders, rules, cashier, totals, settlement)


def _assemble(
    number: str,
    cart: Cart,
    tenders: tuple[Tender, ...],
    rules: Rules,
    cashier: str,
    totals: Totals,
    settlement: Settlement,
) -> Receipt:
    lines = tuple(
        [
            ReceiptLine(
                item=item,
                before=t.before,
                discount=t.discount,
                sale_discount=t.sale_discount,
                net=t.net,
                tax=t.tax,
                gross=t.gross,
            )
            for item, t in zip(cart.lines, totals.lines, strict=True)
        ]
    )
    return Receipt(
        number=number,
        rules=rules,
        lines=lines,
        taxes=totals.taxes,
        subtotal=totals.subtotal,
        discount_total=totals.discount,
        net=totals.net,
        tax=totals.tax,
        total=totals.total,
        tenders=tenders,
        rounding=settlement.rounding,
        change=settlement.change,
        cashier=cashier,
        discount=cart.discount,
        customer=cart.customer,
        note=cart.note,
    )


def is_as_computed(receipt: Receipt) -> bool:
    """Whether ``recompute(receipt) == receipt``, found out without building a second receipt.

    Errors are those of :func:`recompute`.
    """
    items = [line.item for line in receipt.lines]
    totals = compute_totals(items, receipt.discount, receipt.rules)
    settlement = settle(totals.total, receipt.tenders, receipt.rules.cash_rounding)
    return (
        totals.total == receipt.total
        and totals.net == receipt.net
        and totals.tax == receipt.tax
        and totals.subtotal == receipt.subtotal
        and totals.discount == receipt.discount_total
        and settlement.rounding == receipt.rounding
        and settlement.change == receipt.change
        and totals.taxes == receipt.taxes
        and all(map(_same_line, receipt.lines, totals.lines))
    )


def _same_line(line: ReceiptLine, total: LineTotal) -> bool:
    return (
        line.gross == total.gross
        and line.net == total.net
        and line.tax == total.tax
        and line.before == total.before
        and line.discount == total.discount
        and line.sale_discount == total.sale_discount
    )


def recompute(receipt: Receipt) -> Receipt:
    """The same receipt computed anew from its own lines, tenders and rules.

    Equal to ``receipt`` for every receipt that this software made. Raises ``DomainError`` where the
    tenders cannot settle it at all.
    """
    cart = Cart(
        id="",
        lines=tuple([line.item for line in receipt.lines]),
        discount=receipt.discount,
        customer=receipt.customer,
        note=receipt.note,
    )
    return make_receipt(receipt.number, cart, receipt.tenders, receipt.rules, receipt.cashier)
