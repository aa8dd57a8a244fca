"""A whole sale in one call, for kiosks and scripts."""

from collections.abc import Sequence

import msgspec

from stillopen.domain.cart import Cart, add_line
from stillopen.domain.errors import DomainError
from stillopen.domain.ids import parse_uuid
from stillopen.domain.quantity import format_quantity, parse_quantity
from stillopen.domain.tender import Tender
from stillopen.register.session import Session
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import renew
from stillopen.register.usecases.change_cart import MAX_TEXT, check_text
from stillopen.register.usecases.checkout import Paid, check_may_pay, make_sale, paid_before
from stillopen.register.usecases.record import require_shift, require_welcome
from stillopen.register.usecases.scan import FoundCode, find_code, line_for


class SaleLine(msgspec.Struct, frozen=True, kw_only=True):
    """``sku`` or ``barcode``; quantity as a decimal string."""

    sku: str = ""
    barcode: str = ""
    quantity: str = "1"


def sell(
    till: Till,
    session: Session,
    sale_id: str,
    lines: Sequence[SaleLine],
    tenders: Sequence[Tender],
    customer: str = "",
    note: str = "",
) -> Paid:
    """Sell ``lines``; the same id and content again answers the same receipt, other content ``id_reused``.

    Errors: ``bad_id``, ``empty_cart``, ``unknown_product``, ``bad_quantity``, and those of paying.
    """
    sale_id = parse_uuid(sale_id)
    asked = _content(lines, tenders, customer, note)
    before = _answered(till, sale_id, asked)
    if before is not None:
        return before
    check_may_pay(till, session, [t.type for t in tenders])
    require_shift(till)
    require_welcome(till)
    if till.journal.carts.get(sale_id) is not None:
        raise DomainError("id_reused", "This id belongs to a sale that is open at the till.")
    cart = _cart(till, sale_id, lines, check_text(customer), check_text(note))
    with till.change("journal"):
        paid = make_sale(till, session, cart, tenders)
        till.journal.requests.remember(sale_id, "sale", asked, sale_id, paid.occurred_at)
    if sale_id == till.next_cart:  # the id of the empty cart on the screen: it is taken now
        renew(till)
    return paid


def _answered(till: Till, sale_id: str, asked: object) -> Paid | None:
    if till.journal.requests.answer(sale_id, asked) is not None:
        return paid_before(till, sale_id)
    if till.journal.entries.stored(sale_id) is not None:
        raise DomainError("id_reused", "This id was used before for something else.")
    return None


def _content(
    lines: Sequence[SaleLine], tenders: Sequence[Tender], customer: str, note: str
) -> object:
    """What makes two requests the same, however they were written down."""
    return [
        [[x.sku, x.barcode, format_quantity(parse_quantity(x.quantity))] for x in lines],
        [[t.type.value, t.amount, t.reference] for t in tenders],
        customer,
        note,
    ]


def _cart(till: Till, sale_id: str, lines: Sequence[SaleLine], customer: str, note: str) -> Cart:
    if not lines:
        raise DomainError("empty_cart", "A sale has at least one line.")
    cart = Cart(id=sale_id, customer=customer, note=note)
    for number, line in enumerate(lines, start=1):
        found = _find(till, line, number)
        cart = add_line(cart, line_for(till, found, parse_quantity(line.quantity)), merge=False)
    return cart


def _find(till: Till, line: SaleLine, number: int) -> FoundCode:
    if bool(line.sku) == bool(line.barcode):
        raise DomainError(
            "bad_line", f"Line {number} needs either a sku or a barcode.", line=number
        )
    try:
        if line.sku:
            return _by_sku(till, line.sku)
        return find_code(till, line.barcode)
    except DomainError as error:
        if error.code != "unknown_code":
            raise
        code = (line.sku or line.barcode)[:MAX_TEXT]
        raise DomainError(
            "unknown_product",
            f"Line {number}: no product has the code “{code}”.",
            line=number,
            unknown=code,
        ) from None


def _by_sku(till: Till, sku: str) -> FoundCode:
    item = till.catalogue.by_sku(sku)
    if item is None:
        raise DomainError("unknown_code", "")
    return FoundCode(item=item, code="")
