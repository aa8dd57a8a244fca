"""A sale's rows: the receipt, its lines and payments, and what left the shelf. Totals are recomputed
from the receipt's own rules; a difference is filed for a person, the receipt stands as printed."""

from decimal import Decimal

from stillopen.backoffice.ingest.fact import Fact, Finding, Source
from stillopen.backoffice.ingest.limits import (
    canonical_id,
    check_decimal,
    check_money,
    check_quantity,
    check_rate,
    clip,
    in_utc,
    out_of_range,
)
from stillopen.backoffice.ingest.sql import engine
from stillopen.backoffice.ingest.tables import LINE, MOVEMENT, PAYMENT, RECEIPT, Row
from stillopen.domain.cart import MAX_LINES
from stillopen.domain.discount import Discount
from stillopen.domain.errors import DomainError
from stillopen.domain.money import MAX_AMOUNT
from stillopen.domain.receipt import Receipt, ReceiptLine, recompute
from stillopen.sync.facts import EntryBody

MAX_TENDERS = 1000


def check_currency(currency: str, source: Source) -> None:
    if currency != source.currency:
        raise DomainError(
            "wrong_currency",
            f"This entry is in {clip(currency, 10)}, the account is in {source.currency}.",
        )


def add_sale(fact: Fact, body: EntryBody, receipt: Receipt, source: Source) -> None:
    """Errors: ``wrong_currency``, ``out_of_range``, ``bad_entry`` (ids)."""
    check_currency(receipt.rules.currency, source)
    _check_range(receipt)
    fact.number = receipt.number
    fact.rows[RECEIPT] = [_receipt_row(fact, body, receipt, source)]
    account, sale = fact.rows[RECEIPT][0][:2]
    fact.rows[LINE] = [
        _line_row(account, sale, place, line) for place, line in enumerate(receipt.lines, 1)
    ]
    fact.rows[PAYMENT] = _payment_rows(account, sale, receipt)
    fact.rows[MOVEMENT] = _movement_rows(fact, body, receipt, source)
    finding = _check_totals(receipt)
    if finding:
        fact.findings.append(finding)


def _check_range(receipt: Receipt) -> None:
    """Before anything is computed: a hostile exponent makes exact arithmetic endless."""
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
    for line in receipt.lines:
        item = line.item
        check_quantity(item.quantity)
        check_rate(item.tax_rate)
        _check_discount(item.discount)
        check_money(
            (
                item.unit_price, item.fixed_amount, line.discount, line.sale_discount,
                line.net, line.tax, line.gross, line.before,
            )
        )  # fmt: skip
    _check_discount(receipt.discount)


def _check_discount(discount: Discount | None) -> None:
    if discount is not None:
        check_decimal(discount.value, MAX_AMOUNT, "discount")


def _receipt_row(fact: Fact, body: EntryBody, receipt: Receipt, source: Source) -> Row:
    db = engine()
    shift = None if body.shift is None else db.uid(canonical_id(body.shift, "shift"))
    employee = None if body.employee is None else db.uid(canonical_id(body.employee, "employee"))
    return (
        db.uid(source.account), db.uid(fact.id), receipt.number, db.uid(source.store),
        db.uid(source.register), fact.branch, fact.entry.seq, shift, employee,
        clip(receipt.cashier, 130), clip(receipt.customer, 100), receipt.rules.currency,
        db.moment(in_utc(body.occurred_at)), body.business_day.isoformat(), receipt.subtotal,
        receipt.discount_total, receipt.net, receipt.tax, receipt.total, receipt.rounding,
        receipt.change, db.moment(fact.received_at),
    )  # fmt: skip


def _line_row(account: object, sale: object, place: int, line: ReceiptLine) -> Row:
    item = line.item
    return (
        account, sale, place, clip(item.product, 40), clip(item.sku, 64), clip(item.name, 200),
        str(item.quantity), item.unit_price, line.discount + line.sale_discount,
        clip(item.tax_name, 60), str(item.tax_rate), line.net, line.tax, line.gross,
    )  # type: ignore[return-value]  # fmt: skip


def _payment_rows(account: object, sale: object, receipt: Receipt) -> list[Row]:
    """Change is paid out of the cash tenders, the last one first; the first takes what is left."""
    change = [0] * len(receipt.tenders)
    left = receipt.change
    cash = [i for i, tender in enumerate(receipt.tenders) if tender.type == "cash"]
    places = cash or list(range(len(receipt.tenders)))
    for i in reversed(places[1:]):
        change[i] = max(min(left, receipt.tenders[i].amount), 0)
        left -= change[i]
    if places:
        change[places[0]] = left
    return [
        (account, sale, i + 1, t.type.value, t.amount, change[i], clip(t.reference, 100))  # type: ignore[misc]
        for i, t in enumerate(receipt.tenders)
    ]


def _movement_rows(fact: Fact, body: EntryBody, receipt: Receipt, source: Source) -> list[Row]:
    """What was sold leaves the store's stock; what came back returns to it."""
    db = engine()
    account, store, at = (
        db.uid(source.account),
        db.uid(source.store),
        db.moment(in_utc(body.occurred_at)),
    )
    rows: list[Row] = []
    for place, line in enumerate(receipt.lines, 1):
        quantity: Decimal = line.item.quantity
        if quantity and line.item.product:
            reason = "sale" if quantity > 0 else "refund"
            product = clip(line.item.product, 40)
            rows.append((account, fact.id, place, store, product, reason, str(-quantity), at))
    return rows


def _check_totals(receipt: Receipt) -> Finding | None:
    try:
        computed = recompute(receipt)
    except (DomainError, ValueError, ArithmeticError) as error:
        return _differs(receipt, {"reason": clip(str(error), 200)})
    if computed == receipt:
        return None
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
