"""The receipts of this till, as they were made."""

from datetime import date, datetime

import msgspec

from stillopen.domain.errors import DomainError
from stillopen.domain.money import format_plain
from stillopen.domain.permission import Permission
from stillopen.domain.receipt import Receipt
from stillopen.register.session import Session
from stillopen.register.store.entries import EntryRow
from stillopen.register.till import Till
from stillopen.register.usecases.record import open_shift_id, record
from stillopen.sync.facts import ReceiptReprinted, decode_body, decode_payload


class ReceiptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list; ``status`` is sent | unsent | waiting | quarantined."""

    seq: int
    id: str
    number: str
    occurred_at: datetime
    total: int  # minor units
    cashier: str
    status: str


class StoredReceipt(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    seq: int
    occurred_at: datetime
    local_time: datetime  # the store's wall clock, naive
    business_day: date
    shift: str | None
    status: str
    receipt: Receipt


def list_receipts(
    till: Till, query: str = "", limit: int = 50, before_seq: int | None = None
) -> list[ReceiptRow]:
    """Newest first; ``query`` is part of a number."""
    rows = till.journal.entries.sales(query.strip(), limit, before_seq)
    statuses = _statuses(till)
    return [
        ReceiptRow(
            seq=row.seq,
            id=row.id,
            number=row.receipt or "",
            occurred_at=row.occurred_at,
            total=row.total or 0,
            cashier=row.employee_name,
            status=_status(row, statuses),
        )
        for row in rows
    ]


def _statuses(till: Till) -> tuple[str, int, dict[int, str]]:
    """(epoch in force, acked seq, seq → status of what the server holds but has not applied)."""
    held = {x.seq: x.status for x in till.journal.sending.not_applied()}
    return till.journal.head().epoch, till.journal.sending.state().acked_seq, dict(held)


def _status(row: EntryRow, statuses: tuple[str, int, dict[int, str]]) -> str:
    epoch, acked, held = statuses
    if row.epoch != epoch:
        return "sent"
    return held.get(row.seq) or ("sent" if row.seq <= acked else "unsent")


def find_receipt(till: Till, number: str) -> StoredReceipt:
    """``no_such_receipt``."""
    found = till.journal.entries.receipt(number.strip())
    if found is None:
        raise DomainError("no_such_receipt", f"This till has no receipt “{number[:40]}”.")
    return _stored(till, *found)


def last_receipt(till: Till) -> StoredReceipt | None:
    """The last sale made here, also after a power cut."""
    found = till.journal.entries.last_sale()
    return _stored(till, *found) if found else None


def _stored(till: Till, row: EntryRow, body: bytes) -> StoredReceipt:
    receipt = decode_payload(decode_body(body))
    if not isinstance(receipt, Receipt):
        raise DomainError("no_such_receipt", "This receipt cannot be read.")
    return StoredReceipt(
        id=row.id,
        seq=row.seq,
        occurred_at=row.occurred_at,
        local_time=till.local(row.occurred_at),
        business_day=row.business_day,
        shift=row.shift,
        status=_status(row, _statuses(till)),
        receipt=receipt,
    )


def last_sale_sentence(till: Till) -> str | None:
    """``Last sale S1-R1-000123: 9.20 paid, change 10.80``."""
    last = last_receipt(till)
    if last is None:
        return None
    receipt = last.receipt
    currency = receipt.rules.currency
    paid = format_plain(receipt.total + receipt.rounding, currency)
    change = format_plain(receipt.change, currency)
    return f"Last sale {receipt.number}: {paid} paid, change {change}"


def reprint(till: Till, session: Session, number: str) -> StoredReceipt:
    """Journal that the receipt is printed again, and give it. ``no_such_receipt``, ``not_permitted``."""
    session.require(Permission.REPRINT)
    found = find_receipt(till, number)
    with till.change("journal"):
        fact = ReceiptReprinted(receipt=found.receipt.number)
        record(till, "receipt_reprinted", fact, session=session, shift=open_shift_id(till))
        till.journal.prints.add(found.id)
    return found
