"""The one place where a cart becomes a sale: entry, number, sums and cart in one transaction."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from stillopen.domain.cart import Cart
from stillopen.domain.errors import DomainError
from stillopen.domain.ids import receipt_number
from stillopen.domain.permission import Permission
from stillopen.domain.policy import Capability
from stillopen.domain.receipt import Receipt, make_receipt
from stillopen.domain.shift import with_receipt
from stillopen.domain.tender import Tender, TenderType
from stillopen.register.session import Session
from stillopen.register.store.shifts import Counters, OpenShift
from stillopen.register.till import Till
from stillopen.register.usecases.cart_view import view_of
from stillopen.register.usecases.receipts import receipt_in
from stillopen.register.usecases.record import record, require_shift

_CAPABILITY: dict[TenderType, Capability] = {
    TenderType.CASH: Capability.CASH_SALE,
    TenderType.EXTERNAL_CARD: Capability.EXTERNAL_CARD,
    TenderType.CARD: Capability.INTEGRATED_CARD,
}


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """A sale that is on disk. ``repeated``: it was already; ``signed_out``: the session ended with it."""

    id: str
    seq: int
    occurred_at: datetime
    receipt: Receipt
    repeated: bool = False
    signed_out: bool = False


def check_may_pay(till: Till, session: Session, types: Sequence[TenderType]) -> None:
    """Permission, room on the disk, and what the offline policy says to each way of paying."""
    session.require(Permission.SELL)
    till.rules  # noqa: B018  (raises never_synced)
    till.journal.entries.require_writable()
    till.journal.require_room()
    for kind in types:
        till.require_capability(_CAPABILITY[kind])
        if kind is TenderType.CARD:
            raise DomainError(
                "no_terminal",
                "No card terminal is connected to this register. Use External card, or take cash.",
            )


def paid_before(till: Till, sale_id: str) -> Paid | None:
    """The sale that ``sale_id`` has become already; ``id_reused`` if it names something else,
    ``receipt_damaged`` if it cannot be read any more."""
    stored = till.journal.entries.stored(sale_id)
    if stored is None:
        return None
    row, body = stored
    if row.kind != "sale":
        raise DomainError("id_reused", "This id was used before for something else.")
    receipt = receipt_in(body)
    return Paid(id=row.id, seq=row.seq, occurred_at=row.occurred_at, receipt=receipt, repeated=True)


def make_sale(till: Till, session: Session, cart: Cart, tenders: Sequence[Tender]) -> Paid:
    """Inside a transaction: whatever is raised here leaves everything as it was.

    Errors: ``empty_cart``, ``shift_not_open``, and those of ``domain.tender.settle``.
    """
    shift = require_shift(till)
    if cart.is_empty:
        raise DomainError("empty_cart", "A sale has at least one line.")
    identity = till.require_identity()
    epoch = till.journal.identity.epoch()
    counters = till.journal.shifts.counters()
    number = receipt_number(
        identity.store_code,
        identity.register_name,
        epoch.label if epoch else "",
        counters.receipts + 1,
    )
    seen = view_of(till, cart)  # as it was on the screen
    receipt = make_receipt(number, cart, tuple(tenders), seen.rules, session.name, seen.totals)
    return keep_sale(till, session, shift, cart.id, receipt)


def keep_sale(
    till: Till, session: Session, shift: OpenShift, cart_id: str, receipt: Receipt
) -> Paid:
    """Everything that a sale changes on the disk; inside a transaction."""
    made = record(
        till,
        "sale",
        receipt,
        session=session,
        entry_id=cart_id,
        shift=shift.id,
        receipt=receipt.number,
        total=receipt.total,
    )
    counters = till.journal.shifts.counters()
    moved = Counters(counters.receipts + 1, counters.z, counters.grand_total + receipt.total)
    totals = with_receipt(shift.totals, receipt)
    till.journal.shifts.save_sale(
        msgspec.structs.replace(shift, totals=totals),
        moved,
        paid_cart=cart_id if till.journal.carts.paid(cart_id) else "",
    )
    till.journal.carts.end_attempt(cart_id)
    return Paid(id=cart_id, seq=made.seq, occurred_at=made.draft.occurred_at, receipt=receipt)
