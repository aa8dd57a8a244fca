"""A sale's rows: the receipt, its lines and payments, and what left the shelf. Totals are recomputed
from the receipt's own rules; a difference is filed for a person, the receipt stands as printed."""

from stillopen.backoffice.ingest.fact import Fact, Finding, Place
from stillopen.backoffice.ingest.limits import (
    check_decimal,
    check_money,
    clip,
    in_utc,
    out_of_range,
    quantity_text,
    rate_text,
)
from stillopen.backoffice.ingest.tables import LINE, MOVEMENT, PAYMENT, RECEIPT, Row
from stillopen.domain.cart import MAX_LINES
from stillopen.domain.discount import Discount
from stillopen.domain.errors import DomainError
from stillopen.domain.money import MAX_AMOUNT
from stillopen.domain.receipt import Receipt, is_as_computed, recompute
from stillopen.sync.facts import EntryBody

MAX_TENDERS = 1000
_NOTHING = ("0.000", "-0.000")


def check_currency(currency: str, place: Place) -> None:
    if currency != place.source.currency:
        raise DomainError(
            "wrong_currency",
            f"This entry is in {clip(currency, 10)}, the account is in {place.source.currency}.",
        )


def add_sale(fact: Fact, body: EntryBody, receipt: Receipt, place: Place) -> None:
    """Errors: ``wrong_currency``, ``out_of_range``, ``bad_entry`` (ids)."""
    check_currency(receipt.rules.currency, place)
    _check_range(receipt)
    fact.number = receipt.number
    sale, at = place.db.uid(fact.id), place.db.moment(in_utc(body.occurred_at))
    rows = fact.rows
    rows[RECEIPT] = [_receipt_row(fact, body, receipt, place, sale, at)]
    rows[LINE] = lines = _line_rows(place.account, sale, receipt)
    rows[PAYMENT] = _payment_rows(place.account, sale, receipt)
    rows[MOVEMENT] = _movement_rows(fact.id, lines, place, at)
    finding = _check_totals(receipt)
    if finding:
        fact.findings.append(finding)


def _check_range(receipt: Receipt) -> None:
    """Before anything is computed (quantities and rates: as their rows are made): a hostile exponent
    makes exact arithmetic endless."""
    if len(receipt.lines) > MAX_LINES or len(receipt.tenders) > MAX_TENDERS:
        raise out_of_range("length")
    if len(receipt.number) > 60 or "\0" in receipt.number:
        raise out_of_range("receipt number")
    check_money(
        (
            receipt.subtotal, receipt.discount_total, receipt.net, receipt.tax, receipt.total,
            receipt.rounding, receipt.change, receipt.rules.cash_rounding,
            *[tender.amount for tender in receipt.tenders],
        )
    )  # fmt: skip
    amounts: list[int] = []
    for line in receipt.lines:
        item = line.item
        _check_discount(item.discount)
        amounts += (
            item.unit_price, item.fixed_amount or 0, line.discount, line.sale_discount,
            line.net, line.tax, line.gross, line.before,
        )  # fmt: skip
    check_money(amounts)
    _check_discount(receipt.discount)


def _check_discount(discount: Discount | None) -> None:
    if discount is not None:
        check_decimal(discount.value, MAX_AMOUNT, "discount")


def _receipt_row(
    fact: Fact, body: EntryBody, receipt: Receipt, place: Place, sale: str, at: str
) -> Row:
    return (
        place.account, sale, receipt.number, place.store, place.register, fact.branch,
        fact.entry.seq, optional_uid(fact.shift, place),
        optional_uid(fact.employee, place), clip(receipt.cashier, 130),
        clip(receipt.customer, 100), receipt.rules.currency, at, body.business_day.isoformat(),
        receipt.subtotal, receipt.discount_total, receipt.net, receipt.tax, receipt.total,
        receipt.rounding, receipt.change, fact.received,
    )  # fmt: skip


def optional_uid(text: str | None, place: Place) -> str | None:
    return None if text is None else place.db.uid(text)


def _line_rows(account: str, sale: str, receipt: Receipt) -> list[Row]:
    return [
        (
            account, sale, number, clip(item.product, 40), clip(item.sku, 64), clip(item.name, 200),
            quantity_text(item.quantity), item.unit_price, line.discount + line.sale_discount,
            clip(item.tax_name, 60), rate_text(item.tax_rate), line.net, line.tax, line.gross,
        )
        for number, line in enumerate(receipt.lines, 1)
        for item in (line.item,)
    ]  # fmt: skip


def _payment_rows(account: str, sale: str, receipt: Receipt) -> list[Row]:
    return [
        (account, sale, number, t.type.value, t.amount, change, clip(t.reference, 100))
        for number, (t, change) in enumerate(zip(receipt.tenders, _change(receipt), strict=True), 1)
    ]


def _change(receipt: Receipt) -> list[int]:
    """Change is paid out of the cash tenders, the last one first; the first takes what is left."""
    if len(receipt.tenders) == 1:
        return [receipt.change]
    change = [0] * len(receipt.tenders)
    left = receipt.change
    cash = [i for i, tender in enumerate(receipt.tenders) if tender.type == "cash"]
    places = cash or list(range(len(receipt.tenders)))
    for i in reversed(places[1:]):
        change[i] = max(min(left, receipt.tenders[i].amount), 0)
        left -= change[i]
    if places:
        change[places[0]] = left
    return change


def _movement_rows(sale: str, lines: list[Row], place: Place, at: str) -> list[Row]:
    """What was sold leaves the store's stock; what came back returns to it."""
    rows: list[Row] = []
    account, store = place.account, place.store
    for row in lines:
        product, quantity = row[3], str(row[6])
        if product and quantity not in _NOTHING:
            if quantity[0] == "-":
                rows.append((account, sale, row[2], store, product, "refund", quantity[1:], at))
            else:
                rows.append((account, sale, row[2], store, product, "sale", f"-{quantity}", at))
    return rows


def _check_totals(receipt: Receipt) -> Finding | None:
    try:
        if is_as_computed(receipt):
            return None
        computed = recompute(receipt)
    except (DomainError, ValueError, ArithmeticError) as error:
        return _differs(receipt, {"reason": clip(str(error), 200)})
    names = ("subtotal", "discount_total", "net", "tax", "total", "rounding", "change")
    return _differs(
        receipt,
        {
            name: {"receipt": getattr(receipt, name), "computed": getattr(computed, name)}
            for name in names
            if getattr(receipt, name) != getattr(computed, name)
        },
    )


def _differs(receipt: Receipt, details: dict[str, object]) -> Finding:
    message = f"The totals of receipt {receipt.number} differ from what its own rules give."
    return Finding("totals_differ", message, {"receipt": receipt.number, **details})
