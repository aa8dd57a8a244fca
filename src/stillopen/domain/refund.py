"""Refunds reverse stored amounts; they are never computed from today's prices or rates."""

from decimal import Decimal

from stillopen.domain.errors import DomainError
from stillopen.domain.money import divide
from stillopen.domain.quantity import to_milli
from stillopen.domain.receipt import ReceiptLine
from stillopen.domain.tax import Taxed


def refund_part(line: ReceiptLine, already: Decimal, quantity: Decimal) -> Taxed:
    """What goes back for ``quantity`` of ``line`` when ``already`` came back before (all ≥ 0).

    Cumulative: each part is the rounded share of everything returned so far less the shares before,
    so any way of splitting a refund gives the line's own amounts in the end.
    """
    sold = to_milli(line.item.quantity)
    before, after = to_milli(already), to_milli(already + quantity)
    if sold <= 0 or quantity <= 0 or after > sold:
        raise DomainError("refund_too_much", "More would come back than was sold.")
    gross = divide(line.gross * after, sold) - divide(line.gross * before, sold)
    # The tax is cumulative as well and the net is the rest, so that net + tax = gross in every part.
    tax = divide(line.tax * after, sold) - divide(line.tax * before, sold)
    return Taxed(gross - tax, tax, gross)
