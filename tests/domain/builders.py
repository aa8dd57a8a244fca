"""Small makers for tests of the domain."""

import itertools
from decimal import Decimal

from stillopen.domain.cart import Cart, CartLine
from stillopen.domain.discount import Discount, DiscountKind
from stillopen.domain.receipt import Receipt, make_receipt
from stillopen.domain.tender import Tender, TenderType
from stillopen.domain.totals import Rules

_ids = itertools.count(1)
EUR = Rules(currency="EUR")


def line(price: int, quantity: str = "1", rate: str = "19", **changes: object) -> CartLine:
    """``price`` in minor units."""
    n = next(_ids)
    fields: dict[str, object] = {
        "id": f"line-{n}",
        "product": f"product-{n}",
        "sku": str(n),
        "name": f"Article {n}",
        "quantity": Decimal(quantity).quantize(Decimal("0.001")),
        "unit_price": price,
        "tax": f"tax-{rate}",
        "tax_name": f"VAT {rate} %",
        "tax_rate": Decimal(rate),
    }
    return CartLine(**{**fields, **changes})  # type: ignore[arg-type]


def cart(*lines: CartLine, **changes: object) -> Cart:
    return Cart(id="cart", lines=lines, **changes)  # type: ignore[arg-type]


def cash(amount: int) -> Tender:
    return Tender(type=TenderType.CASH, amount=amount)


def card(amount: int) -> Tender:
    return Tender(type=TenderType.EXTERNAL_CARD, amount=amount)


def amount_off(value: int) -> Discount:
    return Discount(kind=DiscountKind.AMOUNT, value=Decimal(value))


def percent_off(value: str) -> Discount:
    return Discount(kind=DiscountKind.PERCENT, value=Decimal(value))


def receipt(
    *tenders: Tender, lines: list[CartLine], rules: Rules = EUR, **changes: object
) -> Receipt:
    return make_receipt("S1-R1-000001", cart(*lines, **changes), tenders, rules, "Anna")
